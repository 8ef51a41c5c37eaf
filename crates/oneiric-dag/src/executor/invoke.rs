//! One try of one node: gate, task, timeout, cancellation, panic.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use oneiric_core::gate::{Admission, Denial, Permit, Purpose, Wait};
use oneiric_core::roles::{Pulse, TaskContext};
use oneiric_core::{Domain, Fault, Payload};
use oneiric_store::failpoint;

use super::run::{Outcome, Run};
use crate::program::Bound;
use crate::state::Start;

impl Run {
    /// Runs one try to its end, whatever that is.
    pub(super) async fn invoke(&self, start: &Start) -> Outcome {
        let changes = self.shared.changes.load(Ordering::Acquire);
        match self.ask(self.program.task(start.node)).await {
            Ok(permit) => {
                let outcome = self.call(start).await;
                // Only now is the work over, for whoever counts it.
                self.settle(permit, &outcome).await;
                outcome.map_or_else(Outcome::Failed, Outcome::Done)
            }
            Err(denial) => match denial.wait {
                Wait::Never => Outcome::Failed(denial.into()),
                Wait::Until(at) => Outcome::Held { until: Some(at), fault: denial.into(), changes },
                Wait::Change => Outcome::Held { until: None, fault: denial.into(), changes },
            },
        }
    }

    /// Tells whoever let the call pass how it ended. One that was cut short says nothing of its target.
    pub(super) async fn settle<T>(&self, permit: Permit, outcome: &Result<T, Fault>) {
        match outcome {
            Ok(_) => permit.settle(Ok(())).await,
            Err(_) if self.cancel.is_cancelled() => {
                permit.settle(Err(&Fault::shutdown("the call was cut short"))).await;
            }
            Err(fault) => permit.settle(Err(fault)).await,
        }
    }

    /// Puts a call of a task to the gate.
    pub(super) async fn ask(&self, bound: &Bound) -> Result<Permit, Denial> {
        let parts = &self.shared.parts;
        let admission = Admission {
            purpose: Purpose::Node,
            domain: &Domain::TASK,
            key: &bound.descriptor.key,
            descriptor: Some(&bound.descriptor),
            run: Some(self.id),
            deadline: *self.deadline.borrow(),
            now: parts.clock.now(),
        };
        parts.gate.admit(&admission).verdict().await
    }

    /// Waits until the process certainly owns the run: somebody else may have taken over, and may be doing
    /// this very thing.
    pub(super) async fn hold(&self) -> Result<(), Fault> {
        let lease = &self.shared.parts.lease;
        if !lease.holds() {
            tokio::select! {
                biased;
                () = lease.hold() => {}
                () = self.abort.cancelled() => {}
            }
        }
        // A lease that was lost and holds again holds for what is owned since. Its loss may not have reached
        // this run yet.
        if self.abort.is_cancelled() || lease.losses() != self.losses {
            return Err(Fault::shutdown("the run was lost before the call"));
        }
        if self.shared.stop.is_cancelled() {
            return Err(Fault::shutdown("the process went down before the call"));
        }
        Ok(())
    }

    /// What a task is told about a try.
    pub(super) fn context<'a>(&'a self, start: &Start, pulse: &'a Pulse) -> TaskContext<'a> {
        let plan = self.program.plan();
        TaskContext {
            run: self.id,
            workflow: plan.workflow(),
            node: &plan.graph().node(start.node).id,
            attempt: start.attempt,
            input: start.input.clone(),
            input_hash: start.input_hash,
            cancel: &self.cancel,
            grace: plan.limits().grace,
            log: &self.shared.parts.log,
            pulse,
        }
    }

    async fn call(&self, start: &Start) -> Result<Payload, Fault> {
        let plan = self.program.plan();
        let parts = &self.shared.parts;
        self.hold().await?;
        let pulse = Pulse::new(&parts.clock);
        let cx = self.context(start, &pulse);
        tracing::debug!(run = %self.id, node = %cx.node, attempt = start.attempt, "node started");
        failpoint::reach("node.before_effect");
        let call = self.program.task(start.node).task.run(cx);
        let call = AssertUnwindSafe(call).catch_unwind();
        let bounds = Bounds {
            timeout: plan.timeout(start.node),
            silence: plan.heartbeat(start.node),
            grace: plan.limits().grace,
        };
        let answer = self.bounded(call, start, &pulse, bounds).await?;
        failpoint::reach("node.after_effect");
        answer.unwrap_or_else(|panic| Err(of_panic(panic.as_ref())))
    }
}

/// A task that panics has failed, except where its timer panicked because the runtime is being dropped
/// under it: then it was not judged at all.
pub(super) fn of_panic(panic: &(dyn Any + Send)) -> Fault {
    const TORN_DOWN: &str = "context was found, but it is being shutdown";
    let fault = Fault::panic(panic);
    if fault.message.contains(TORN_DOWN) {
        Fault::shutdown("the runtime was dropped during the call")
    } else {
        fault
    }
}

/// How long one try may take.
struct Bounds {
    /// In all.
    timeout: Option<Duration>,
    /// Without a word.
    silence: Option<Duration>,
    /// Once it was asked to stop.
    grace: Duration,
}

impl Run {
    /// Waits for `call` within its bounds.
    ///
    /// The call is polled once before any timer is made: most calls of a busy graph never need one.
    async fn bounded<T>(
        &self,
        call: impl Future<Output = T>,
        start: &Start,
        pulse: &Pulse,
        bounds: Bounds,
    ) -> Result<T, Fault> {
        let mut call = pin!(call);
        if let Poll::Ready(answer) = once(call.as_mut()).await {
            return Ok(answer);
        }
        let clock = &*self.shared.parts.clock;
        let _felt = self.pulses.feel(start, pulse);
        let late = async {
            match bounds.timeout {
                Some(limit) => {
                    clock.sleep(limit).await;
                    Fault::timeout(limit)
                }
                None => std::future::pending().await,
            }
        };
        let silent = async {
            match bounds.silence {
                Some(limit) => {
                    while let Some(left) = limit.checked_sub(pulse.silence()).filter(|left| !left.is_zero()) {
                        clock.sleep(left).await;
                    }
                    Fault::transient("heartbeat", format!("was silent for {limit:?}"))
                }
                None => std::future::pending().await,
            }
        };
        let stopped = async {
            self.cancel.cancelled().await;
            let grace = bounds.grace;
            tokio::select! {
                biased;
                () = clock.sleep(grace) => {
                    Fault::transient("cancelled", format!("did not stop within {grace:?} of being asked to"))
                }
                () = self.abort.cancelled() => Fault::transient("cancelled", "was dropped without being waited for"),
            }
        };
        tokio::select! {
            // An answer counts, however late it is noticed.
            biased;
            answer = call => Ok(answer),
            fault = late => Err(fault),
            fault = stopped => Err(fault),
            fault = silent => Err(fault),
        }
    }
}

/// Polls a future a single time.
async fn once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

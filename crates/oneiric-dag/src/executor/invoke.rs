//! One try of one node: gate, task, timeout, cancellation, panic.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt as _;
use oneiric_core::gate::{Admission, Decision, Purpose};
use oneiric_core::roles::TaskContext;
use oneiric_core::{Clock, Domain, Fault, Payload};
use tokio_util::sync::CancellationToken;

use super::run::Run;
use crate::state::Start;

impl Run {
    /// Runs one try to its end, whatever that is.
    pub(super) async fn invoke(&self, start: &Start) -> Result<Payload, Fault> {
        let plan = self.program.plan();
        let bound = self.program.task(start.node);
        let parts = &self.shared.parts;
        let admission = Admission {
            purpose: Purpose::Node,
            domain: &Domain::TASK,
            key: &bound.descriptor.key,
            descriptor: Some(&bound.descriptor),
            run: self.id,
            deadline: self.deadline,
            now: parts.clock.now(),
        };
        match parts.gate.admit(&admission) {
            Decision::Now(verdict) => verdict?,
            Decision::Later(verdict) => verdict.await?,
        }
        let node = &plan.graph().node(start.node).id;
        tracing::debug!(run = %self.id, %node, attempt = start.attempt, "node started");
        let call = bound.task.run(TaskContext {
            run: self.id,
            workflow: plan.workflow(),
            node,
            attempt: start.attempt,
            input: start.input.clone(),
            input_hash: start.input_hash,
            cancel: &self.cancel,
            grace: plan.limits().grace,
            log: &parts.log,
        });
        let call = AssertUnwindSafe(call).catch_unwind();
        let answer =
            bounded(call, plan.timeout(start.node), plan.limits().grace, &self.cancel, &*parts.clock).await?;
        answer.unwrap_or_else(|panic| Err(of_panic(panic.as_ref())))
    }
}

/// A task that panics has failed, except where its timer panicked because the runtime is being dropped
/// under it: then it was not judged at all.
fn of_panic(panic: &(dyn Any + Send)) -> Fault {
    const TORN_DOWN: &str = "context was found, but it is being shutdown";
    let fault = Fault::panic(panic);
    if fault.message.contains(TORN_DOWN) {
        Fault::shutdown("the runtime was dropped during the call")
    } else {
        fault
    }
}

/// Waits for `call`, at most `timeout`, and at most `grace` once `cancel` has fired.
///
/// The call is polled once before any timer is made: most calls of a busy graph never need one.
async fn bounded<T>(
    call: impl Future<Output = T>,
    timeout: Option<Duration>,
    grace: Duration,
    cancel: &CancellationToken,
    clock: &dyn Clock,
) -> Result<T, Fault> {
    let mut call = pin!(call);
    if let Poll::Ready(answer) = once(call.as_mut()).await {
        return Ok(answer);
    }
    let late = async {
        match timeout {
            Some(limit) => {
                clock.sleep(limit).await;
                Fault::timeout(limit)
            }
            None => std::future::pending().await,
        }
    };
    let stopped = async {
        cancel.cancelled().await;
        clock.sleep(grace).await;
        Fault::transient("cancelled", format!("did not stop within {grace:?} of being asked to"))
    };
    tokio::select! {
        // An answer counts, however late it is noticed.
        biased;
        answer = call => Ok(answer),
        fault = late => Err(fault),
        fault = stopped => Err(fault),
    }
}

/// Polls a future a single time.
async fn once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

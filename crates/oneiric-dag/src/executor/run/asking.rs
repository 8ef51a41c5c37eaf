//! Unknown outcomes: whoever can find out is asked, before a person is.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use oneiric_core::gate::Wait;
use oneiric_core::roles::{Pulse, Reconciled};
use oneiric_core::{Clock, Fault, Payload};
use oneiric_store::{Event, Found, NodeStatus};

use super::super::invoke::of_panic;
use super::Run;
use crate::graph::Hook;
use crate::program::Bound;
use crate::state::{Ask, Start};

/// How often a question is put before a person has to answer it.
const TRIES: u32 = 3;

/// How long a question may take where its task does not say: whoever looks something up answers within
/// seconds, or has no answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it waits before it asks once more; twice as long each time.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest wait for a gate that said when to ask again.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Why there was no answer, and how long to wait for one.
struct NoAnswer {
    fault: Fault,
    again: Option<Duration>,
}

impl Run {
    /// A task of its own for one question. Nothing waits for it but the run's end.
    pub(super) fn spawn_ask(self: &Arc<Self>, ask: Ask) {
        let run = Arc::clone(self);
        self.shared.tasks.spawn(async move {
            let Ask { node, attempt, input, input_hash } = ask;
            let start = Start { node, attempt, input, input_hash };
            let reconciled = tokio::select! {
                biased;
                // Nobody wants to know any more, or the next owner asks again.
                () = run.cancel.cancelled() => return,
                () = run.abort.cancelled() => return,
                reconciled = run.find_out(&start) => reconciled,
            };
            run.reconciled(&start, reconciled).await;
        });
    }

    async fn find_out(&self, start: &Start) -> Reconciled {
        let Some(hook) = self.program.plan().reconcile(start.node) else { return Reconciled::Unknown };
        let bound = match hook {
            Hook::Own => Some(self.program.task(start.node)),
            Hook::Task(key) => self.program.hook(key),
        };
        let Some(bound) = bound else { return Reconciled::Unknown };
        // It is closed by nobody.
        let _turn = self.shared.asks.acquire().await;
        let clock = &*self.shared.parts.clock;
        for tries in 0..TRIES {
            match self.question(hook, bound, start, clock).await {
                Ok(reconciled) => return reconciled,
                Err(NoAnswer { fault, again }) => {
                    let node = &self.program.plan().graph().node(start.node).id;
                    tracing::warn!(run = %self.id, %node, asked = %bound.descriptor.key, %fault, "outcome not found out");
                    let Some(again) = again.filter(|_| tries + 1 < TRIES) else { break };
                    clock.sleep(again.max(PAUSE * 2u32.pow(tries))).await;
                }
            }
        }
        Reconciled::Unknown
    }

    /// Asks once.
    async fn question(
        &self,
        hook: &Hook,
        bound: &Bound,
        start: &Start,
        clock: &dyn Clock,
    ) -> Result<Reconciled, NoAnswer> {
        let permit = self.ask(bound).await.map_err(|denial| NoAnswer {
            again: match denial.wait {
                Wait::Never => None,
                Wait::Until(at) => Some(at.since(clock.now()).min(LONGEST_PAUSE)),
                Wait::Change => Some(PAUSE),
            },
            fault: denial.into(),
        })?;
        let transient = |fault: Fault| NoAnswer {
            again: (fault.class == oneiric_core::Class::Transient).then_some(PAUSE),
            fault,
        };
        self.hold().await.map_err(transient)?;
        let limit =
            bound.descriptor.timeout_seconds.and_then(|limit| Duration::try_from_secs_f64(limit).ok());
        let limit = limit.unwrap_or(PATIENCE);
        let pulse = Pulse::new(&self.shared.parts.clock);
        let question = async {
            let cx = self.context(start, &pulse);
            match hook {
                Hook::Own => bound.task.reconcile(cx).await,
                Hook::Task(_) => Reconciled::read(&bound.task.run(cx).await?),
            }
        };
        let question = AssertUnwindSafe(question).catch_unwind();
        let answer = tokio::select! {
            biased;
            answer = question => answer.unwrap_or_else(|panic| Err(of_panic(panic.as_ref()))),
            () = clock.sleep(limit) => Err(Fault::timeout(limit)),
        };
        self.settle(permit, &answer).await;
        answer.map_err(transient)
    }

    /// Puts the answer to the machine, where it still asks.
    async fn reconciled(self: Arc<Self>, about: &Start, reconciled: Reconciled) {
        let (found, output) = match reconciled {
            Reconciled::Done { output } => (Found::Done, output),
            Reconciled::NotDone => (Found::NotDone, Payload::NULL),
            Reconciled::Unknown => (Found::Unknown, Payload::NULL),
        };
        // A person may have answered first, or the run may have ended.
        self.nudge(0, |inner| {
            let view = inner.state.node(about.node);
            let asked = view.status == NodeStatus::Unknown && view.attempt == about.attempt;
            let more = 1 + self.program.plan().graph().successors(about.node).len();
            let event = |slots| Event::Reconciled { node: about.node, found, output, slots };
            asked.then_some((more, event))
        })
        .await;
    }
}

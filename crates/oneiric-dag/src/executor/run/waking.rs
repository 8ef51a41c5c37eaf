//! What moves a run from outside of its nodes: slots, timers, its deadline, a wish to stop.

use std::sync::Arc;

use oneiric_core::Timestamp;
use oneiric_store::Event;

use super::{Mode, Run};
use crate::state::{Illegal, Timer};

impl Run {
    /// Slots have come back; called without the run's lock.
    pub(in crate::executor) fn granted(self: &Arc<Self>, count: u32) {
        let run = Arc::clone(self);
        self.shared.tasks.spawn(async move {
            let turn = {
                let mut inner = run.lock();
                inner.queued = false;
                if inner.mode != Mode::Live || inner.state.appetite(0) == 0 {
                    drop(inner);
                    run.shared.slots.give(count);
                    return;
                }
                let more = run.shared.slots.take(inner.state.appetite(0).saturating_sub(count));
                match run.turn(&mut inner, Event::Granted { slots: count + more }) {
                    Ok(turn) => turn,
                    Err(_) => {
                        drop(inner);
                        run.shared.slots.give(count + more);
                        return;
                    }
                }
            };
            if let Some(start) = run.perform(turn).await {
                run.drive(start).await;
            }
        });
    }

    pub(super) fn spawn_timer(self: &Arc<Self>, timer: Timer) {
        let run = Arc::clone(self);
        self.shared.tasks.spawn(async move {
            let clock = &run.shared.parts.clock;
            tokio::select! {
                () = clock.sleep(timer.at.since(clock.now())) => run.due(timer.node).await,
                () = run.cancel.cancelled() => {}
            }
        });
    }

    pub(super) async fn due(self: Arc<Self>, node: u32) {
        let turn = {
            let mut inner = self.lock();
            if inner.mode != Mode::Live {
                return;
            }
            let slots = self.shared.slots.take(inner.state.appetite(1));
            match self.turn(&mut inner, Event::Due { node, slots }) {
                Ok(turn) => turn,
                // The node was cancelled while its timer ran.
                Err(_) => {
                    drop(inner);
                    self.shared.slots.give(slots);
                    return;
                }
            }
        };
        if let Some(start) = self.perform(turn).await {
            self.drive(start).await;
        }
    }

    /// Puts an event without slots to the machine: a cancel, a timeout.
    pub(super) async fn tell(self: &Arc<Self>, event: Event) -> Result<(), Illegal> {
        let turn = {
            let mut inner = self.lock();
            self.turn(&mut inner, event)?
        };
        self.perform(turn).await;
        Ok(())
    }

    /// Watches over the run from outside of its nodes: its time may be up, the process may go down.
    pub(in crate::executor) fn spawn_watch(self: &Arc<Self>, deadline: Option<Timestamp>) {
        let run = Arc::clone(self);
        let mut ended = self.ended.subscribe();
        self.shared.tasks.spawn(async move {
            let clock = &run.shared.parts.clock;
            let late = async {
                match deadline {
                    Some(at) => clock.sleep(at.since(clock.now())).await,
                    None => std::future::pending().await,
                }
            };
            let over = async {
                // An error says that the run is gone, which is the same.
                ended.wait_for(Option::is_some).await.ok();
            };
            let late = tokio::select! {
                () = late => true,
                () = over => return,
                () = run.shared.stop.cancelled() => false,
            };
            if late {
                // Illegal where the run ended in this very moment.
                run.tell(Event::TimedOut).await.ok();
            } else {
                run.suspend();
            }
        });
    }
}

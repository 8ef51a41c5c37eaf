//! What moves a run from outside of its nodes: slots, timers, its deadline, a wish to stop.

use std::sync::Arc;

use oneiric_core::{Clock, Timestamp};
use oneiric_store::{Commit, Event, Refusal};

use tokio::sync::watch;

use super::super::Ended;
use super::{Inner, Mode, Run};
use crate::executor::RunError;
use crate::state::Timer;

impl Run {
    /// Slots have come back; called without the run's lock.
    pub(in crate::executor) fn granted(self: &Arc<Self>, count: u32) {
        let run = Arc::clone(self);
        self.shared.tasks.spawn(async move {
            run.nudge(count, |inner| {
                inner.queued = false;
                (inner.state.appetite(0) > 0).then_some((0, |slots| Event::Granted { slots }))
            })
            .await;
        });
    }

    pub(super) fn spawn_timer(self: &Arc<Self>, timer: Timer) {
        let run = Arc::clone(self);
        let mut ended = self.ended.subscribe();
        self.shared.tasks.spawn(async move {
            let clock = &run.shared.parts.clock;
            tokio::select! {
                biased;
                () = clock.sleep(timer.at.since(clock.now()).min(timer.wait)) => run.due(timer).await,
                () = run.cancel.cancelled() => {}
                // A run that paused while the node waited.
                () = over(&mut ended) => {}
            }
        });
    }

    /// A wait is over. The machine does not listen where the node was cancelled or tried at once meanwhile.
    pub(super) async fn due(self: Arc<Self>, Timer { node, attempt, .. }: Timer) {
        let event = move |slots| Event::Due { node, attempt: Some(attempt), slots };
        self.nudge(0, |_| Some((1, event))).await;
    }

    /// Nodes that wait for a change ask the gate again.
    pub(in crate::executor) async fn release(self: Arc<Self>) {
        self.nudge(0, |inner| {
            let nodes = inner.state.held();
            (!nodes.is_empty()).then_some((nodes.len(), |slots| Event::Released { nodes, slots }))
        })
        .await;
    }

    /// Puts an event to the machine from outside of its nodes, and does what follows from it. `wish` is
    /// asked under the lock: how many nodes the event may make ready, and the event for the slots that
    /// there are. `granted` are slots that the caller has already; what is not needed is given back.
    pub(super) async fn nudge<E: FnOnce(u32) -> Event>(
        self: &Arc<Self>,
        granted: u32,
        wish: impl FnOnce(&mut Inner) -> Option<(usize, E)>,
    ) {
        let slots = &self.shared.slots;
        let turn = {
            let mut inner = self.lock();
            let Some((more, event)) = wish(&mut inner).filter(|_| inner.mode == Mode::Live) else {
                drop(inner);
                return slots.give(granted);
            };
            let count = granted + slots.take(inner.state.appetite(more).saturating_sub(granted));
            match self.turn(&mut inner, event(count)) {
                Ok(turn) => turn,
                // It has become of no account while the lock was waited for.
                Err(_) => {
                    drop(inner);
                    return slots.give(count);
                }
            }
        };
        if let Some(start) = self.perform(turn).await {
            Arc::clone(self).drive(start).await;
        }
    }

    /// Puts an event without slots to the machine: a cancel, a timeout. Returns when it is durable.
    ///
    /// # Errors
    /// [`RunError::Illegal`], [`RunError::Lost`]; [`RunError::Commit`], and the run is lost with it.
    pub(super) async fn tell(self: &Arc<Self>, event: Event) -> Result<(), RunError> {
        let mut turn = {
            let mut inner = self.lock();
            if inner.mode == Mode::Over && !inner.state.status().is_terminal() {
                return Err(RunError::Lost(self.id));
            }
            self.turn(&mut inner, event).map_err(|source| RunError::Illegal { run: self.id, source })?
        };
        // It asked for no slots: there is nothing to begin, and nothing to give back.
        let commit = std::mem::replace(&mut turn.commit, Commit::ready(Ok(())));
        if let Err(error) = commit.await {
            self.lose(&error);
            return Err(error.into());
        }
        self.perform(turn).await;
        Ok(())
    }

    /// Watches over the run from outside of its nodes: its time may be up, the process may go down, or be
    /// taken for dead.
    pub(in crate::executor) fn spawn_watch(self: &Arc<Self>) {
        let run = Arc::clone(self);
        let mut ended = self.ended.subscribe();
        let mut deadline = self.deadline.subscribe();
        self.shared.tasks.spawn(async move {
            let parts = &run.shared.parts;
            loop {
                let at = *deadline.borrow_and_update();
                tokio::select! {
                    biased;
                    // An error says that the run is gone, which is the same.
                    () = over(&mut ended) => return,
                    () = run.shared.stop.cancelled() => return run.suspend(),
                    _ = parts.lease.lost(run.losses) => return run.lose(&Refusal::BootEnded(parts.lease.boot()).into()),
                    _ = deadline.changed() => {}
                    () = passed(&*parts.clock, at) => {
                        // Illegal where the run ended, or was stopped, in this very moment.
                        run.tell(Event::TimedOut).await.ok();
                        // What comes back from here on is its end.
                        run.deadline.send_replace(None);
                    }
                }
            }
        });
    }
}

async fn over(ended: &mut watch::Receiver<Option<Ended>>) {
    ended.wait_for(Option::is_some).await.ok();
}

async fn passed(clock: &dyn Clock, at: Option<Timestamp>) {
    match at {
        Some(at) => clock.sleep(at.since(clock.now())).await,
        None => std::future::pending().await,
    }
}

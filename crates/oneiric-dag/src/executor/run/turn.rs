//! Events into the machine, its batch into the store, and then the rest.

use std::sync::Arc;

use oneiric_store::{Batch, Commit, Event, NodeRecord, Op, Require, RunState, RunStatus};

use super::{Inner, Mode, Run};
use crate::executor::Ended;
use crate::state::{Ask, Effects, Illegal, Start, Timer};

/// What a transition leaves to be done outside of the lock.
pub(super) struct Turn {
    pub(super) commit: Commit,
    pub(super) start: Vec<Start>,
    timers: Vec<Timer>,
    ask: Vec<Ask>,
    cancel: bool,
    abort: bool,
    /// How this process's part of the run ends with this turn.
    ended: Option<Ended>,
    /// What the observer is told; empty where there is none.
    told: Vec<Told>,
}

pub(super) enum Told {
    Node(NodeRecord),
    Run(Box<RunState>),
}

impl Run {
    /// Puts one event to the machine.
    pub(super) fn put(&self, inner: &mut Inner, fx: &mut Effects, event: Event) -> Result<(), Illegal> {
        let begun = fx.start.len();
        inner.state.step(self.program.plan(), self.shared.parts.clock.now(), event, fx)?;
        self.shared.slots.give(std::mem::take(&mut fx.returned));
        inner.in_flight += (fx.start.len() - begun) as u32;
        if fx.ended.is_some() {
            inner.mode = Mode::Over;
        }
        Ok(())
    }

    /// Puts the batch of some events in line. Still under the lock, so that batches are applied in the
    /// order of their events.
    pub(super) fn seal(
        self: &Arc<Self>,
        inner: &mut Inner,
        mut require: Vec<Require>,
        mut fx: Effects,
    ) -> Turn {
        let parts = &self.shared.parts;
        if !inner.queued && inner.mode == Mode::Live && inner.state.appetite(0) > 0 {
            inner.queued = true;
            // Handing out may come back to this run, whose lock is held: leave that to a task.
            let run = Arc::clone(self);
            self.shared.tasks.spawn(async move { run.shared.slots.wait(&run) });
        }
        let workflow = self.program.plan().workflow();
        for op in &fx.ops {
            if let Op::SetNode(row) = op {
                self.shared.tally.node(workflow, row);
            }
        }
        if let Some(status) = fx.ended.filter(|status| status.is_terminal()) {
            self.shared.tally.run(workflow, status);
        }
        let ended = match fx.ended {
            Some(status) => Some(Ended::Reached(status)),
            None => inner.is_suspended().then_some(Ended::Suspended),
        };
        let told = match &parts.observer {
            None => Vec::new(),
            Some(_) => fx.ops.iter().filter_map(Told::of).collect(),
        };
        if require.is_empty() {
            require.push(Require::RunEpoch { run: self.id, epoch: self.epoch });
        }
        let mut ops = std::mem::take(&mut fx.ops);
        if fx.ended.is_some_and(RunStatus::is_terminal) {
            // Nobody obeys them any more.
            ops.push(Op::DropCommands(self.id));
        }
        let commit = parts.store.commit(Batch { require, ops });
        let Effects { start, timers, ask, cancel, abort, .. } = fx;
        Turn { commit, start, timers, ask, cancel, abort, ended, told }
    }

    /// One event, one batch.
    pub(super) fn turn(self: &Arc<Self>, inner: &mut Inner, event: Event) -> Result<Turn, Illegal> {
        let mut fx = Effects::default();
        self.put(inner, &mut fx, event)?;
        Ok(self.seal(inner, Vec::new(), fx))
    }

    /// Waits until a turn is durable and does the rest of it. Returns the first try to begin; the
    /// others are on their way.
    pub(super) async fn perform(self: &Arc<Self>, turn: Turn) -> Option<Start> {
        if let Err(error) = turn.commit.await {
            self.shared.slots.give(turn.start.len() as u32);
            self.lock().in_flight -= turn.start.len() as u32;
            self.lose(&error);
            return None;
        }
        if let Some(observer) = &self.shared.parts.observer {
            for told in turn.told {
                match told {
                    Told::Node(row) => observer.node(&row),
                    Told::Run(row) => observer.run(self.id, &row),
                }
            }
        }
        self.moved.notify_waiters();
        if turn.abort {
            self.abort.cancel();
        }
        if turn.cancel {
            self.cancel.cancel();
        }
        for timer in turn.timers {
            self.spawn_timer(timer);
        }
        for ask in turn.ask {
            self.spawn_ask(ask);
        }
        if let Some(ended) = turn.ended {
            tracing::debug!(run = %self.id, ?ended, "run ended");
            self.end(ended);
        }
        let mut start = turn.start.into_iter();
        let first = start.next();
        for start in start {
            self.spawn_node(start);
        }
        first
    }
}

impl Told {
    fn of(op: &Op) -> Option<Self> {
        match op {
            Op::SetNode(row) => Some(Told::Node(row.clone())),
            Op::SetRun { state, .. } => Some(Told::Run(state.clone())),
            Op::InsertRun(_)
            | Op::PutCheckpoint(_)
            | Op::Append(_)
            | Op::SetBoot(_)
            | Op::Beat { .. }
            | Op::Disown(_)
            | Op::Release(_)
            | Op::PutCommand(_)
            | Op::DropCommand { .. }
            | Op::DropCommands(_)
            | Op::SetActivity(_)
            | Op::PutEnvelope(_)
            | Op::PutDelivery(_)
            | Op::SetDelivery { .. }
            | Op::RenewDelivery(_)
            | Op::SetHeldDelivery { .. }
            | Op::ReleaseDelivery { .. }
            | Op::DropEnvelope(_)
            | Op::Blob(_)
            | Op::Extension(_) => None,
        }
    }
}

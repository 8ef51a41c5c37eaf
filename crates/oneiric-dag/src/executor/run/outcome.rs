//! Tries, and what becomes of their outcomes.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use oneiric_core::{Class, Fault, Payload, Timestamp};
use oneiric_store::Event;

use super::turn::Turn;
use super::{Held, Inner, Mode, Run};
use crate::executor::Ended;
use crate::state::{Effects, Start};

/// A try that has ended.
#[derive(Debug)]
pub(super) struct Arrival {
    node: u32,
    attempt: u32,
    outcome: Outcome,
}

/// How a try ended.
#[derive(Debug)]
pub(in crate::executor) enum Outcome {
    /// It succeeded.
    Done(Payload),
    /// It failed.
    Failed(Fault),
    /// The gate let it wait; `changes` is what the executor had counted before the gate was asked.
    Held { until: Option<Timestamp>, fault: Fault, changes: u64 },
}

impl Run {
    /// A task of its own for one try and for what follows from it.
    pub(super) fn spawn_node(self: &Arc<Self>, start: Start) {
        let run = Arc::clone(self);
        self.shared.tasks.spawn(run.drive(start));
    }

    pub(super) async fn drive(self: Arc<Self>, first: Start) {
        let mut next = Some(first);
        while let Some(start) = next {
            let outcome = self.invoke(&start).await;
            next = self.finished(&start, outcome).await;
        }
    }

    /// A try has ended. Returns the one that goes on in its place.
    ///
    /// Nobody waits for the lock: who finds it taken leaves the outcome to whoever has it, and looks
    /// for other work. Outcomes that come together become one batch.
    pub(super) async fn finished(self: &Arc<Self>, start: &Start, outcome: Outcome) -> Option<Start> {
        let arrival = Arrival { node: start.node, attempt: start.attempt, outcome };
        let held = match self.try_lock() {
            Some(held) => Some((held, Some(arrival))),
            None => {
                self.arrivals().push(arrival);
                // It may have been let go of in between.
                self.try_lock().map(|held| (held, None))
            }
        };
        let (held, arrival) = held?;
        let turn = self.work_off(held, arrival)?;
        self.perform(turn).await
    }

    /// Puts what has arrived to the machine, as one batch; `None` where nothing is to be recorded.
    pub(super) fn work_off(self: &Arc<Self>, mut held: Held<'_>, first: Option<Arrival>) -> Option<Turn> {
        let mut fx = Effects::default();
        first.into_iter().for_each(|arrival| self.record(&mut held, &mut fx, arrival));
        // Twice is enough: what comes later still finds a task when the lock is let go of.
        for _ in 0..2 {
            let more = std::mem::take(&mut *self.arrivals());
            more.into_iter().for_each(|arrival| self.record(&mut held, &mut fx, arrival));
        }
        if fx.ops.is_empty() {
            if held.is_suspended() {
                self.end(Ended::Suspended);
            }
            return None;
        }
        Some(self.seal(&mut held, Vec::new(), fx))
    }

    pub(super) fn record(&self, inner: &mut Inner, fx: &mut Effects, arrival: Arrival) {
        let Arrival { node, attempt, outcome } = arrival;
        inner.in_flight -= 1;
        let unjudged = matches!(&outcome, Outcome::Failed(fault) if fault.class == Class::Shutdown);
        if inner.mode == Mode::Live && (unjudged || self.shared.stop.is_cancelled()) {
            inner.mode = Mode::Suspended;
            self.cancel.cancel();
        }
        let counts = match inner.mode {
            Mode::Live => true,
            Mode::Suspended => matches!(outcome, Outcome::Done(_)),
            Mode::Over => false,
        };
        if !counts {
            self.shared.slots.give(1);
            return;
        }
        let slots = self.slots_for(inner, node);
        let event = match outcome {
            Outcome::Done(output) => Event::Succeeded { node, attempt, output, slots },
            Outcome::Failed(fault) => {
                Event::Failed { node, attempt, fault, chance: self.shared.parts.rng.next_u64(), slots }
            }
            Outcome::Held { until, fault, changes } => {
                // Somebody changed something while the gate was asked: what it said may be over.
                let changed = until.is_none() && changes != self.shared.changes.load(Ordering::Acquire);
                let until = until.or_else(|| changed.then(|| self.shared.parts.clock.now()));
                Event::Held { node, attempt, until, fault, slots }
            }
        };
        if let Err(illegal) = self.put(inner, fx, event) {
            // Only a defect of ours comes here: the try was ours and was under way.
            tracing::error!(run = %self.id, %illegal, "an outcome was dropped");
            self.shared.slots.give(slots);
        }
    }

    /// A task for outcomes that somebody left while the lock was held.
    pub(super) fn spawn_work_off(self: &Arc<Self>) {
        let run = Arc::clone(self);
        self.shared.tasks.spawn(async move {
            let turn = run.try_lock().and_then(|held| run.work_off(held, None));
            if let Some(turn) = turn
                && let Some(start) = run.perform(turn).await
            {
                run.drive(start).await;
            }
        });
    }

    /// How many nodes may start now that a try has ended: its own slot, and what the pool has.
    pub(super) fn slots_for(&self, inner: &mut Inner, ended: u32) -> u32 {
        if inner.mode == Mode::Suspended {
            self.shared.slots.give(1);
            return 0;
        }
        let successors = self.program.plan().graph().successors(ended).len();
        let wanted = inner.state.appetite_after_one(successors);
        if self.shared.slots.waiting() > u32::from(inner.queued) {
            // Others wait: the slot goes round, and this run queues up behind them.
            self.shared.slots.give(1);
            return 0;
        }
        1 + self.shared.slots.take(wanted.saturating_sub(1))
    }
}

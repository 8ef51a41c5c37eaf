//! The end of a process: one deadline for all of it, and what became of what was under way.

use std::time::Duration;

use futures_util::FutureExt as _;
use oneiric_dag::{Ended, RunHandle};

use crate::oneiric::Oneiric;
use crate::phase::Phase;

/// How long answers to other processes may take once the end has begun: they are people's questions, and the time
/// belongs to the runs.
const ANSWERS: Duration = Duration::from_secs(1);

/// Services have this part of the time at least, where there are some: what hangs in a run must not take it from them.
const SHARE: u32 = 4;

/// What components have to stop, one after the other, where the deadline has passed: what hangs in a run must not keep
/// those that are in order from being stopped.
const OVERTIME: Duration = Duration::from_millis(250);

/// What those behind one that hangs then have, all together.
const LAST: Duration = Duration::from_millis(150);

/// What became of the work that was under way when a process began to go down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Leaving {
    /// Runs that came to their end, or to where they wait for a person.
    pub drained: usize,
    /// Runs that stopped when they were asked to. They are in the store, and go on in the next process.
    pub returned: usize,
    /// Runs, deliveries and events in memory that did not stop in time and were cut off. What is in the store goes on
    /// in the next process, and what was under way of it happens again.
    pub aborted: usize,
    /// Components that did not stop.
    pub unstopped: usize,
    /// Whether every service stopped by itself, in its time.
    pub served: bool,
    /// Whether every component was unused when it was stopped.
    pub unused: bool,
}

impl Leaving {
    /// Whether everything ended by the deadline.
    pub fn is_clean(&self) -> bool {
        self.aborted == 0 && self.unstopped == 0 && self.served && self.unused
    }

    /// Counts runs by how they stand. Where all had stopped, one that came to no end was still on its way to its first
    /// step, and the next process begins it.
    fn count(&mut self, runs: &[RunHandle], stopped: bool) {
        for run in runs {
            match run.ended().now_or_never() {
                Some(Ended::Reached(_)) => self.drained += 1,
                Some(Ended::Suspended | Ended::Lost(_)) => self.returned += 1,
                None if stopped => self.returned += 1,
                None => self.aborted += 1,
            }
        }
    }
}

impl Oneiric {
    /// Nothing further starts, what runs is asked to stop and is waited for, services and then components are stopped in
    /// reverse order. Runs that had not ended stay in the store for a resume. The store is still open, for who answers questions to
    /// the end.
    ///
    /// Returns by `deadline`, or where components are left then at most 400 ms later. What has not stopped is left
    /// alone and goes with the tokio runtime.
    pub async fn drain(&self, deadline: Duration) -> Leaving {
        self.refuse_work();
        let clock = &self.0.executor.parts().clock;
        let end = clock.monotonic().saturating_add(deadline);
        let left = || end.saturating_sub(clock.monotonic());
        let runs = self.0.executor.runs();
        self.0.presence.end(&**clock, deadline.min(ANSWERS)).await;
        let kept = self.0.services.are_kept();
        let for_runs = if kept { left() - left() / SHARE } else { left() };
        let (deliveries, events, stopped) = tokio::join!(
            self.0.courier.shutdown(for_runs),
            self.0.dispatcher.shutdown(for_runs),
            self.0.executor.shutdown(for_runs),
        );
        let events = usize::try_from(events).unwrap_or(usize::MAX);
        let mut leaving = Leaving { aborted: deliveries.saturating_add(events), ..Leaving::default() };
        leaving.count(&runs, stopped);
        leaving.served = self.0.services.stop(left()).await;
        #[cfg(feature = "sqlite")]
        if kept {
            // Somebody may wait to keep them up.
            self.ring_others().await;
        }
        leaving.unused = tokio::select! {
            biased;
            unused = self.0.lifecycle.stop(left()) => unused,
            () = clock.sleep(left().max(OVERTIME)) => {
                leaving.unstopped = self.0.lifecycle.cut(LAST).await;
                false
            }
        };
        self.0.phases.enter(Phase::Stopped);
        self.finish_snapshot().await;
        leaving
    }
}

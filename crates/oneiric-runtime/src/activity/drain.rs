//! Waiting until nothing of a component is in flight.

use std::time::Duration;

use oneiric_core::{Domain, Key};

use super::flight::Flight;
use super::operator::Operator;
use crate::error::Error;

/// The time between two looks at other processes: from the first, which catches short work, to the last,
/// which nobody who watches finds slow.
const LOOKS: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(250));

/// How waiting for a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Nothing is in flight, and nothing can come.
    Landed,
    /// Something was still in flight when the time was up. The component drains on.
    Late,
    /// Somebody had it take work again.
    Cleared,
}

/// How a drain went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrainReport {
    /// How it ended.
    pub ended: Drained,
    /// The last look.
    pub flight: Flight,
    /// How long it was waited for.
    pub took: Duration,
}

impl Operator {
    /// Waits until nothing of a draining component is in flight in any live process, at most `deadline`.
    /// `told` hears of every look whose numbers are other than before. Dropping the future changes nothing.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn drained(
        &self,
        domain: &Domain,
        key: &Key,
        deadline: Duration,
        mut told: impl FnMut(&Flight),
    ) -> Result<DrainReport, Error> {
        let began = self.clock.monotonic();
        let mut last: Option<Flight> = None;
        let mut pause = LOOKS.0;
        loop {
            let (flight, own) = self.look(domain, key).await?;
            let took = self.clock.monotonic().saturating_sub(began);
            if last.as_ref().is_none_or(|last| last.processes != flight.processes) {
                told(&flight);
            }
            let ended = if !flight.record.draining {
                Some(Drained::Cleared)
            } else if flight.is_landed() {
                Some(Drained::Landed)
            } else {
                (took >= deadline).then_some(Drained::Late)
            };
            if let Some(ended) = ended {
                return Ok(DrainReport { ended, flight, took });
            }
            let left = deadline.saturating_sub(took);
            // Others ring nobody when their work ends.
            let others = flight.processes.len() > usize::from(own > 0);
            tokio::select! {
                () = self.fell_here(domain, key, own) => {}
                () = self.clock.sleep(if others { pause.min(left) } else { left }) => {}
            }
            pause = (pause * 2).min(LOOKS.1);
            last = Some(flight);
        }
    }

    /// Waits until what is in flight here is no longer `count`, or somebody says something else of it.
    async fn fell_here(&self, domain: &Domain, key: &Key, count: u64) {
        let Some(here) = &self.here else { return std::future::pending().await };
        let activity = here.oneiric.activities();
        let marks = activity.marks(domain, key);
        // Where it was cleared meanwhile, the next look says so.
        if !marks.accepts() {
            activity.changed(domain, key, count, marks).await;
        }
    }
}

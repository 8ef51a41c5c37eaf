//! A run's journal, followed while it grows.

use std::time::Duration;

use oneiric_core::RunId;
use oneiric_dag::{Ended, Plan, RunHandle};
use oneiric_store::{JournalEntry, RunRecord};

use crate::error::Error;
use crate::json::JournalLine;
use crate::oneiric::Oneiric;

/// Entries that are read at a time.
const PAGE: usize = 200;

/// The first and the longest pause between two looks at a run that is not under way here: nobody tells of it.
const GLANCES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// Follows a run from a place of its journal on, until it has ended: every entry once and in order, whichever
/// process has the run. What happens here is told at once; a run of another process is looked at once a second.
#[derive(Debug)]
pub struct Follow {
    run: RunId,
    after: u64,
    plan: Option<Plan>,
}

impl Follow {
    /// What comes after `seq`; 0 is everything.
    ///
    /// # Errors
    /// [`Error::UnknownRun`], [`Error::Store`].
    pub async fn after(oneiric: &Oneiric, run: RunId, seq: u64) -> Result<Self, Error> {
        let record = oneiric.row(run).await?;
        // Rows are worth showing even where the manifests of their plan cannot be read any more.
        let plan = oneiric.plan_of(&record).await.ok();
        Ok(Self { run, after: seq, plan })
    }

    /// The last place that was given.
    pub fn place(&self) -> u64 {
        self.after
    }

    /// The next entries, the oldest first; none where there is nothing more for now.
    ///
    /// # Errors
    /// [`Error::Store`]; then the place is where it was.
    pub async fn page(&mut self, oneiric: &Oneiric, limit: usize) -> Result<Vec<JournalLine>, Error> {
        let entries = oneiric.store().journal(self.run, self.after, limit).await?;
        self.after = entries.last().map_or(self.after, |last| last.seq);
        Ok(entries.into_iter().map(|entry| self.line(entry)).collect())
    }

    /// Waits for the next entries; the run as it is where it has ended and all of them were given. Dropping the
    /// future loses nothing.
    ///
    /// # Errors
    /// As [`Follow::page`].
    pub async fn next(&mut self, oneiric: &Oneiric) -> Result<Result<Vec<JournalLine>, RunRecord>, Error> {
        let mut pause = GLANCES.0;
        loop {
            // In this order, so that nothing that becomes durable meanwhile is slept through.
            let handle = oneiric.find(self.run);
            let moved = handle.as_ref().map(RunHandle::moved);
            let record = oneiric.row(self.run).await?;
            let lines = self.page(oneiric, PAGE).await?;
            if !lines.is_empty() {
                return Ok(Ok(lines));
            }
            if record.state.status.is_terminal() {
                return Ok(Err(record));
            }
            match moved {
                Some(moved) => moved.await,
                None => {
                    oneiric.clock().sleep(pause).await;
                    pause = (pause * 2).min(GLANCES.1);
                }
            }
        }
    }

    fn line(&self, entry: JournalEntry) -> JournalLine {
        let name = |place: u32| Some(self.plan.as_ref()?.graph().nodes().get(place as usize)?.id.to_string());
        JournalLine::of(entry, name)
    }
}

impl Oneiric {
    /// Waits until a run rests: it has ended, or is paused for a person; at most `limit`. The run as it is then,
    /// whichever process has it.
    ///
    /// # Errors
    /// [`Error::UnknownRun`], [`Error::Store`].
    pub async fn rested(&self, run: RunId, limit: Duration) -> Result<RunRecord, Error> {
        let clock = self.clock();
        let began = clock.monotonic();
        let mut pause = GLANCES.0;
        loop {
            let handle = self.find(run);
            let record = self.row(run).await?;
            let status = record.state.status;
            let left = limit.saturating_sub(clock.monotonic().saturating_sub(began));
            if status.is_terminal() || status == oneiric_store::RunStatus::Paused || left.is_zero() {
                return Ok(record);
            }
            let ended = async {
                match &handle {
                    // One that was lost or let go of is looked at again in a moment.
                    Some(handle) => match handle.ended().await {
                        Ended::Reached(_) => {}
                        Ended::Suspended | Ended::Lost(_) => clock.sleep(pause).await,
                    },
                    None => clock.sleep(pause).await,
                }
            };
            tokio::select! {
                () = ended => {}
                () = clock.sleep(left) => {}
            }
            pause = (pause * 2).min(GLANCES.1);
        }
    }
}

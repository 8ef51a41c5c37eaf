//! Runs that the gate does not let begin yet.

use std::collections::BTreeSet;
use std::time::Duration;

use oneiric_core::{RunId, Timestamp};
use oneiric_store::{Owned, RunRecord, WhoseCommands};

use super::Custodian;

/// A run that the gate does not let begin yet. It is owned meanwhile: nobody else has to look at it.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) record: RunRecord,
    pub(super) _owned: Owned,
    /// When it may be asked again, whatever happens.
    pub(super) until: Option<Timestamp>,
    /// What had changed when the gate was asked.
    pub(super) changes: u64,
    /// How often the lease had been lost then.
    pub(super) losses: u64,
}

impl Custodian {
    /// When to look after them again, for each of the reasons to do so.
    pub(super) fn next_of_waiting(&self) -> impl Iterator<Item = Duration> {
        let parts = self.executor.parts();
        let (now, changes) = (parts.clock.now(), self.executor.changes());
        self.waiting.iter().flat_map(move |waiting| {
            let until = waiting.until.map(|until| until.since(now));
            // Somebody changed something while the gate was asked: what it said may be over.
            let changed = (waiting.changes != changes).then_some(Duration::ZERO);
            // Somebody may ask something of it, and the bell may be missed.
            [until, changed, Some(parts.lease.interval())].into_iter().flatten()
        })
    }

    /// Those for which the gate may have another answer now. A run of which somebody asks something is given
    /// back: whoever asks finds it free.
    pub(super) async fn no_longer_waiting(&mut self) -> Vec<RunRecord> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let parts = self.executor.parts();
        let asked: BTreeSet<RunId> =
            match parts.store.commands(WhoseCommands::Owner(parts.lease.boot())).await {
                Ok(asked) => asked.into_iter().map(|command| command.run).collect(),
                Err(error) => {
                    tracing::error!(%error, "cannot read what is asked of the runs that wait");
                    return Vec::new();
                }
            };
        let (now, changes, losses) = (parts.clock.now(), self.executor.changes(), parts.lease.losses());
        let (mut again, mut kept) = (Vec::new(), Vec::new());
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.losses != losses {
                // Others have it by now.
            } else if asked.contains(&waiting.record.id) {
                self.give_back(&waiting.record).await;
            } else if waiting.changes != changes || waiting.until.is_some_and(|until| until <= now) {
                again.push(waiting.record);
            } else {
                kept.push(waiting);
            }
        }
        self.waiting = kept;
        again
    }
}

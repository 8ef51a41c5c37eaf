//! Runs that this process owns and nobody in it works on: its store failed when it took or wrote them.

use oneiric_store::{BootSeen, RunFilter, RunRecord, RunStatus, StoreError};

use super::{Custodian, PAGE};

impl Custodian {
    /// Gives back what this process owns and does not work on: a claim whose answer was lost, a run whose
    /// batch the disk refused. A run is left alone until it has been seen so for a beat: it may be on its way
    /// from the claim to the executor.
    pub(super) async fn let_go(&mut self, boots: &[BootSeen]) -> Result<(), StoreError> {
        let parts = self.executor.parts();
        let (me, now) = (parts.lease.boot(), parts.clock.monotonic());
        let owns = boots.iter().find(|seen| seen.boot.id == me).map_or(0, |seen| seen.owns - seen.deliveries);
        if owns <= (self.executor.runs_under_way() + self.waiting.len()) as u64 {
            self.adrift.clear();
            return Ok(());
        }
        let before = std::mem::take(&mut self.adrift);
        let mut old = Vec::new();
        for record in self.owned().await? {
            let key = (record.id, record.state.epoch);
            let since = before.get(&key).copied().unwrap_or(now);
            self.adrift.insert(key, since);
            if now.saturating_sub(since) >= parts.lease.interval() {
                old.push(record.id);
            }
        }
        if old.is_empty() {
            return Ok(());
        }
        // Batches are applied in the order of the calls: once this beat is durable, nothing that was written
        // of these runs is still on its way, and what is read now is how they stand.
        parts.lease.beat(&*parts.store).await?;
        for run in old {
            let Some(record) = parts.store.run(run).await?.filter(|record| self.is_adrift(record)) else {
                continue;
            };
            tracing::warn!(%run, "a run of this process that nobody works on is given back");
            self.give_back(&record).await;
            self.adrift.remove(&(run, record.state.epoch));
        }
        Ok(())
    }

    /// The runs that the store says are this process's and that are not under way here.
    async fn owned(&self) -> Result<Vec<RunRecord>, StoreError> {
        let store = &self.executor.parts().store;
        let statuses = vec![RunStatus::Pending, RunStatus::Running, RunStatus::Paused];
        let mut filter = RunFilter { statuses, ..RunFilter::newest(PAGE) };
        let mut owned = Vec::new();
        loop {
            let page = store.runs(filter.clone()).await?;
            filter.before = page.last().map(|record| record.id);
            let last = page.len() < PAGE;
            owned.extend(page.into_iter().filter(|record| self.is_adrift(record)));
            if last {
                return Ok(owned);
            }
        }
    }

    fn is_adrift(&self, record: &RunRecord) -> bool {
        let mine = record.state.owner == Some(self.executor.parts().lease.boot());
        let waits = self.waiting.iter().any(|waiting| waiting.record.id == record.id);
        !record.state.status.is_terminal() && mine && !waits && self.executor.find(record.id).is_none()
    }
}

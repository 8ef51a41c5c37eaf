//! The store as one process sees it.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::EventId;
use oneiric_core::{BootId, Clock, Digest, RunId};
use oneiric_store::liveness::Violation;
use oneiric_store::{
    ActivityRecord, Backlog, Batch, BootRecord, BootSeen, Checkpoint, Claim, CommandRecord, Commit,
    CommitError, DeliveryClaim, DeliveryFilter, DeliveryRecord, EnvelopeFilter, EnvelopeRecord,
    IntegrityReport, JournalEntry, NodeRecord, RunFilter, RunRecord, Store, StoreError, Waiting,
    WhoseCommands,
};
use tokio::sync::oneshot;

use super::audit::Who;
use super::disk::{Disk, Work, broken};
use super::fuse::Fuse;
use crate::time::ManualClock;

/// One process's way to the disk. Once the process is dead, nothing it says arrives and nothing is answered.
#[derive(Debug)]
pub(super) struct SimStore {
    who: Who,
    disk: Arc<Disk>,
    clock: ManualClock,
    fuse: Arc<Fuse>,
}

impl SimStore {
    pub(super) fn new(who: Who, disk: Arc<Disk>, clock: ManualClock, fuse: Arc<Fuse>) -> Arc<Self> {
        Arc::new(Self { who, disk, clock, fuse })
    }

    fn ask<T>(&self, work: impl FnOnce(oneshot::Sender<T>) -> Work) -> oneshot::Receiver<T> {
        let (answer, receiver) = oneshot::channel();
        if self.fuse.touch() {
            self.disk.put(self.who, work(answer));
        }
        receiver
    }

    /// A read that takes its time and may fail. What it sees is how things were before or after that time.
    async fn read<T, F>(&self, read: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        if !self.fuse.touch() {
            return std::future::pending().await;
        }
        let early = if self.disk.coin() { Some(read().await) } else { None };
        self.clock.sleep(self.disk.read_latency()).await;
        if self.disk.read_fails() {
            return Err(broken());
        }
        match early {
            Some(seen) => seen,
            None => read().await,
        }
    }
}

async fn answer<T>(receiver: oneshot::Receiver<T>) -> T {
    match receiver.await {
        Ok(answer) => answer,
        // Nobody will ever say.
        Err(_) => std::future::pending().await,
    }
}

#[async_trait]
impl Store for SimStore {
    fn commit(&self, batch: Batch) -> Commit {
        Commit::pending(answer(self.ask(|sender| Work::Commit(batch, sender))))
    }
    async fn claim(&self, claim: Claim) -> Result<Vec<RunRecord>, CommitError> {
        answer(self.ask(|sender| Work::Claim(claim, sender))).await
    }
    async fn enter(&self, boot: BootRecord) -> Result<(), StoreError> {
        answer(self.ask(|sender| Work::Enter(boot, sender))).await
    }
    async fn leave(&self, boot: BootId) -> Result<(), StoreError> {
        answer(self.ask(|sender| Work::Leave(boot, sender))).await
    }
    async fn boots(&self) -> Result<Vec<BootSeen>, StoreError> {
        self.read(|| self.disk.memory().boots()).await
    }
    async fn commands(&self, whose: WhoseCommands) -> Result<Vec<CommandRecord>, StoreError> {
        self.read(|| self.disk.memory().commands(whose)).await
    }
    async fn activities(&self) -> Result<Vec<ActivityRecord>, StoreError> {
        self.read(|| self.disk.memory().activities()).await
    }
    async fn violations(&self) -> Result<Vec<Violation>, StoreError> {
        self.read(|| self.disk.memory().violations()).await
    }
    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.read(|| self.disk.memory().backlog()).await
    }
    async fn extensions(&self, family: &str) -> Result<Vec<(String, u64, Vec<u8>)>, StoreError> {
        self.read(|| self.disk.memory().extensions(family)).await
    }
    async fn dead(&self) -> Result<Vec<BootId>, StoreError> {
        self.read(|| self.disk.memory().dead()).await
    }
    async fn boot(&self, boot: BootId) -> Result<Option<BootRecord>, StoreError> {
        self.read(|| self.disk.memory().boot(boot)).await
    }
    async fn claim_deliveries(
        &self,
        claim: DeliveryClaim,
    ) -> Result<Vec<(EnvelopeRecord, DeliveryRecord)>, CommitError> {
        answer(self.ask(|sender| Work::ClaimDeliveries(claim, sender))).await
    }
    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.read(|| self.disk.memory().waiting()).await
    }
    async fn envelope(&self, event: &EventId) -> Result<Option<EnvelopeRecord>, StoreError> {
        self.read(|| self.disk.memory().envelope(event)).await
    }
    async fn envelopes(&self, filter: EnvelopeFilter) -> Result<Vec<EnvelopeRecord>, StoreError> {
        self.read(|| self.disk.memory().envelopes(filter.clone())).await
    }
    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<(u64, DeliveryRecord)>, StoreError> {
        self.read(|| self.disk.memory().deliveries(filter.clone())).await
    }
    async fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        self.read(|| self.disk.memory().run(run)).await
    }
    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        self.read(|| self.disk.memory().runs(filter.clone())).await
    }
    async fn nodes(&self, run: RunId) -> Result<Vec<NodeRecord>, StoreError> {
        self.read(|| self.disk.memory().nodes(run)).await
    }
    async fn checkpoints(&self, run: RunId) -> Result<Vec<Checkpoint>, StoreError> {
        self.read(|| self.disk.memory().checkpoints(run)).await
    }
    async fn journal(&self, run: RunId, after: u64, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        self.read(|| self.disk.memory().journal(run, after, limit)).await
    }
    async fn last_seq(&self, run: RunId) -> Result<u64, StoreError> {
        self.read(|| self.disk.memory().last_seq(run)).await
    }
    async fn blob(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.read(|| self.disk.memory().blob(digest)).await
    }
    async fn extension(&self, family: &str, key: &str) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        self.read(|| self.disk.memory().extension(family, key)).await
    }
    async fn check(&self) -> Result<IntegrityReport, StoreError> {
        self.read(|| self.disk.memory().check()).await
    }
    async fn backup(&self, to: &Path) -> Result<u64, StoreError> {
        self.disk.memory().backup(to).await
    }
    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

//! A store that remembers every batch it passed on.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use oneiric_core::{BootId, Digest, RunId};
use oneiric_store::liveness::Violation;
use oneiric_store::{
    ActivityRecord, Batch, BootRecord, BootSeen, Checkpoint, Claim, CommandRecord, Commit, CommitError,
    IntegrityReport, JournalEntry, NodeRecord, RunFilter, RunRecord, Store, StoreError, WhoseCommands,
};

/// Passes everything on and keeps a copy of every batch, in the order of the calls.
#[derive(Debug)]
pub struct RecordingStore {
    inner: Arc<dyn Store>,
    batches: Mutex<Vec<Batch>>,
}

impl RecordingStore {
    /// Records what goes to `inner`.
    pub fn new(inner: Arc<dyn Store>) -> Self {
        Self { inner, batches: Mutex::default() }
    }

    /// Takes what was recorded so far.
    pub fn take(&self) -> Vec<Batch> {
        std::mem::take(&mut self.batches.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Store for RecordingStore {
    fn commit(&self, batch: Batch) -> Commit {
        // Under the lock, so that the record has the order of the calls.
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        batches.push(batch.clone());
        self.inner.commit(batch)
    }

    async fn claim(&self, claim: Claim) -> Result<Vec<RunRecord>, CommitError> {
        self.inner.claim(claim).await
    }
    async fn enter(&self, boot: BootRecord) -> Result<(), StoreError> {
        self.inner.enter(boot).await
    }
    async fn boots(&self) -> Result<Vec<BootSeen>, StoreError> {
        self.inner.boots().await
    }
    async fn commands(&self, whose: WhoseCommands) -> Result<Vec<CommandRecord>, StoreError> {
        self.inner.commands(whose).await
    }
    async fn activities(&self) -> Result<Vec<ActivityRecord>, StoreError> {
        self.inner.activities().await
    }
    async fn violations(&self) -> Result<Vec<Violation>, StoreError> {
        self.inner.violations().await
    }
    async fn extensions(&self, family: &str) -> Result<Vec<(String, u64, Vec<u8>)>, StoreError> {
        self.inner.extensions(family).await
    }
    async fn dead(&self) -> Result<Vec<BootId>, StoreError> {
        self.inner.dead().await
    }
    async fn leave(&self, boot: BootId) -> Result<(), StoreError> {
        self.inner.leave(boot).await
    }
    async fn boot(&self, boot: BootId) -> Result<Option<BootRecord>, StoreError> {
        self.inner.boot(boot).await
    }
    async fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        self.inner.run(run).await
    }
    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        self.inner.runs(filter).await
    }
    async fn nodes(&self, run: RunId) -> Result<Vec<NodeRecord>, StoreError> {
        self.inner.nodes(run).await
    }
    async fn checkpoints(&self, run: RunId) -> Result<Vec<Checkpoint>, StoreError> {
        self.inner.checkpoints(run).await
    }
    async fn journal(&self, run: RunId, after: u64, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        self.inner.journal(run, after, limit).await
    }
    async fn last_seq(&self, run: RunId) -> Result<u64, StoreError> {
        self.inner.last_seq(run).await
    }
    async fn blob(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.inner.blob(digest).await
    }
    async fn extension(&self, family: &str, key: &str) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        self.inner.extension(family, key).await
    }
    async fn check(&self) -> Result<IntegrityReport, StoreError> {
        self.inner.check().await
    }
    async fn backup(&self, to: &Path) -> Result<u64, StoreError> {
        self.inner.backup(to).await
    }
    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}

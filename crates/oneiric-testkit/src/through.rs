//! A store whose batches go through a function.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use oneiric_core::roles::EventId;
use oneiric_core::{BootId, Digest, RunId};
use oneiric_store::liveness::Violation;
use oneiric_store::{
    ActivityRecord, Backlog, Batch, BootRecord, BootSeen, Checkpoint, Claim, CommandRecord, Commit,
    CommitError, DeliveryClaim, DeliveryFilter, DeliveryRecord, EnvelopeFilter, EnvelopeRecord,
    IntegrityReport, JournalEntry, NodeRecord, RunFilter, RunRecord, Store, StoreError, Waiting,
    WhoseCommands,
};

/// Passes everything on; batches go through a function first, in the order of the calls.
///
/// ```
/// # use std::sync::{Arc, Mutex};
/// use oneiric_store::{MemoryStore, Store};
/// use oneiric_testkit::Through;
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let keep = Arc::clone(&seen);
/// let store: Arc<dyn Store> = Arc::new(Through::new(Arc::new(MemoryStore::new()), move |batch| {
///     keep.lock().unwrap().push(batch.clone());
///     batch
/// }));
/// ```
pub struct Through<F> {
    inner: Arc<dyn Store>,
    change: Mutex<F>,
}

impl<F: FnMut(Batch) -> Batch + Send> Through<F> {
    /// What goes to `inner` goes through `change`.
    pub fn new(inner: Arc<dyn Store>, change: F) -> Self {
        Self { inner, change: Mutex::new(change) }
    }
}

impl<F> fmt::Debug for Through<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Through").field(&self.inner).finish()
    }
}

#[async_trait]
impl<F: FnMut(Batch) -> Batch + Send> Store for Through<F> {
    fn commit(&self, batch: Batch) -> Commit {
        // Put in line under the lock, so that what the function saw first is applied first.
        let mut change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        self.inner.commit(change(batch))
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
    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.inner.backlog().await
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
    async fn claim_deliveries(
        &self,
        claim: DeliveryClaim,
    ) -> Result<Vec<(EnvelopeRecord, DeliveryRecord)>, CommitError> {
        self.inner.claim_deliveries(claim).await
    }
    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.inner.waiting().await
    }
    async fn envelope(&self, event: &EventId) -> Result<Option<EnvelopeRecord>, StoreError> {
        self.inner.envelope(event).await
    }
    async fn envelopes(&self, filter: EnvelopeFilter) -> Result<Vec<EnvelopeRecord>, StoreError> {
        self.inner.envelopes(filter).await
    }
    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<(u64, DeliveryRecord)>, StoreError> {
        self.inner.deliveries(filter).await
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

//! A store that dies at its n-th commit: the process as its durable state sees it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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

/// On which side of the commit the death falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Nothing of the batch happened.
    Before,
    /// The batch is durable, its caller never hears of it.
    After,
}

/// Passes everything on to another store until it dies; from then on it answers nothing but
/// [`StoreError::Closed`], as a killed process would not answer at all.
#[derive(Debug)]
pub struct CrashingStore {
    inner: Arc<dyn Store>,
    commits: AtomicU64,
    dies_at: u64,
    side: Side,
    dead: AtomicBool,
    /// It goes on after that commit.
    lives: bool,
    /// How many claims of deliveries are made and not answered.
    deaf: AtomicU64,
}

impl CrashingStore {
    /// Dies at the commit number `dies_at`, counted from 1; 0 never dies.
    pub fn new(inner: Arc<dyn Store>, dies_at: u64, side: Side) -> Self {
        let (commits, dead, deaf) = (AtomicU64::new(0), AtomicBool::new(false), AtomicU64::new(0));
        Self { inner, commits, dies_at, side, dead, lives: false, deaf }
    }

    /// Fails once, at the commit number `fails_at`, and goes on: a disk that was full for a moment, an answer that
    /// was lost.
    pub fn failing(inner: Arc<dyn Store>, fails_at: u64, side: Side) -> Self {
        Self { lives: true, ..Self::new(inner, fails_at, side) }
    }

    /// Makes the first claim of deliveries, and loses the answer.
    pub fn losing_a_claim(inner: Arc<dyn Store>) -> Self {
        Self { deaf: AtomicU64::new(1), ..Self::new(inner, 0, Side::After) }
    }

    /// How many commits were asked for so far.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::SeqCst)
    }

    /// Whether it has died.
    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    fn alive(&self) -> Result<&dyn Store, StoreError> {
        if self.is_dead() { Err(StoreError::Closed) } else { Ok(self.inner.as_ref()) }
    }
}

#[async_trait]
impl Store for CrashingStore {
    fn commit(&self, batch: Batch) -> Commit {
        let Ok(store) = self.alive() else { return Commit::ready(Err(StoreError::Closed.into())) };
        let number = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        if number != self.dies_at {
            return store.commit(batch);
        }
        self.dead.store(!self.lives, Ordering::SeqCst);
        match self.side {
            Side::Before => Commit::ready(Err(StoreError::Closed.into())),
            Side::After => {
                let commit = store.commit(batch);
                Commit::pending(async move {
                    commit.await?;
                    Err(StoreError::Closed.into())
                })
            }
        }
    }

    async fn claim(&self, claim: Claim) -> Result<Vec<RunRecord>, CommitError> {
        self.alive()?.claim(claim).await
    }
    async fn enter(&self, boot: BootRecord) -> Result<(), StoreError> {
        self.alive()?.enter(boot).await
    }
    async fn boots(&self) -> Result<Vec<BootSeen>, StoreError> {
        self.alive()?.boots().await
    }
    async fn commands(&self, whose: WhoseCommands) -> Result<Vec<CommandRecord>, StoreError> {
        self.alive()?.commands(whose).await
    }
    async fn activities(&self) -> Result<Vec<ActivityRecord>, StoreError> {
        self.alive()?.activities().await
    }
    async fn violations(&self) -> Result<Vec<Violation>, StoreError> {
        self.alive()?.violations().await
    }
    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.alive()?.backlog().await
    }
    async fn extensions(&self, family: &str) -> Result<Vec<(String, u64, Vec<u8>)>, StoreError> {
        self.alive()?.extensions(family).await
    }
    async fn dead(&self) -> Result<Vec<BootId>, StoreError> {
        self.alive()?.dead().await
    }
    async fn leave(&self, boot: BootId) -> Result<(), StoreError> {
        self.alive()?.leave(boot).await
    }
    async fn boot(&self, boot: BootId) -> Result<Option<BootRecord>, StoreError> {
        self.alive()?.boot(boot).await
    }
    async fn claim_deliveries(
        &self,
        claim: DeliveryClaim,
    ) -> Result<Vec<(EnvelopeRecord, DeliveryRecord)>, CommitError> {
        let taken = self.alive()?.claim_deliveries(claim).await?;
        let lost = |left: u64| left.checked_sub(1);
        if !taken.is_empty() && self.deaf.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lost).is_ok() {
            return Err(StoreError::Io("the answer was lost".to_owned()).into());
        }
        Ok(taken)
    }
    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.alive()?.waiting().await
    }
    async fn envelope(&self, event: &EventId) -> Result<Option<EnvelopeRecord>, StoreError> {
        self.alive()?.envelope(event).await
    }
    async fn envelopes(&self, filter: EnvelopeFilter) -> Result<Vec<EnvelopeRecord>, StoreError> {
        self.alive()?.envelopes(filter).await
    }
    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<(u64, DeliveryRecord)>, StoreError> {
        self.alive()?.deliveries(filter).await
    }
    async fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        self.alive()?.run(run).await
    }
    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        self.alive()?.runs(filter).await
    }
    async fn nodes(&self, run: RunId) -> Result<Vec<NodeRecord>, StoreError> {
        self.alive()?.nodes(run).await
    }
    async fn checkpoints(&self, run: RunId) -> Result<Vec<Checkpoint>, StoreError> {
        self.alive()?.checkpoints(run).await
    }
    async fn journal(&self, run: RunId, after: u64, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        self.alive()?.journal(run, after, limit).await
    }
    async fn last_seq(&self, run: RunId) -> Result<u64, StoreError> {
        self.alive()?.last_seq(run).await
    }
    async fn blob(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.alive()?.blob(digest).await
    }
    async fn extension(&self, family: &str, key: &str) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        self.alive()?.extension(family, key).await
    }
    async fn check(&self) -> Result<IntegrityReport, StoreError> {
        self.alive()?.check().await
    }
    async fn backup(&self, to: &Path) -> Result<u64, StoreError> {
        self.alive()?.backup(to).await
    }
    async fn close(&self) -> Result<(), StoreError> {
        self.alive()?.close().await
    }
}

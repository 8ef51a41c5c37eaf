//! The port that every backend implements.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{EventId, Topic};
use oneiric_core::{BootId, Digest, Key, RunId, Timestamp};

use crate::batch::Batch;
use crate::claim::{Claim, DeliveryClaim, Waiting};
use crate::commit::{Commit, CommitError};
use crate::error::StoreError;
use crate::liveness::Violation;
use crate::record::activity::ActivityRecord;
use crate::record::boot::{BootRecord, BootSeen};
use crate::record::checkpoint::Checkpoint;
use crate::record::command::CommandRecord;
use crate::record::delivery::{DeliveryRecord, DeliveryStatus};
use crate::record::envelope::EnvelopeRecord;
use crate::record::journal::JournalEntry;
use crate::record::node::NodeRecord;
use crate::record::run::{RunRecord, RunStatus};

/// Which runs to list. The newest come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFilter {
    /// Only this tenant's.
    pub tenant: Option<String>,
    /// Only of this workflow.
    pub workflow: Option<Key>,
    /// Only in one of these; empty is any.
    pub statuses: Vec<RunStatus>,
    /// Only whose id begins with these hexadecimal digits.
    pub prefix: Option<String>,
    /// Only runs older than this one: the last of the page before.
    pub before: Option<RunId>,
    /// The most runs to return.
    pub limit: usize,
}

impl RunFilter {
    /// The newest runs, whatever they are.
    pub const fn newest(limit: usize) -> Self {
        Self { tenant: None, workflow: None, statuses: Vec::new(), prefix: None, before: None, limit }
    }

    /// Whether a run passes, paging aside.
    pub fn accepts(&self, run: &RunRecord) -> bool {
        self.tenant.as_ref().is_none_or(|tenant| *tenant == run.tenant)
            && self.workflow.as_ref().is_none_or(|workflow| *workflow == run.workflow)
            && (self.statuses.is_empty() || self.statuses.contains(&run.state.status))
            && self.prefix.as_ref().is_none_or(|prefix| run.id.to_string().starts_with(prefix.as_str()))
            && self.before.is_none_or(|before| run.id < before)
    }
}

/// In which order to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The oldest come first.
    Oldest,
    /// The newest come first.
    Newest,
}

/// Which events to list, by their place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeFilter {
    /// Only after this place.
    pub after: Option<u64>,
    /// Only before this place.
    pub before: Option<u64>,
    /// Only about exactly this.
    pub topic: Option<Topic>,
    /// Only accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Only accepted before this time.
    pub until: Option<Timestamp>,
    /// In which order.
    pub order: Order,
    /// The most events to return.
    pub limit: usize,
}

impl EnvelopeFilter {
    /// All of them, in this order.
    pub const fn all(order: Order, limit: usize) -> Self {
        Self { after: None, before: None, topic: None, since: None, until: None, order, limit }
    }

    /// Whether an event passes.
    pub fn accepts(&self, event: &EnvelopeRecord) -> bool {
        self.after.is_none_or(|after| event.n > after)
            && self.before.is_none_or(|before| event.n < before)
            && self.topic.as_ref().is_none_or(|topic| *topic == event.envelope.topic)
            && self.since.is_none_or(|since| event.accepted_at >= since)
            && self.until.is_none_or(|until| event.accepted_at < until)
    }
}

/// Which deliveries to list, by the places of their events in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only of these events; empty is any.
    pub events: Vec<EventId>,
    /// Only to this handler.
    pub handler: Option<String>,
    /// Only what this boot owns.
    pub owner: Option<BootId>,
    /// Only in one of these; empty is any.
    pub statuses: Vec<DeliveryStatus>,
    /// Only of events after this place in the log.
    pub after: Option<u64>,
    /// Only of events before this place in the log.
    pub before: Option<u64>,
    /// Whose come first; those of one event come by handler.
    pub order: Order,
    /// The most deliveries to return.
    pub limit: usize,
}

impl DeliveryFilter {
    /// Those of one event.
    pub fn of(event: EventId) -> Self {
        Self { events: vec![event], ..Self::any(usize::MAX) }
    }

    /// Any, the newest events' first.
    pub const fn any(limit: usize) -> Self {
        let order = Order::Newest;
        Self {
            events: Vec::new(),
            handler: None,
            owner: None,
            statuses: Vec::new(),
            after: None,
            before: None,
            order,
            limit,
        }
    }

    /// Those that a boot owns.
    pub fn owned_by(boot: BootId) -> Self {
        Self { owner: Some(boot), ..Self::any(usize::MAX) }
    }

    /// Whether a delivery passes, paging aside.
    pub fn accepts(&self, delivery: &DeliveryRecord) -> bool {
        (self.events.is_empty() || self.events.contains(&delivery.event))
            && self.handler.as_ref().is_none_or(|handler| *handler == delivery.handler)
            && self.owner.is_none_or(|owner| delivery.state.owner == Some(owner))
            && (self.statuses.is_empty() || self.statuses.contains(&delivery.state.status))
    }
}

/// Whose commands to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhoseCommands {
    /// One run's.
    Run(RunId),
    /// Those of every run that the boot owns.
    Owner(BootId),
}

/// How much there is that has not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Runs in each status that is not terminal; those without a run are there, too.
    pub runs: Vec<(RunStatus, u64)>,
    /// Deliveries in each status that is not over, and dead letters; those without one are there, too.
    pub deliveries: Vec<(DeliveryStatus, u64)>,
}

impl Backlog {
    /// The statuses of runs that are counted.
    pub const RUNS: [RunStatus; 3] = [RunStatus::Pending, RunStatus::Running, RunStatus::Paused];

    /// The statuses of deliveries that are counted.
    pub const DELIVERIES: [DeliveryStatus; 4] =
        [DeliveryStatus::Held, DeliveryStatus::Pending, DeliveryStatus::Running, DeliveryStatus::Dead];

    /// Counts one status after the other.
    ///
    /// # Errors
    /// The first of `runs` or `deliveries`.
    pub fn counted<E>(
        mut runs: impl FnMut(RunStatus) -> Result<u64, E>,
        mut deliveries: impl FnMut(DeliveryStatus) -> Result<u64, E>,
    ) -> Result<Self, E> {
        Ok(Self {
            runs: Self::RUNS
                .into_iter()
                .map(|status| Ok((status, runs(status)?)))
                .collect::<Result<_, E>>()?,
            deliveries: Self::DELIVERIES
                .into_iter()
                .map(|status| Ok((status, deliveries(status)?)))
                .collect::<Result<_, E>>()?,
        })
    }

    /// How many deliveries there are in a status.
    pub fn deliveries_in(&self, status: DeliveryStatus) -> u64 {
        self.deliveries.iter().filter(|(known, _)| *known == status).map(|(_, count)| count).sum()
    }
}

/// What an integrity check found.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct IntegrityReport {
    /// How many rows were looked at, by family.
    pub checked: Vec<(String, u64)>,
    /// What is wrong, a sentence each; empty is sound.
    pub problems: Vec<String>,
}

/// Where everything durable goes.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Puts a batch in line and returns its answer-to-come.
    ///
    /// When the answer is `Ok`, the whole batch is durable and visible to every reader. When it is
    /// an error, nothing of it happened. Batches are applied in the order of the calls, so that what
    /// one caller orders under its own lock stays ordered. A batch that is refused does not affect
    /// its neighbours. Dropping the answer does not withdraw the batch.
    fn commit(&self, batch: Batch) -> Commit;

    /// Buries the boots that the claim names (their lease ends, what they own is free, its fences rise),
    /// then takes the runs that it selects: sets their owner, raises their fence, oldest first. All in
    /// one transaction. A silent boot that has beaten since keeps everything.
    ///
    /// A claim that takes something beats for its boot.
    ///
    /// # Errors
    /// [`CommitError::Refused`] with [`crate::Refusal::BootEnded`] where the claimant itself was taken for
    /// dead; [`CommitError::Store`]. Then nothing was taken.
    async fn claim(&self, claim: Claim) -> Result<Vec<RunRecord>, CommitError>;

    /// Announces a process that works on this store, and marks it as alive until it leaves or dies.
    ///
    /// # Errors
    /// [`StoreError::Shared`] where another host's process may be alive on it.
    async fn enter(&self, boot: BootRecord) -> Result<(), StoreError>;

    /// The boots that have not ended, oldest first, with what they own and whether the system says that
    /// they are dead.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing is known.
    async fn boots(&self) -> Result<Vec<BootSeen>, StoreError>;

    /// The boots that have not left and are certainly dead.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing is known.
    async fn dead(&self) -> Result<Vec<BootId>, StoreError>;

    /// Takes leave: disowns everything the boot still owns.
    ///
    /// # Errors
    /// [`StoreError`]; the boot's death will do the same.
    async fn leave(&self, boot: BootId) -> Result<(), StoreError>;

    /// One boot, gone or not.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn boot(&self, boot: BootId) -> Result<Option<BootRecord>, StoreError>;

    /// Commands that nobody has obeyed yet, in the order in which they were put.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn commands(&self, whose: WhoseCommands) -> Result<Vec<CommandRecord>, StoreError>;

    /// What operators said of components, by domain and key; the default has no record.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn activities(&self) -> Result<Vec<ActivityRecord>, StoreError>;

    /// What is stuck: work that nobody owns and nothing wakes, and what should not be there any more.
    /// Empty once the dust has settled, whatever happened. See [`crate::liveness`].
    ///
    /// # Errors
    /// [`StoreError`].
    async fn violations(&self) -> Result<Vec<Violation>, StoreError>;

    /// How much there is that has not ended. Takes time with what is open, not with what ever was.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn backlog(&self) -> Result<Backlog, StoreError>;

    /// Takes deliveries: sets their owner and raises their fence, in one transaction. They come with their
    /// events. Only what is due and nobody owns is taken.
    ///
    /// A claim that takes something beats for its boot.
    ///
    /// # Errors
    /// As [`Store::claim`].
    async fn claim_deliveries(
        &self,
        claim: DeliveryClaim,
    ) -> Result<Vec<(EnvelopeRecord, DeliveryRecord)>, CommitError>;

    /// The handlers for which events wait that nobody owns, by name; due or not.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError>;

    /// One accepted event.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn envelope(&self, event: &EventId) -> Result<Option<EnvelopeRecord>, StoreError>;

    /// A page of accepted events.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn envelopes(&self, filter: EnvelopeFilter) -> Result<Vec<EnvelopeRecord>, StoreError>;

    /// A page of deliveries, each with the place of its event in the log, in the order of those places, and
    /// those of one event by handler.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<(u64, DeliveryRecord)>, StoreError>;

    /// One run.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError>;

    /// A page of runs, newest first.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunRecord>, StoreError>;

    /// The nodes of a run that have a row, by place.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn nodes(&self, run: RunId) -> Result<Vec<NodeRecord>, StoreError>;

    /// The checkpoints of a run, by place.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn checkpoints(&self, run: RunId) -> Result<Vec<Checkpoint>, StoreError>;

    /// A page of a run's journal: at most `limit` entries after `seq`.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn journal(&self, run: RunId, after: u64, limit: usize) -> Result<Vec<JournalEntry>, StoreError>;

    /// The last sequence number of a run's journal; 0 where it is empty.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn last_seq(&self, run: RunId) -> Result<u64, StoreError>;

    /// The bytes of a blob.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn blob(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError>;

    /// A foreign record and its version.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn extension(&self, family: &str, key: &str) -> Result<Option<(u64, Vec<u8>)>, StoreError>;

    /// All records of a foreign family by key: key, version, bytes.
    ///
    /// # Errors
    /// [`StoreError`].
    async fn extensions(&self, family: &str) -> Result<Vec<(String, u64, Vec<u8>)>, StoreError>;

    /// Looks at everything: pages, indexes, digests, sequences, references. May take seconds.
    ///
    /// # Errors
    /// [`StoreError`] where the check itself could not be made; findings are in the report.
    async fn check(&self) -> Result<IntegrityReport, StoreError>;

    /// Writes a consistent copy to `to` while work goes on. `to` must not exist; a copy that was
    /// not finished leaves nothing behind.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] for stores without a file.
    async fn backup(&self, to: &Path) -> Result<u64, StoreError>;

    /// Writes out what is in line and lets go of every file.
    ///
    /// # Errors
    /// [`StoreError`]; the store is closed either way.
    async fn close(&self) -> Result<(), StoreError>;
}

const _: fn(&dyn Store) = |_| {};

//! What is applied atomically.

use oneiric_core::roles::EventId;
use oneiric_core::{BootId, Digest, Domain, Key, RunId, Timestamp};

use crate::record::activity::ActivityRecord;
use crate::record::blob::Blob;
use crate::record::boot::BootRecord;
use crate::record::checkpoint::Checkpoint;
use crate::record::command::CommandRecord;
use crate::record::delivery::{DeliveryRecord, DeliveryState};
use crate::record::envelope::EnvelopeRecord;
use crate::record::extension::Extension;
use crate::record::journal::JournalEntry;
use crate::record::node::NodeRecord;
use crate::record::run::{RunRecord, RunState, RunStatus};

/// What must be true for a batch to be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Require {
    /// No run has this id.
    RunAbsent(RunId),
    /// The run's fence still stands where its owner saw it.
    RunEpoch {
        /// The run.
        run: RunId,
        /// The fence.
        epoch: u64,
    },
    /// The run is there and has not ended.
    RunOpen(RunId),
    /// The boot has not ended: nobody has taken over what it owns.
    BootOpen(BootId),
    /// What operators said of the component is still this; a default says that there is no record.
    Activity(ActivityRecord),
    /// The blob is there: a batch that points at one must not be first.
    BlobPresent(Digest),
    /// No event of this id was accepted.
    EventAbsent(EventId),
    /// The delivery's fence still stands where its owner saw it.
    DeliveryEpoch {
        /// The event.
        event: EventId,
        /// The handler.
        handler: String,
        /// The fence.
        epoch: u64,
    },
    /// The event is in the log, and no delivery of it to the handler is.
    DeliveryAbsent {
        /// The event.
        event: EventId,
        /// The handler.
        handler: String,
    },
    /// The event is in the log, and every delivery of it is over.
    EventSettled(EventId),
    /// The extension's version; `None` is absent. A record starts at version 1.
    ExtensionVersion {
        /// Its family.
        family: String,
        /// Its key.
        key: String,
        /// The version it must have.
        version: Option<u64>,
    },
}

/// Which precondition did not hold, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A run of that id exists.
    #[error("run {0} exists already")]
    RunExists(RunId),
    /// There is no such run.
    #[error("run {0} does not exist")]
    RunMissing(RunId),
    /// Somebody else owns the run by now.
    #[error("run {run} has moved on to epoch {found}, this owner held {held}")]
    StaleEpoch {
        /// The run.
        run: RunId,
        /// The fence that the batch named.
        held: u64,
        /// The fence that stands.
        found: u64,
    },
    /// The run has ended.
    #[error("run {run} is {status}")]
    RunOver {
        /// The run.
        run: RunId,
        /// How.
        status: RunStatus,
    },
    /// The boot has left, or was taken for dead.
    #[error("boot {0} has ended; others have taken over what it owned")]
    BootEnded(BootId),
    /// Somebody has said something else of the component meanwhile.
    #[error("what was said of {domain} `{key}` has changed meanwhile")]
    ActivityChanged {
        /// The domain of the component.
        domain: Domain,
        /// Its key.
        key: Key,
    },
    /// The blob is not there.
    #[error("blob {0} is not in the store")]
    BlobMissing(Digest),
    /// The entry is not the next one of the run's journal.
    #[error("run {run}: journal entry {seq} was put where {next} belongs")]
    OutOfSequence {
        /// The run.
        run: RunId,
        /// What the entry said.
        seq: u64,
        /// What the journal expects.
        next: u64,
    },
    /// An event of that id was accepted before.
    #[error("event {0} was accepted before")]
    EventExists(EventId),
    /// No event of that id is in the log.
    #[error("event {0} is not in the log")]
    EventMissing(EventId),
    /// There is such a delivery.
    #[error("there is a delivery of event {event} to {handler} already")]
    DeliveryExists {
        /// The event.
        event: EventId,
        /// The handler.
        handler: String,
    },
    /// A delivery of the event is not over.
    #[error("event {0} is still on its way to a handler")]
    EventOpen(EventId),
    /// Nothing is known of such a delivery.
    #[error("there is no delivery of event {event} to {handler}")]
    DeliveryMissing {
        /// The event.
        event: EventId,
        /// The handler.
        handler: String,
    },
    /// Somebody else sees to the delivery by now.
    #[error(
        "the delivery of event {event} to {handler} has moved on to epoch {found}, this owner held {held}"
    )]
    StaleDelivery {
        /// The event.
        event: EventId,
        /// The handler.
        handler: String,
        /// The fence that the batch named.
        held: u64,
        /// The fence that stands.
        found: u64,
    },
    /// The extension has another version.
    #[error("{family} `{key}` is at version {found:?}, expected {expected:?}")]
    Version {
        /// Its family.
        family: String,
        /// Its key.
        key: String,
        /// What the batch named.
        expected: Option<u64>,
        /// What stands.
        found: Option<u64>,
    },
}

/// One change.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// Adds a run. Its id must be new: a batch says so with [`Require::RunAbsent`].
    InsertRun(Box<RunRecord>),
    /// Sets the part of a run that changes. The fence is not touched by it: only a claim raises it.
    SetRun {
        /// The run.
        run: RunId,
        /// Its new state; `epoch` in it is ignored.
        state: Box<RunState>,
    },
    /// Sets a node's row, whether or not there is one.
    SetNode(NodeRecord),
    /// Adds a checkpoint; one that is there already stays as it is.
    PutCheckpoint(Checkpoint),
    /// Appends to a run's journal. The sequence must be the next one, or the batch is refused.
    Append(JournalEntry),
    /// Adds a boot or sets its row.
    SetBoot(BootRecord),
    /// Raises the beat of a boot.
    Beat {
        /// The boot.
        boot: BootId,
        /// Now, for people.
        at: Timestamp,
    },
    /// Takes the ownership of everything, runs and deliveries, from a boot and raises the fences of it: what the
    /// boot still has on its way is refused.
    Disown(BootId),
    /// Takes the ownership of one run away and raises its fence; nothing else of it changes. With
    /// [`Require::RunEpoch`] and [`Require::RunOpen`] that is how somebody gives a run back.
    Release(RunId),
    /// Puts a command behind those that the run already has; the same id again changes nothing.
    PutCommand(CommandRecord),
    /// Removes a command that was obeyed.
    DropCommand {
        /// The run.
        run: RunId,
        /// The command.
        id: u128,
    },
    /// Removes what nobody obeys any more: the run has ended.
    DropCommands(RunId),
    /// Sets what an operator said of a component; a default removes it.
    SetActivity(ActivityRecord),
    /// Adds an event to the log. Its id must be new: a batch says so with [`Require::EventAbsent`].
    PutEnvelope(Box<EnvelopeRecord>),
    /// Adds a delivery of an event that is in the log; one that is there already stays as it is.
    PutDelivery(Box<DeliveryRecord>),
    /// Sets the part of a delivery that changes. The fence is not touched by it: only a claim raises it.
    SetDelivery {
        /// The event.
        event: EventId,
        /// The handler.
        handler: String,
        /// Its new state; `epoch` in it is ignored.
        state: Box<DeliveryState>,
    },
    /// Begins a delivery anew: everything of it is replaced and its fence is raised, so that whoever saw it
    /// before is refused; `epoch` in it is ignored. One that is not there stays away. With
    /// [`Require::DeliveryEpoch`], of two who begin it anew at the same time one does.
    RenewDelivery(Box<DeliveryRecord>),
    /// The same for a delivery that is held; any other stays as it is, so that what was over or under way in a
    /// chain is not begun again.
    SetHeldDelivery {
        /// The event.
        event: EventId,
        /// The handler.
        handler: String,
        /// Its new state; `epoch` in it is ignored.
        state: Box<DeliveryState>,
    },
    /// Takes the ownership of one delivery away and raises its fence, as a boot that leaves does for all of its
    /// own. With [`Require::DeliveryEpoch`] that is how somebody gives a delivery back.
    ReleaseDelivery {
        /// The event.
        event: EventId,
        /// The handler.
        handler: String,
    },
    /// Removes an event with its deliveries.
    DropEnvelope(EventId),
    /// Adds a blob; the same digest again changes nothing.
    Blob(Blob),
    /// Sets or removes a foreign record and raises its version.
    Extension(Extension),
}

/// Changes that happen together or not at all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// What must be true.
    pub require: Vec<Require>,
    /// What is changed, in order.
    pub ops: Vec<Op>,
}

impl Batch {
    /// Gives a run back that was claimed under this fence. What its owner still has on its way for it is
    /// refused from then on; where it has moved on or ended, the batch is.
    pub fn giving_back(run: RunId, epoch: u64) -> Self {
        let held = Require::RunEpoch { run, epoch };
        Self { require: vec![held, Require::RunOpen(run)], ops: vec![Op::Release(run)] }
    }

    /// Gives a delivery back that was taken under this fence, and that nobody here sees to.
    pub fn giving_back_delivery(event: EventId, handler: String, epoch: u64) -> Self {
        let held = Require::DeliveryEpoch { event: event.clone(), handler: handler.clone(), epoch };
        Self { require: vec![held], ops: vec![Op::ReleaseDelivery { event, handler }] }
    }

    /// A batch without preconditions.
    pub fn of(ops: impl IntoIterator<Item = Op>) -> Self {
        Self { require: Vec::new(), ops: ops.into_iter().collect() }
    }

    /// Adds a precondition.
    #[must_use]
    pub fn require(mut self, require: Require) -> Self {
        self.require.push(require);
        self
    }

    /// The changes of `other` behind those of `self`, in one transaction.
    #[must_use]
    pub fn and(mut self, other: Batch) -> Self {
        self.require.extend(other.require);
        self.ops.extend(other.ops);
        self
    }
}

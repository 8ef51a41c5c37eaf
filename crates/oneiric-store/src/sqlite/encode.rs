//! A batch as it goes into the file: JSON written out and large values named by their digest, on the
//! caller's thread, so that the writer only binds and steps.

use oneiric_core::roles::EventId;
use oneiric_core::{BootId, Fault, Payload, RunId, Timestamp};

use super::event::head;
use crate::batch::{Batch, Op, Require};
use crate::record::activity::ActivityRecord;
use crate::record::blob::Blob;
use crate::record::boot::BootRecord;
use crate::record::checkpoint::Checkpoint;
use crate::record::command::CommandRecord;
use crate::record::delivery::{DeliveryRecord, DeliveryState, DeliveryStatus};
use crate::record::envelope::EnvelopeRecord;
use crate::record::extension::Extension;
use crate::record::journal::JournalEntry;
use crate::record::node::NodeRecord;
use crate::record::run::{RunRecord, RunState};

/// Larger values leave their row for the blobs: four pages, beyond which a row costs more to carry
/// along than to look up.
pub(super) const INLINE_BYTES: usize = 16 * 1024;

/// What a row costs beside its values, for the bound on a transaction; an estimate.
const ROW_BYTES: usize = 160;

/// A JSON value on its way into a row.
#[derive(Debug)]
pub(super) enum Stored {
    Null,
    Inline(String),
    Large(Blob),
}

impl Stored {
    fn of(payload: &Payload) -> Self {
        if payload.is_null() {
            return Stored::Null;
        }
        let text = json(payload.value());
        if text.len() <= INLINE_BYTES {
            Stored::Inline(text)
        } else {
            Stored::Large(Blob::new(text.into_bytes()))
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Stored::Null => 0,
            Stored::Inline(text) => text.len(),
            Stored::Large(blob) => blob.bytes.len(),
        }
    }
}

/// One change, ready to be bound.
#[derive(Debug)]
pub(super) enum Write {
    InsertRun {
        record: Box<RunRecord>,
        input: Stored,
        options: String,
        fault: Option<String>,
    },
    SetRun {
        run: RunId,
        state: Box<RunState>,
        fault: Option<String>,
    },
    SetNode {
        row: NodeRecord,
        fault: Option<String>,
    },
    PutCheckpoint {
        checkpoint: Checkpoint,
        output: Stored,
    },
    Append {
        entry: JournalEntry,
        event: String,
    },
    SetBoot(BootRecord),
    Beat {
        boot: BootId,
        at: Timestamp,
    },
    Disown(BootId),
    Release(RunId),
    PutCommand {
        record: CommandRecord,
        command: String,
    },
    DropCommand {
        run: RunId,
        id: u128,
    },
    DropCommands(RunId),
    SetActivity(ActivityRecord),
    PutEnvelope {
        record: Box<EnvelopeRecord>,
        head: String,
        payload: Stored,
    },
    PutDelivery {
        record: Box<DeliveryRecord>,
        value: Stored,
        fault: Option<String>,
    },
    RenewDelivery {
        record: Box<DeliveryRecord>,
        value: Stored,
        fault: Option<String>,
    },
    SetDelivery {
        event: EventId,
        handler: String,
        state: Box<DeliveryState>,
        value: Stored,
        fault: Option<String>,
        /// What has another status stays as it is.
        only: Option<DeliveryStatus>,
    },
    ReleaseDelivery {
        event: EventId,
        handler: String,
    },
    DropEnvelope(EventId),
    Blob(Blob),
    Extension(Extension),
}

/// A batch, ready to be bound.
#[derive(Debug)]
pub(super) struct Encoded {
    pub(super) require: Vec<Require>,
    pub(super) writes: Vec<Write>,
    /// About how much it puts into the file.
    pub(super) bytes: usize,
}

impl Encoded {
    pub(super) fn new(batch: Batch) -> Self {
        let writes: Vec<Write> = batch.ops.into_iter().map(write).collect();
        let bytes = writes.iter().map(|write| ROW_BYTES + bytes(write)).sum();
        Self { require: batch.require, writes, bytes }
    }
}

fn write(op: Op) -> Write {
    match op {
        Op::InsertRun(record) => Write::InsertRun {
            input: Stored::of(&record.input),
            options: json(&record.options),
            fault: record.state.fault.as_ref().map(fault),
            record,
        },
        Op::SetRun { run, state } => Write::SetRun { run, fault: state.fault.as_ref().map(fault), state },
        Op::SetNode(row) => Write::SetNode { fault: row.fault.as_deref().map(fault), row },
        Op::PutCheckpoint(checkpoint) => {
            Write::PutCheckpoint { output: Stored::of(&checkpoint.output), checkpoint }
        }
        Op::Append(entry) => Write::Append { event: json(&entry.event), entry },
        Op::SetBoot(boot) => Write::SetBoot(boot),
        Op::Beat { boot, at } => Write::Beat { boot, at },
        Op::Disown(boot) => Write::Disown(boot),
        Op::Release(run) => Write::Release(run),
        Op::PutCommand(record) => Write::PutCommand { command: json(&record.command), record },
        Op::DropCommand { run, id } => Write::DropCommand { run, id },
        Op::DropCommands(run) => Write::DropCommands(run),
        Op::SetActivity(record) => Write::SetActivity(record),
        Op::PutEnvelope(record) => Write::PutEnvelope {
            head: json(&head(&record.envelope)),
            payload: Stored::of(&record.envelope.payload),
            record,
        },
        Op::PutDelivery(record) => Write::PutDelivery {
            value: Stored::of(&record.state.value),
            fault: record.state.fault.as_ref().map(fault),
            record,
        },
        Op::SetDelivery { event, handler, state } => set_delivery(event, handler, state, None),
        Op::SetHeldDelivery { event, handler, state } => {
            set_delivery(event, handler, state, Some(DeliveryStatus::Held))
        }
        Op::RenewDelivery(record) => Write::RenewDelivery {
            value: Stored::of(&record.state.value),
            fault: record.state.fault.as_ref().map(fault),
            record,
        },
        Op::ReleaseDelivery { event, handler } => Write::ReleaseDelivery { event, handler },
        Op::DropEnvelope(event) => Write::DropEnvelope(event),
        Op::Blob(blob) => Write::Blob(blob),
        Op::Extension(extension) => Write::Extension(extension),
    }
}

fn set_delivery(
    event: EventId,
    handler: String,
    state: Box<DeliveryState>,
    only: Option<DeliveryStatus>,
) -> Write {
    let (value, fault) = (Stored::of(&state.value), state.fault.as_ref().map(fault));
    Write::SetDelivery { event, handler, state, value, fault, only }
}

fn bytes(write: &Write) -> usize {
    match write {
        Write::InsertRun { input, options, .. } => input.bytes() + options.len(),
        Write::PutCheckpoint { output, .. } => output.bytes(),
        Write::Append { event, .. } => event.len(),
        Write::Blob(blob) => blob.bytes.len(),
        Write::Extension(extension) => extension.value.as_ref().map_or(0, Vec::len),
        Write::PutEnvelope { head, payload, .. } => head.len() + payload.bytes(),
        Write::PutDelivery { value, .. }
        | Write::SetDelivery { value, .. }
        | Write::RenewDelivery { value, .. } => value.bytes(),
        Write::PutCommand { command, .. } => command.len(),
        Write::SetRun { .. }
        | Write::SetNode { .. }
        | Write::SetBoot(_)
        | Write::Beat { .. }
        | Write::Disown(_)
        | Write::Release(_)
        | Write::DropCommand { .. }
        | Write::DropCommands(_)
        | Write::ReleaseDelivery { .. }
        | Write::DropEnvelope(_)
        | Write::SetActivity(_) => 0,
    }
}

fn fault(fault: &Fault) -> String {
    json(fault)
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("values of our own have text keys and write to memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_leaves_its_row_beyond_sixteen_kibibytes() {
        let check = |length: usize, large: bool| {
            // Two bytes of the text are its quotes.
            let stored = Stored::of(&Payload::from(serde_json::Value::from("x".repeat(length - 2))));
            assert_eq!(matches!(stored, Stored::Large(_)), large, "{length} bytes");
            assert_eq!(stored.bytes(), length);
        };
        check(INLINE_BYTES, false);
        check(INLINE_BYTES + 1, true);
        assert!(matches!(Stored::of(&Payload::NULL), Stored::Null));
    }
}

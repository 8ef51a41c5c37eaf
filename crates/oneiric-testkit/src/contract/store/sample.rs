//! Records to put.

use oneiric_core::{BootId, Digest, Key, NodeId, Payload, RunId, Timestamp};
use oneiric_store::{
    Batch, Blob, BootRecord, Checkpoint, Event, JournalEntry, NodeRecord, NodeStatus, Op, RunRecord,
    RunState, RunStatus,
};

pub(super) fn run_id(n: u64) -> RunId {
    RunId::from_bytes(u128::from(n).to_be_bytes())
}

pub(super) fn boot_id(n: u8) -> BootId {
    BootId::from_bytes([n; 16])
}

pub(super) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(super) fn bundle() -> Blob {
    Blob::new(b"source: contract\nentries: []\n".to_vec())
}

pub(super) fn run(n: u64) -> RunRecord {
    RunRecord::new(run_id(n), Key::new("demo").unwrap(), bundle().digest, Payload::NULL, at(n as i64))
}

pub(super) fn with_status(n: u64, status: RunStatus, owner: Option<BootId>) -> RunRecord {
    RunRecord { state: RunState { status, owner, ..RunState::PENDING }, ..run(n) }
}

/// A run with its bundle.
pub(super) fn insert(run: RunRecord) -> Batch {
    Batch::of([Op::Blob(bundle()), Op::InsertRun(Box::new(run))])
}

pub(super) fn append(run: u64, seq: u64) -> Op {
    let event = Event::Granted { slots: seq as u32 };
    Op::Append(JournalEntry { run: run_id(run), seq, at: at(seq as i64), epoch: 0, event })
}

pub(super) fn node(run: u64, node: u32, status: NodeStatus) -> NodeRecord {
    NodeRecord {
        run: run_id(run),
        node,
        name: NodeId::new(format!("node-{node}")).unwrap(),
        status,
        attempt: 1,
        deaths: 0,
        input_hash: None,
        started_at: Some(at(1)),
        ended_at: None,
        wake_at: None,
        skip: None,
        fault: None,
    }
}

pub(super) fn checkpoint(run: u64, node: u32, input: &str, output: Payload) -> Checkpoint {
    Checkpoint { run: run_id(run), node, input_hash: Digest::of(input.as_bytes()), output, at: at(2) }
}

pub(super) fn boot(n: u8) -> BootRecord {
    BootRecord::new(boot_id(n), "here", u32::from(n), at(1_000_000))
}

pub(super) fn extension(key: &str, value: Option<&[u8]>) -> oneiric_store::Extension {
    oneiric_store::Extension {
        family: "contract".to_owned(),
        key: key.to_owned(),
        value: value.map(<[u8]>::to_vec),
        at: at(3),
    }
}

//! What is true of the store in a file alone.

mod boots;
mod chain;
mod contract;
mod crash;
mod file;
mod group;
mod leases;
mod migrating;
mod model;
mod open;
mod processes;

use oneiric_core::{Digest, Key, Payload, RunId, Timestamp};
use oneiric_store::{Batch, Blob, Op, RunRecord};

/// Its bundle stands in the same batch, so that a check has nothing to say.
fn submit(id: RunId) -> Batch {
    let bundle = Blob::new(b"entries: []\n".to_vec());
    let digest: Digest = bundle.digest;
    let workflow = Key::new("demo").unwrap();
    let run = RunRecord::new(id, workflow, digest, Payload::NULL, Timestamp::from_micros(1));
    Batch::of([Op::Blob(bundle), Op::InsertRun(Box::new(run))])
}

fn run_id(n: u128) -> RunId {
    RunId::from_bytes(n.to_be_bytes())
}

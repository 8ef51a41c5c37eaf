//! How many runs are accepted a second, durably?
//!
//! The limit replays the batches of the same submits on one thread that does nothing else, a transaction for
//! every 64 of them: group commit with 64 callers, without a gate, a record, a task or an answer. Ours is
//! `Oneiric::submit` by 64 producers, each waiting for its own answer. Same file system, synchronous FULL.
//!
//! `cargo bench -p oneiric-runtime --bench submit`; the figures are kept in `docs/benchmarks.md`.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oneiric_core::{Key, Payload};
use oneiric_runtime::{Oneiric, RunRequest};
use oneiric_store::sqlite::{Options, Recorded, Replay, Synchronous};
use oneiric_store::{Batch, SqliteStore, Store};
use oneiric_testkit::bench::{compare, timed};
use oneiric_testkit::{FnTask, Through};
use tokio::runtime::Runtime;

const PRODUCERS: usize = 64;
const EACH: usize = 50;

const MANIFEST: &[u8] = br#"{"entries": [{"domain": "workflow", "key": "wf", "provider": "bench",
    "factory": "builtin:noop", "dag": {"nodes": [{"id": "n0", "task": "noop"}]}}]}"#;

fn key(text: &str) -> Key {
    Key::new(text).expect("a literal is well formed")
}

fn fresh() -> tempfile::TempDir {
    // Beside the code rather than in /tmp, which may be memory: the disk is what is measured.
    tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("the crate's folder can be written")
}

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder.join("oneiric.sqlite"), Options::default()).expect("a fresh folder")
}

/// So many producers submit so many runs each; nobody carries them out.
fn submit(runtime: &Runtime, store: Arc<dyn Store>) -> Duration {
    runtime.block_on(async {
        let oneiric = Oneiric::builder()
            .store(store)
            .task(key("noop"), FnTask::new(|_| Ok(Payload::NULL)))
            .manifest_text("bench.json", MANIFEST)
            .serve(false)
            .start()
            .await
            .expect("a valid manifest");
        let begun = tokio::time::Instant::now();
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|_| {
                let oneiric = oneiric.clone();
                tokio::spawn(async move {
                    for _ in 0..EACH {
                        oneiric.submit(RunRequest::new(key("wf"))).await.expect("a fresh store");
                    }
                })
            })
            .collect();
        for producer in producers {
            producer.await.expect("it does not panic");
        }
        begun.elapsed()
    })
}

/// The batches of such submits, in their order.
fn record(runtime: &Runtime) -> Recorded {
    let folder = fresh();
    let batches: Arc<Mutex<Vec<Batch>>> = Arc::default();
    let keep = Arc::clone(&batches);
    let store = Through::new(Arc::new(open(folder.path())), move |batch: Batch| {
        keep.lock().unwrap_or_else(PoisonError::into_inner).push(batch.clone());
        batch
    });
    submit(runtime, Arc::new(store));
    Recorded::new(std::mem::take(&mut *batches.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("two threads");
    println!("durable submits, SQLite, synchronous FULL; limit: the same statements, 64 to a transaction");
    let recorded = record(&runtime);
    let limit = || {
        let folder = fresh();
        let place = folder.path().join("limit.sqlite");
        let mut replay = Replay::open(&place, Synchronous::Full).expect("a fresh folder");
        timed(|| replay.apply(&recorded, PRODUCERS).expect("it was applied before")).0
    };
    let mut transactions = 0;
    let ours = || {
        let folder = fresh();
        let store = open(folder.path());
        let took = submit(&runtime, Arc::new(store.clone()));
        transactions = store.stats().transactions;
        took
    };
    let runs = PRODUCERS * EACH;
    compare("64 producers, 50 runs each", runs as u32, limit, ours).print();
    println!("{:<44} {runs} runs in {transactions} transactions", "");
}

//! What does durability cost beside the disk?
//!
//! The limit replays the statements and bytes of a measured run on one thread that does nothing else:
//! a transaction per batch for a chain, and for work that waits together one transaction for as many
//! batches as there are callers. Ours is the public path with everything in place, on the same file
//! system, synchronous FULL. Fsyncs are counted through the store's own counter of transactions.
//!
//! `cargo bench -p oneiric-runtime`; the figures are kept in `docs/benchmarks.md`.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oneiric_core::{Key, Payload};
use oneiric_dag::Ended;
use oneiric_runtime::{Oneiric, RunRequest};
use oneiric_store::sqlite::{Options, Recorded, Replay, Synchronous};
use oneiric_store::{Batch, Require, RunStatus, SqliteStore, Store};
use oneiric_testkit::bench::{compare, timed};
use oneiric_testkit::{FnTask, Through};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

fn key(text: &str) -> Key {
    Key::new(text).expect("a literal is well formed")
}

/// A manifest of one workflow whose nodes wait for what `upstream` says.
fn manifest(count: usize, upstream: impl Fn(usize) -> Vec<usize>) -> Vec<u8> {
    let nodes: Vec<Value> = (0..count)
        .map(|node| {
            let upstream: Vec<_> = upstream(node).into_iter().map(|n| format!("n{n}")).collect();
            json!({"id": format!("n{node}"), "task": "noop", "depends_on": upstream})
        })
        .collect();
    let workflow = json!({"domain": "workflow", "key": "wf", "provider": "bench", "factory": "builtin:noop",
                          "dag": {"nodes": nodes}});
    serde_json::to_vec(&json!({"entries": [workflow]})).expect("plain data")
}

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder.join("oneiric.sqlite"), Options::default()).expect("a fresh folder")
}

/// Runs `runs` runs at once; returns how long they took and how many transactions that were.
fn run(runtime: &Runtime, manifest: &[u8], runs: usize, store: Arc<dyn Store>) -> Duration {
    runtime.block_on(async {
        let oneiric = Oneiric::builder()
            .store(store)
            .task(key("noop"), FnTask::new(|_| Ok(Payload::NULL)))
            .manifest_text("bench.json", manifest)
            .max_parallel(100_000)
            .start()
            .await
            .expect("a valid manifest");
        let begun = tokio::time::Instant::now();
        let mut handles = Vec::with_capacity(runs);
        for _ in 0..runs {
            handles.push(oneiric.run(RunRequest::new(key("wf"))).await.expect("a fresh store"));
        }
        for run in handles {
            let ended = run.ended().await;
            assert!(matches!(ended, Ended::Reached(RunStatus::Completed)), "{ended:?}");
        }
        begun.elapsed()
    })
}

fn fresh() -> tempfile::TempDir {
    // Beside the code rather than in /tmp, which may be memory: the disk is what is measured.
    tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("the crate's folder can be written")
}

fn record(runtime: &Runtime, manifest: &[u8], runs: usize) -> Vec<Batch> {
    let folder = fresh();
    let batches = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&batches);
    let store = Through::new(Arc::new(open(folder.path())), move |batch: Batch| {
        let mut kept = batch.clone();
        // The file that it is replayed into has no boots.
        kept.require.retain(|require| !matches!(require, Require::BootOpen(_)));
        keep.lock().expect("nobody panics here").push(kept);
        batch
    });
    run(runtime, manifest, runs, Arc::new(store));
    std::mem::take(&mut *batches.lock().expect("nobody panics here"))
}

fn bench(runtime: &Runtime, name: &str, manifest: &[u8], runs: usize, nodes: u32, group: usize) {
    let recorded = Recorded::new(record(runtime, manifest, runs));
    let limit = || {
        let folder = fresh();
        let mut replay =
            Replay::open(&folder.path().join("limit.sqlite"), Synchronous::Full).expect("a fresh folder");
        timed(|| replay.apply(&recorded, group).expect("it was applied before")).0
    };
    let mut transactions = 0;
    let ours = || {
        let folder = fresh();
        let store = open(folder.path());
        let took = run(runtime, manifest, runs, Arc::new(store.clone()));
        transactions = store.stats().transactions;
        took
    };
    compare(name, nodes, limit, ours).print();
    println!(
        "{:<44} {} batches in {transactions} transactions, {:.2} a node",
        "",
        recorded.len(),
        transactions as f64 / f64::from(nodes)
    );
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("two threads");
    println!("durable, SQLite, synchronous FULL; limit: the same statements replayed by one thread");
    let chain = |count| manifest(count, |n| if n == 0 { vec![] } else { vec![n - 1] });
    bench(&runtime, "chain of 200", &chain(200), 1, 200, 1);
    let fan = manifest(1_001, |n| if n == 0 { vec![] } else { vec![0] });
    bench(&runtime, "fan-out of 1,000 (group of 1,000)", &fan, 1, 1_001, 1_000);
    bench(&runtime, "64 chains of 50 at once (group of 64)", &chain(50), 64, 64 * 50, 64);
}

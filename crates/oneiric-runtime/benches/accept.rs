//! How many events are accepted a second, durably?
//!
//! The limit replays the batches of the same events on one thread that does nothing else, a transaction for
//! every 64 of them: group commit with 64 callers, without a plan, a gate, a task or an answer. Ours is
//! `Oneiric::emit_and_wait` by 64 producers, each waiting for its own answer: of events whose handler is paused,
//! so that they are accepted and wait in the store; and of events that are accepted, handled and done. Same file
//! system, synchronous FULL.
//!
//! `cargo bench -p oneiric-runtime --bench accept`; the figures are kept in `docs/benchmarks.md`.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oneiric_core::linked::handler_fn;
use oneiric_core::roles::{DeliveryMode, Envelope};
use oneiric_core::{Fault, Payload};
use oneiric_events::{Handler, Subscription};
use oneiric_runtime::Oneiric;
use oneiric_store::sqlite::{Options, Recorded, Replay, Synchronous};
use oneiric_store::{Batch, Require, SqliteStore, Store};
use oneiric_testkit::Through;
use oneiric_testkit::bench::{compare, timed};
use serde_json::json;
use tokio::runtime::Runtime;

const PRODUCERS: usize = 64;
const EACH: usize = 50;
const PATIENCE: Duration = Duration::from_secs(60);

/// What becomes of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handled {
    Later,
    Now,
}

fn fresh() -> tempfile::TempDir {
    // Beside the code rather than in /tmp, which may be memory: the disk is what is measured.
    tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("the crate's folder can be written")
}

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder.join("oneiric.sqlite"), Options::default()).expect("a fresh folder")
}

fn envelope(n: usize) -> Envelope {
    let payload = json!({"tenant": "shop", "order": n, "total": 12.5});
    Envelope::new("order.paid".parse().expect("a topic"), payload)
}

/// So many producers emit so many events each.
fn emit(runtime: &Runtime, store: Arc<dyn Store>, handled: Handled) -> Duration {
    runtime.block_on(async {
        let oneiric = Oneiric::builder().store(store).serve(false).start().await.expect("an open store");
        let subscription = Subscription {
            delivery: DeliveryMode::AtLeastOnce,
            max_concurrency: PRODUCERS as u32,
            ..oneiric.subscription("ledger", "order.*").expect("a pattern")
        };
        let ledger = handler_fn(|_| async { Ok::<_, Fault>(Payload::NULL) });
        oneiric.subscribe(subscription, Handler::fixed(Arc::new(ledger)));
        if handled == Handled::Later {
            oneiric.pause_component("event", "ledger", None).await.expect("an open store");
            // The first one finds out that the handler is paused.
            oneiric.emit_and_wait(envelope(0), PATIENCE).await.expect("an open store");
        }
        let begun = tokio::time::Instant::now();
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|_| {
                let oneiric = oneiric.clone();
                tokio::spawn(async move {
                    for n in 0..EACH {
                        let report =
                            oneiric.emit_and_wait(envelope(n), PATIENCE).await.expect("an open store");
                        assert_eq!(report.dispatched.is_success(), handled == Handled::Now);
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

/// The batches of such events, in their order.
fn record(runtime: &Runtime, handled: Handled) -> Recorded {
    let folder = fresh();
    let batches: Arc<Mutex<Vec<Batch>>> = Arc::default();
    let keep = Arc::clone(&batches);
    let store = Through::new(Arc::new(open(folder.path())), move |batch: Batch| {
        let mut kept = batch.clone();
        // The file of the limit has no boot.
        kept.require.retain(|require| !matches!(require, Require::BootOpen(_)));
        keep.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
        batch
    });
    emit(runtime, Arc::new(store), handled);
    Recorded::new(std::mem::take(&mut *batches.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("two threads");
    println!("durable events, SQLite, synchronous FULL; limit: the same statements, 64 to a transaction");
    for (name, handled) in [("accepted", Handled::Later), ("accepted, handled and done", Handled::Now)] {
        let recorded = record(&runtime, handled);
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
            let took = emit(&runtime, Arc::new(store.clone()), handled);
            transactions = store.stats().transactions;
            took
        };
        let events = PRODUCERS * EACH;
        compare(format!("64 producers, 50 events each, {name}"), events as u32, limit, ours).print();
        println!("{:<44} {events} events in {transactions} transactions", "");
    }
}

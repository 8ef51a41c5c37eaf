//! Many who emit, and several who fire, on one store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use oneiric_store::sqlite::Options;
use oneiric_store::{SqliteStore, Store};
use oneiric_testkit::ManualClock;
use serde_json::json;

use super::{LONG, builder, emit, memory, runs, settled_in_time};

const PRODUCERS: usize = 64;

/// Sixty-four at once in two processes, and every batch has exactly what it holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_lost_or_gathered_twice_by_many_producers() {
    let folder = tempfile::tempdir().unwrap();
    let open = || -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(folder.path().join("oneiric.sqlite"), Options::default()).unwrap())
    };
    let clock = ManualClock::new();
    let metadata = "metadata: {workflows: {triggers: [{workflow: shop.digest, batch: {size: 4, wait: 60}}]}}";
    let (first, second) = (open(), open());
    let one = builder(metadata, &first, &clock).start().await.unwrap();
    let two = builder(metadata, &second, &clock).start().await.unwrap();
    let emitting = (0..PRODUCERS).map(|n| {
        let oneiric = if n % 2 == 0 { one.clone() } else { two.clone() };
        tokio::spawn(async move {
            for turn in 0..2 {
                let report = emit(&oneiric, &format!("e-{n}-{turn}"), json!(2 * n + turn)).await;
                assert_eq!(report.runs.len() + report.waiting.len(), 1);
            }
        })
    });
    for emitting in emitting.collect::<Vec<_>>() {
        emitting.await.unwrap();
    }
    let runs = runs(&first).await;
    assert_eq!(runs.len(), 2 * PRODUCERS / 4);
    let mut seen = BTreeSet::new();
    for run in &runs {
        let events = run.input.value()["events"].as_array().unwrap();
        assert_eq!(events.len(), 4);
        assert!(events.iter().all(|event| seen.insert(event.as_u64().unwrap())));
    }
    assert_eq!(seen.len(), 2 * PRODUCERS);
    assert_eq!(one.windows().await.unwrap(), []);
    for oneiric in [one, two] {
        assert!(oneiric.shutdown(LONG).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_serve_start_what_is_due_once() {
    let (store, clock) = (memory(), ManualClock::new());
    let metadata = "metadata: {workflows: {triggers: \
                    [{workflow: shop.reindex, key: string(payload), debounce: {quiet: 5}}]}}";
    let emitter = builder(metadata, &store, &clock).start().await.unwrap();
    for n in 0..50 {
        emit(&emitter, &format!("e-{n}"), json!(n % 25)).await;
    }
    let _one = builder(metadata, &store, &clock).serve(true).start().await.unwrap();
    let two = builder(metadata, &store, &clock).serve(true).start().await.unwrap();
    clock.advance(Duration::from_secs(5));
    assert_eq!(settled_in_time(&emitter, &clock, 25).await.len(), 25);
    // Both have looked again.
    clock.advance(Duration::from_secs(60));
    emit(&two, "last", json!(100)).await;
    clock.advance(Duration::from_secs(5));
    settled_in_time(&emitter, &clock, 26).await;
    assert_eq!(runs(&store).await.len(), 26);
}

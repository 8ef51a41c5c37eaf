//! A process whose tasks take every core and every worker thread still owns what it owns.

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::linked::task_fn;
use oneiric_core::settings::{Seconds, Settings};
use oneiric_core::{Clock, Fault, Payload, RunId};
use oneiric_runtime::{Builder, Oneiric, RunRequest, SystemClock};
use oneiric_store::{Event, RunFilter, RunStatus};
use serde_json::{Value, json};

use crate::child;
use crate::support::status;

/// The shortest lease that a disk under load allows for.
const LEASE: f64 = 2.0;

/// How long it spins unless `ONEIRIC_TEST_SPIN_SECONDS` says otherwise: some leases.
const SPIN: u64 = 8;

#[expect(clippy::disallowed_methods, reason = "a longer run is asked for by the environment")]
fn spin() -> Duration {
    let stated = std::env::var("ONEIRIC_TEST_SPIN_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(stated.unwrap_or(SPIN))
}

/// Takes a core and does not yield.
fn burn(time: Duration) -> u64 {
    let clock = SystemClock::default();
    let begin = clock.monotonic();
    let mut turns = 0u64;
    while clock.monotonic() - begin < time {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
    turns
}

fn builder(folder: &std::path::Path) -> Builder {
    let mut settings = Settings::default();
    settings.execution.lease_seconds = Seconds::new(LEASE);
    let nodes: Vec<_> = (0..2).map(|n| json!({"id": format!("n{n}"), "task": "spin"})).collect();
    Oneiric::builder()
        .settings(settings)
        .task("spin", task_fn(|_: Value| async { Ok::<_, Fault>(burn(spin())) }))
        .workflow("w", &json!({ "nodes": nodes }))
        .state_dir(folder)
}

/// The child: two worker threads that spin, and as many threads beside them as it takes.
#[test]
#[ignore = "the process of another test"]
fn the_process_that_spins() {
    let Some(folder) = child::folder() else { return };
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    for _ in 0..2 * cores {
        std::thread::spawn(|| burn(spin() * 4));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let oneiric = builder(&folder).start().await.unwrap();
        let run = oneiric.run(RunRequest::of("w", &Payload::NULL).unwrap()).await.unwrap();
        assert_eq!(status(&run).await, RunStatus::Completed);
        oneiric.shutdown(Duration::from_secs(5)).await.unwrap();
    });
}

#[tokio::test]
async fn a_task_that_spins_on_every_core_keeps_its_lease() {
    let folder = tempfile::tempdir().unwrap();
    // It looks after the store before the other one begins, and all the time.
    let watcher = builder(folder.path()).start().await.unwrap();
    let store = Arc::clone(watcher.store());
    let mut child = child::start("starving::the_process_that_spins", folder.path());
    let clock = SystemClock::default();
    let begin = clock.monotonic();
    let run: RunId = loop {
        if let Some(run) = store.runs(RunFilter::newest(1)).await.unwrap().first() {
            break run.id;
        }
        clock.sleep(Duration::from_millis(5)).await;
        assert!(clock.monotonic() - begin < Duration::from_secs(60), "the run is not begun");
    };
    let ended = loop {
        assert!(watcher.find(run).is_none(), "the watcher took it over");
        if let Some(ended) = child.try_wait().unwrap() {
            break ended;
        }
        clock.sleep(Duration::from_millis(200)).await;
        assert!(clock.monotonic() - begin < 20 * spin() + Duration::from_secs(120), "it does not end");
    };
    assert!(ended.success(), "{ended}");
    let record = store.run(run).await.unwrap().unwrap();
    assert_eq!((record.state.status, record.state.epoch, record.state.deaths), (RunStatus::Completed, 1, 0));
    let journal = store.journal(run, 0, 1000).await.unwrap();
    assert!(!journal.iter().any(|entry| matches!(entry.event, Event::Resumed { .. })), "{journal:#?}");
    assert!(journal.iter().all(|entry| entry.epoch == 1));
    watcher.shutdown(Duration::from_secs(5)).await.unwrap();
}

//! A process that dies at its n-th store call, for every n, on a real file.

use std::sync::Arc;

use oneiric_core::rng::SeededRng;
use oneiric_core::roles::Task;
use oneiric_core::{Fault, Payload, RunId};
use oneiric_dag::Ended;
use oneiric_runtime::{Builder, Oneiric, RunOptions, RunRequest};
use oneiric_store::sqlite::{Options, Synchronous};
use oneiric_store::{RunStatus, SqliteStore, Store, UnknownNodes};
use oneiric_testkit::{CrashingStore, FnTask, Side, graphs};
use serde_json::{Value, json};

use crate::support::{key, process};

const RUN: RunId = RunId::from_bytes([3; 16]);

/// Twenty nodes that add up what their dependencies gave, as a manifest.
fn manifest() -> Vec<u8> {
    let shape = graphs::random_shape(&SeededRng::new(20), 20, 6);
    let nodes: Vec<Value> = shape
        .iter()
        .enumerate()
        .map(|(place, upstream)| {
            let terms: Vec<_> = upstream.iter().map(|place| format!("nodes.n{place}.output")).collect();
            let sum = if terms.is_empty() { "1".to_owned() } else { terms.join(" + ") };
            let upstream: Vec<_> = upstream.iter().map(|place| format!("n{place}")).collect();
            json!({"id": format!("n{place}"), "task": "sum", "depends_on": upstream,
                   "payload": {"sum": format!("${{{{ {sum} }}}}")}})
        })
        .collect();
    let workflow = json!({"domain": "workflow", "key": "sums", "provider": "test", "factory": "builtin:noop",
                          "dag": {"nodes": nodes}});
    serde_json::to_vec(&json!({"entries": [workflow]})).unwrap()
}

fn summing() -> Arc<dyn Task> {
    FnTask::new(|cx| {
        let sum = cx.input.value()["sum"].as_i64().ok_or_else(|| Fault::permanent("sum", "no number"))?;
        Ok(Payload::from(json!(sum + 1)))
    })
}

fn builder(store: Arc<dyn Store>) -> Builder {
    Oneiric::builder().serve(false).store(store).task(key("sum"), summing())
}

fn open(folder: &std::path::Path) -> SqliteStore {
    // Whether a write is on the disk makes no difference to a process that only pretends to die.
    let options = Options { synchronous: Synchronous::Off, ..Options::default() };
    SqliteStore::open(folder.join("oneiric.sqlite"), options).unwrap()
}

fn request() -> RunRequest {
    let options = RunOptions { max_parallel: Some(3), ..RunOptions::default() };
    RunRequest { id: Some(RUN), options, ..RunRequest::new(key("sums")) }
}

/// Starts the run in a process that dies at commit `at`; returns how many commits there were.
fn first_process(folder: &std::path::Path, at: u64, side: Side) -> u64 {
    process(async {
        let store = Arc::new(CrashingStore::new(Arc::new(open(folder)), at, side));
        let oneiric = builder(store.clone()).manifest_text("sums.json", manifest()).start().await.unwrap();
        if let Ok(run) = oneiric.run(request()).await {
            run.ended().await;
        }
        store.commits()
    })
}

/// What the next process makes of it.
fn second_process(folder: &std::path::Path) -> Vec<Value> {
    process(async {
        let store: Arc<dyn Store> = Arc::new(open(folder));
        let oneiric =
            builder(Arc::clone(&store)).manifest_text("sums.json", manifest()).start().await.unwrap();
        let run = match store.run(RUN).await.unwrap() {
            // Never durable, never acknowledged: whoever asked asks again.
            None => Some(oneiric.run(request()).await.unwrap()),
            Some(run) if run.state.status.is_terminal() => None,
            Some(_) => Some(oneiric.resume(RUN, UnknownNodes::Keep).await.unwrap()),
        };
        if let Some(run) = run {
            assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)));
        }
        assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
        let checkpoints = store.checkpoints(RUN).await.unwrap();
        oneiric.shutdown(std::time::Duration::from_secs(5)).await.unwrap();
        checkpoints.into_iter().map(|checkpoint| checkpoint.output.into()).collect()
    })
}

#[test]
fn a_kill_at_every_store_call_changes_no_output() {
    let folder = tempfile::tempdir().unwrap();
    // Outcomes that come together are one commit: how many there are is not the same every time, and a
    // kill at one that does not come is a run that nobody disturbs.
    let commits = first_process(folder.path(), 0, Side::Before);
    assert!((8..=21).contains(&commits), "{commits}");
    let expected = second_process(folder.path());
    assert_eq!(expected.len(), 20);
    for at in 1..=21 {
        for side in [Side::Before, Side::After] {
            let folder = tempfile::tempdir().unwrap();
            first_process(folder.path(), at, side);
            assert_eq!(second_process(folder.path()), expected, "killed at {at}, {side:?}");
        }
    }
}

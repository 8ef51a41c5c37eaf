//! The file itself: copies of it, and what a person sees in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oneiric_core::Timestamp;
use oneiric_store::sqlite::Options;
use oneiric_store::{
    Batch, Blob, NodeRecord, NodeStatus, Op, RunFilter, RunState, RunStatus, SqliteStore, Store, StoreError,
};

use super::{run_id, submit};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_is_whole_while_work_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("oneiric.db"), Options::default()).unwrap());
    let filler = (0..20).map(|n| Op::Blob(Blob::new(vec![n; 100_000])));
    store.commit(Batch::of(filler)).await.unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let work = tokio::spawn({
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        async move {
            let mut n = 0;
            while !stop.load(Ordering::Relaxed) {
                n += 1;
                store.commit(submit(run_id(n))).await.unwrap();
            }
            n
        }
    });
    let target = folder.path().join("copy.db");
    let bytes = store.backup(&target).await.unwrap();
    stop.store(true, Ordering::Relaxed);
    let all = work.await.unwrap();
    assert_eq!(bytes, std::fs::metadata(&target).unwrap().len());
    let again = store.backup(&target).await;
    assert!(matches!(again, Err(StoreError::Open { .. })), "{again:?}");

    let copy = SqliteStore::open(&target, Options::default()).unwrap();
    assert_eq!(copy.check().await.unwrap().problems, Vec::<String>::new());
    let copied = copy.runs(RunFilter::newest(usize::MAX)).await.unwrap();
    assert!(copied.len() as u128 <= all);
    assert!(copied.iter().rev().map(|run| run.id).eq((1..=copied.len() as u128).map(run_id)));

    let nowhere = store.backup(&folder.path().join("missing/copy.db")).await;
    assert!(matches!(nowhere, Err(StoreError::Open { .. })), "{nowhere:?}");
    let left = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().contains("partial")));
}

#[tokio::test]
async fn the_views_speak_the_words_of_the_product() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    store.commit(submit(run_id(0xAB))).await.unwrap();
    let conn = rusqlite::Connection::open(&path).unwrap();
    let text = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, Option<String>>(0)).unwrap();
    for status in RunStatus::ALL {
        let state = RunState { status, ..RunState::PENDING };
        store.commit(Batch::of([Op::SetRun { run: run_id(0xAB), state: Box::new(state) }])).await.unwrap();
        assert_eq!(text("SELECT status FROM run_view").as_deref(), Some(status.name()));
    }
    for status in NodeStatus::ALL {
        let node = NodeRecord {
            run: run_id(0xAB),
            node: 0,
            name: oneiric_core::NodeId::new("charge").unwrap(),
            status,
            attempt: 1,
            deaths: 0,
            input_hash: None,
            started_at: Some(Timestamp::from_micros(1_767_225_600_250_000)),
            ended_at: None,
            wake_at: None,
            skip: Some(oneiric_store::SkipReason::Upstream),
            fault: Some(Box::new(oneiric_core::Fault::transient("exit-code", "`sh` exited with 3"))),
        };
        store.commit(Batch::of([Op::SetNode(node)])).await.unwrap();
        assert_eq!(text("SELECT status FROM node_view").as_deref(), Some(status.name()));
    }
    assert_eq!(text("SELECT id FROM run_view").unwrap(), run_id(0xAB).to_string());
    assert_eq!(text("SELECT started_at FROM node_view").unwrap(), "2026-01-01T00:00:00.250Z");
    assert_eq!(text("SELECT fault || skip || name FROM node_view").unwrap(), "exit-codeupstreamcharge");
    assert_eq!(text("SELECT owner FROM run_view"), None);
}

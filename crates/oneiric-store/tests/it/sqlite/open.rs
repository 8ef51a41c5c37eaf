//! Opening: what is created, what is refused, and what is left behind.

use std::fs;
use std::path::Path;

use oneiric_store::sqlite::{Access, Options};
use oneiric_store::{CommitError, SqliteStore, Store, StoreError};

use super::{run_id, submit};

fn open(path: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(path, Options::default())
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

async fn store_with_a_run(path: &Path) {
    let store = open(path).unwrap();
    store.commit(submit(run_id(7))).await.unwrap();
    store.close().await.unwrap();
}

#[tokio::test]
async fn what_was_committed_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    store_with_a_run(&path).await;
    assert_eq!(files(folder.path()), ["oneiric.db"], "a closed store is one file");
    let store = open(&path).unwrap();
    assert!(store.run(run_id(7)).await.unwrap().is_some());
    let report = store.check().await.unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}

#[tokio::test]
async fn reading_creates_nothing_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    let options = Options { access: Access::ReadOnly, ..Options::default() };
    match SqliteStore::open(&path, options) {
        Err(StoreError::Open { reason, .. }) => assert_eq!(reason, "does not exist"),
        other => panic!("{other:?}"),
    }
    assert_eq!(files(folder.path()), [""; 0]);

    store_with_a_run(&path).await;
    let store = SqliteStore::open(&path, options).unwrap();
    assert!(store.run(run_id(7)).await.unwrap().is_some());
    assert!(store.check().await.unwrap().problems.is_empty());
    assert_eq!(files(folder.path()), ["oneiric.db"]);
    let refused = store.commit(submit(run_id(8))).await;
    assert!(matches!(refused, Err(CommitError::Store(StoreError::Unsupported(_)))), "{refused:?}");

    // Somebody begins to write while it is being read.
    let writer = open(&path).unwrap();
    writer.commit(submit(run_id(9))).await.unwrap();
    assert!(store.run(run_id(9)).await.unwrap().is_some());
    drop(store);
    writer.close().await.unwrap();
    assert_eq!(files(folder.path()), ["oneiric.db"]);
}

#[tokio::test]
async fn a_reader_sees_what_was_written_and_closed_between_two_looks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    store_with_a_run(&path).await;
    let options = Options { access: Access::ReadOnly, ..Options::default() };
    let store = SqliteStore::open(&path, options).unwrap();
    for id in 10..40 {
        assert!(store.run(run_id(id)).await.unwrap().is_none());
        let writer = open(&path).unwrap();
        writer.commit(submit(run_id(id))).await.unwrap();
        writer.close().await.unwrap();
        assert_eq!(files(folder.path()), ["oneiric.db"]);
        assert!(store.run(run_id(id)).await.unwrap().is_some(), "run {id}");
    }
    assert!(store.check().await.unwrap().problems.is_empty());
}

#[tokio::test]
async fn reading_beside_a_store_that_opens_and_closes_is_never_torn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    store_with_a_run(&path).await;
    let written = path.clone();
    let writing = tokio::spawn(async move {
        for id in 10..60 {
            let writer = open(&written).unwrap();
            writer.commit(submit(run_id(id))).await.unwrap();
            writer.close().await.unwrap();
        }
    });
    let options = Options { access: Access::ReadOnly, ..Options::default() };
    let store = SqliteStore::open(&path, options).unwrap();
    let mut copies = 0;
    while !writing.is_finished() {
        assert_eq!(store.check().await.unwrap().problems, [""; 0]);
        let copy = folder.path().join(format!("copy-{copies}.db"));
        store.backup(&copy).await.unwrap();
        let copied = SqliteStore::open(&copy, options).unwrap();
        assert_eq!(copied.check().await.unwrap().problems, [""; 0]);
        copies += 1;
    }
    writing.await.unwrap();
    assert!(store.run(run_id(59)).await.unwrap().is_some());
}

#[tokio::test]
async fn a_place_that_cannot_hold_a_store_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let check = |path: &Path, expected: &str| match open(path) {
        Err(StoreError::Open { place, reason }) => {
            assert_eq!(place, path.display().to_string());
            assert!(reason.contains(expected), "{reason}");
        }
        other => panic!("{other:?}"),
    };
    check(folder.path(), "name a file in it");
    check(&folder.path().join("missing/oneiric.db"), "create it first");
    fs::write(folder.path().join("file"), "").unwrap();
    check(&folder.path().join("file/oneiric.db"), "name another place");
    assert!(!folder.path().join("missing").exists());
}

#[tokio::test]
async fn a_file_that_is_no_store_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("notes.txt");
    fs::write(&text, "not a database, and longer than the hundred bytes of a header\n".repeat(20)).unwrap();
    let before = fs::read(&text).unwrap();
    match open(&text) {
        Err(StoreError::Corrupt { reason, .. }) => {
            assert!(reason.contains("not a database") && reason.contains("restore a backup"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(&text).unwrap(), before);

    let foreign = folder.path().join("foreign.db");
    let conn = rusqlite::Connection::open(&foreign).unwrap();
    conn.execute_batch("CREATE TABLE theirs (a)").unwrap();
    drop(conn);
    let before = fs::read(&foreign).unwrap();
    match open(&foreign) {
        Err(StoreError::Open { reason, .. }) => assert!(reason.contains("another program"), "{reason}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read(&foreign).unwrap(), before);
    assert_eq!(files(folder.path()), ["foreign.db", "notes.txt"]);
}

#[tokio::test]
async fn a_later_schema_is_refused_and_a_damaged_page_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    store_with_a_run(&path).await;

    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 4).unwrap();
    drop(conn);
    let newer = open(&path).unwrap_err();
    assert!(matches!(newer, StoreError::Newer { found: 4, known: 3, .. }), "{newer:?}");
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 3).unwrap();
    conn.close().unwrap();

    let mut bytes = fs::read(&path).unwrap();
    let (start, length) = (8192, bytes.len());
    bytes[start..length].iter_mut().step_by(7).for_each(|byte| *byte ^= 0x5A);
    fs::write(&path, bytes).unwrap();
    match open(&path) {
        Ok(store) => assert_ne!(store.check().await.unwrap().problems, Vec::<String>::new()),
        Err(error) => assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}"),
    }
}

#[tokio::test]
async fn many_processes_may_create_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    let stores: Vec<SqliteStore> = std::thread::scope(|scope| {
        let openers: Vec<_> = (0..8).map(|_| scope.spawn(|| open(&path).unwrap())).collect();
        openers.into_iter().map(|opener| opener.join().unwrap()).collect()
    });
    for (n, store) in stores.iter().enumerate() {
        store.commit(submit(run_id(n as u128))).await.unwrap();
    }
    for store in &stores {
        assert_eq!(store.runs(oneiric_store::RunFilter::newest(100)).await.unwrap().len(), 8);
    }
}

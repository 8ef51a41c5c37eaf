//! The chain of a journal: whoever changes what happened is found out.

use std::path::Path;

use oneiric_core::Timestamp;
use oneiric_store::sqlite::Options;
use oneiric_store::{Batch, Event, JournalEntry, Op, SqliteStore, Store};

use super::{run_id, submit};

async fn create(path: &Path) {
    let store = SqliteStore::open(path, Options::default()).unwrap();
    for run in 1..=2u64 {
        store.commit(submit(run_id(run.into()))).await.unwrap();
        let entry = |seq: u64| {
            let event = Event::Granted { slots: seq as u32 };
            let at = Timestamp::from_micros(seq as i64);
            Op::Append(JournalEntry { run: run_id(run.into()), seq, at, epoch: run, event })
        };
        store.commit(Batch::of((1..=3).map(entry))).await.unwrap();
        store.commit(Batch::of((4..=5).map(entry))).await.unwrap();
    }
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
    store.close().await.unwrap();
}

async fn problems(path: &Path) -> Vec<String> {
    SqliteStore::open(path, Options::default()).unwrap().check().await.unwrap().problems
}

#[tokio::test]
async fn a_changed_dropped_or_swapped_entry_is_named() {
    // The number of the second run is 2; what is done to its journal, and the entry that is named.
    let cases = [
        ("changed", "UPDATE journal SET event = json_set(event, '$.slots', 9) WHERE run = 2 AND seq = 3", 3),
        ("spaced", "UPDATE journal SET event = event || ' ' WHERE run = 2 AND seq = 5", 5),
        ("moved in time", "UPDATE journal SET at = at + 1 WHERE run = 2 AND seq = 1", 1),
        ("given to another owner", "UPDATE journal SET epoch = 1 WHERE run = 2 AND seq = 4", 4),
        (
            "dropped, and the gap closed",
            "DELETE FROM journal WHERE run = 2 AND seq = 2;
             UPDATE journal SET seq = 2 WHERE run = 2 AND seq = 3;
             UPDATE journal SET seq = 3 WHERE run = 2 AND seq = 4;
             UPDATE journal SET seq = 4 WHERE run = 2 AND seq = 5;",
            2,
        ),
        (
            "swapped",
            "UPDATE journal SET seq = 99 WHERE run = 2 AND seq = 2;
             UPDATE journal SET seq = 2 WHERE run = 2 AND seq = 3;
             UPDATE journal SET seq = 3 WHERE run = 2 AND seq = 99;",
            2,
        ),
        (
            "taken from another run",
            "UPDATE journal SET (at, epoch, event, link) =
               (SELECT at, epoch, event, link FROM journal WHERE run = 1 AND seq = 4)
             WHERE run = 2 AND seq = 4;",
            4,
        ),
        ("taken out of the chain", "UPDATE journal SET link = NULL WHERE run = 2 AND seq = 5", 5),
    ];
    for (what, change, entry) in cases {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oneiric.db");
        create(&path).await;
        rusqlite::Connection::open(&path).unwrap().execute_batch(change).unwrap();
        let expected = format!("run {}: the chain of its journal breaks at entry {entry}", run_id(2));
        assert_eq!(problems(&path).await, [expected], "{what}");
    }
}

#[tokio::test]
async fn a_gap_is_named_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    create(&path).await;
    let drop = "DELETE FROM journal WHERE run = 1 AND seq = 2";
    rusqlite::Connection::open(&path).unwrap().execute_batch(drop).unwrap();
    let run = run_id(1);
    let gap = format!("run {run}: journal entry 3 stands where 2 belongs");
    let chain = format!("run {run}: the chain of its journal breaks at entry 3");
    assert_eq!(problems(&path).await, [gap, chain]);
}

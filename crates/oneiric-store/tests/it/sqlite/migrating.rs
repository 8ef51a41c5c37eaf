//! A file of the first schema, with runs in flight, goes on.

use std::path::Path;

use oneiric_core::{BootId, Digest, NodeId, Timestamp};
use oneiric_store::sqlite::Options;
use oneiric_store::{
    Batch, BootRecord, Claim, Command, CommandRecord, Event, JournalEntry, NodeRecord, NodeStatus, Op,
    Require, RunStatus, SqliteStore, Store, StoreError, WhoseCommands,
};

use super::run_id;

/// What the first release created, as it was released.
const SCHEMA: &str = include_str!("../../../src/sqlite/migrations/0001.sql");

/// A run whose second node was under way when the process died, and one that somebody had paused.
const ROWS: &str = r#"
INSERT INTO blobs (n, digest, bytes) VALUES (1, :bundle, :text);
INSERT INTO boots VALUES (:boot, 'one', 42, 1000000, 2000000, NULL);
INSERT INTO runs (n, id, tenant, workflow, status, owner, epoch, priority, created_at, started_at, bundle,
                  "trigger", fault, schema)
VALUES (1, :running, 'default', 'demo', 1, :boot, 3, 0, 1000000, 1500000, :bundle, 'cli', NULL, 1),
       (2, :paused, 'default', 'demo', 2, NULL, 1, 0, 1100000, 1600000, :bundle, 'cli',
        '{"class":"denied","code":"paused","message":"lunch"}', 1);
INSERT INTO run_inputs (run, input, options) VALUES (1, '{"day":1}', 'null'), (2, NULL, 'null');
INSERT INTO nodes (run, node, name, status, attempt, input_hash, started_at, ended_at)
VALUES (1, 0, 'fetch', 3, 1, :hash, 1500000, 1700000), (1, 1, 'charge', 1, 2, :hash, 1700000, NULL);
INSERT INTO checkpoints (run, node, input_hash, output, at) VALUES (1, 0, :hash, '{"n":7}', 1700000);
INSERT INTO journal (run, seq, at, epoch, event)
VALUES (1, 1, 1500000, 3, '{"type":"started","slots":1}'),
       (1, 2, 1700000, 3, '{"type":"succeeded","node":0,"attempt":1,"slots":1}'),
       (2, 1, 1600000, 1, '{"type":"resumed","unknown":"keep","slots":1}');
"#;

fn boot() -> BootId {
    BootId::from_bytes([7; 16])
}

fn create(path: &Path) {
    let conn = rusqlite::Connection::open(path).unwrap();
    conn.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;").unwrap();
    conn.execute_batch(SCHEMA).unwrap();
    conn.execute_batch("PRAGMA application_id = 1332634985; PRAGMA user_version = 1;").unwrap();
    let text = b"entries: []\n".to_vec();
    let hex = |bytes: &[u8]| -> String {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("x'{digits}'")
    };
    let rows = ROWS
        .replace(":bundle", &hex(Digest::of(&text).as_bytes()))
        .replace(":text", &hex(&text))
        .replace(":boot", &hex(boot().as_bytes()))
        .replace(":running", &hex(run_id(1).as_bytes()))
        .replace(":paused", &hex(run_id(2).as_bytes()))
        .replace(":hash", &hex(Digest::of(b"in").as_bytes()));
    conn.execute_batch(&rows).unwrap();
    conn.close().unwrap();
}

#[tokio::test]
async fn a_file_of_the_first_schema_goes_on_with_its_runs() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    create(&path);
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());

    // What is new is as if nothing of it had happened.
    let old = store.boot(boot()).await.unwrap().unwrap();
    assert_eq!((old.beat, old.lease_ms, old.serves, old.ended_at), (0, 10_000, false, None));
    let run = store.run(run_id(1)).await.unwrap().unwrap();
    assert_eq!((run.state.deaths, run.state.deadline, run.state.owner), (0, None, Some(boot())));
    assert_eq!(store.nodes(run_id(1)).await.unwrap()[1].deaths, 0);
    let journal = store.journal(run_id(2), 0, 9).await.unwrap();
    assert!(matches!(journal[0].event, Event::Resumed { deaths: 0, slots: 1, .. }), "{journal:?}");

    // Its process is gone, so that whoever is there goes on with what it left.
    assert_eq!(store.dead().await.unwrap(), [boot()]);
    let me = BootRecord::new(BootId::from_bytes([8; 16]), "one", 43, Timestamp::from_micros(3_000_000));
    store.enter(me.clone()).await.unwrap();
    let claim = Claim { dead: vec![boot()], ..Claim::any(me.id, 9) };
    let taken = store.claim(claim).await.unwrap();
    assert_eq!(taken.iter().map(|run| (run.id, run.state.epoch)).collect::<Vec<_>>(), [(run_id(1), 5)]);
    assert_eq!(taken[0].state.deaths, 1);
    let again = |seq, slots| {
        let event = Event::Granted { slots };
        let at = Timestamp::from_micros(4_000_000);
        Op::Append(JournalEntry { run: run_id(1), seq, at, epoch: 5, event })
    };
    let node = NodeRecord {
        run: run_id(1),
        node: 1,
        name: NodeId::new("charge").unwrap(),
        status: NodeStatus::Running,
        attempt: 3,
        deaths: 1,
        input_hash: Some(Digest::of(b"in")),
        started_at: Some(Timestamp::from_micros(4_000_000)),
        ended_at: None,
        wake_at: None,
        skip: None,
        fault: None,
    };
    let batch = Batch::of([Op::SetNode(node.clone()), again(3, 1), again(4, 2)]);
    store.commit(batch.require(Require::RunEpoch { run: run_id(1), epoch: 5 })).await.unwrap();
    assert_eq!(store.nodes(run_id(1)).await.unwrap()[1], node);

    // And the one that was paused can be asked things.
    let command = Command::Resume { unknown: Default::default() };
    let at = Timestamp::from_micros(5_000_000);
    let command = CommandRecord { run: run_id(2), id: 1, at, actor: None, command };
    store.commit(Batch::of([Op::PutCommand(command.clone())])).await.unwrap();
    assert_eq!(store.commands(WhoseCommands::Run(run_id(2))).await.unwrap(), [command]);
    assert_eq!(store.run(run_id(2)).await.unwrap().unwrap().state.status, RunStatus::Paused);
    assert_eq!(store.violations().await.unwrap(), []);
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
    store.close().await.unwrap();

    // The new chain begins behind the old entries.
    let conn = rusqlite::Connection::open(&path).unwrap();
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert!(version >= 2);
    let linked = "SELECT group_concat(seq) FROM journal WHERE link IS NOT NULL";
    assert_eq!(conn.query_row(linked, [], |row| row.get::<_, String>(0)).unwrap(), "3,4");
}

/// Whoever reads an old file is told the way out, and changes nothing.
#[tokio::test]
async fn an_old_file_that_is_only_read_stays_old() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    create(&path);
    let before = std::fs::read(&path).unwrap();
    match SqliteStore::open(&path, Options::READ_ONLY) {
        Err(StoreError::Open { reason, .. }) => {
            assert!(reason.contains("any command that writes"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

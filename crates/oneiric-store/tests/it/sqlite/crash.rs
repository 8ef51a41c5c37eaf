//! Death at any moment: what was answered is there, and nothing is there by half.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::rng::SeededRng;
use oneiric_core::{Digest, NodeId, Payload, Rng, Timestamp};
use oneiric_store::sqlite::Options;
use oneiric_store::{
    Batch, Checkpoint, Event, Extension, JournalEntry, NodeRecord, NodeStatus, Op, RunFilter, SqliteStore,
    Store,
};

use super::{run_id, submit};

const DEATHS: u32 = 20;
const WRITERS: u64 = 8;
const PLACE: &str = "ONEIRIC_TEST_CRASH_PLACE";

/// Everything in it carries the number, so that a part of it would show.
fn numbered(writer: u64, seq: u64) -> Batch {
    let (run, at) = (run_id(writer.into()), Timestamp::from_micros(seq as i64));
    let node = seq as u32;
    let input_hash = Digest::of(&seq.to_be_bytes());
    // Now and then one that leaves its row.
    let length = if seq.is_multiple_of(10) { 20_000 } else { 200 };
    let output = Payload::from(serde_json::json!({ "seq": seq, "text": "x".repeat(length) }));
    Batch::of([
        Op::SetNode(NodeRecord {
            run,
            node,
            name: NodeId::new(format!("node-{node}")).unwrap(),
            status: NodeStatus::Completed,
            attempt: 1,
            deaths: 0,
            input_hash: Some(input_hash),
            started_at: Some(at),
            ended_at: Some(at),
            wake_at: None,
            skip: None,
            fault: None,
        }),
        Op::PutCheckpoint(Checkpoint { run, node, input_hash, output, at }),
        Op::Append(JournalEntry { run, seq, at, epoch: 0, event: Event::Granted { slots: node } }),
        Op::Extension(Extension {
            family: "crash".to_owned(),
            key: writer.to_string(),
            value: Some(seq.to_string().into_bytes()),
            at,
        }),
    ])
}

/// The process that is killed: commits for as long as it is let, and says what was answered.
#[test]
#[ignore = "runs as a child of `killed_twenty_times_it_keeps_every_answer`"]
fn child() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(Path::new(&place), Options::default()).unwrap());
        let writers = (0..WRITERS).map(|writer| tokio::spawn(write(Arc::clone(&store), writer)));
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

async fn write(store: Arc<SqliteStore>, writer: u64) {
    let mut seq = store.last_seq(run_id(writer.into())).await.unwrap();
    loop {
        seq += 1;
        store.commit(numbered(writer, seq)).await.unwrap();
        let line = format!("acked {writer} {seq}\n");
        std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
        std::io::stdout().lock().flush().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_twenty_times_it_keeps_every_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    for writer in 0..WRITERS {
        store.commit(submit(run_id(writer.into()))).await.unwrap();
    }
    store.close().await.unwrap();

    let seed = RandomState::new().hash_one(0);
    println!("seed {seed}");
    let rng = SeededRng::new(seed);
    let mut total = 0;
    for death in 0..DEATHS {
        let acked = run_and_kill(&path, Duration::from_micros(5_000 + rng.next_u64() % 150_000));
        let store = SqliteStore::open(&path, Options::default()).unwrap();
        for writer in 0..WRITERS {
            let last = assert_whole(&store, writer).await;
            let acked = acked.get(&writer).copied().unwrap_or(0);
            assert!(last >= acked, "seed {seed}, death {death}: writer {writer} has {last} of {acked}");
            total += u64::from(acked > 0);
        }
        let problems = store.check().await.unwrap().problems;
        assert_eq!(problems, Vec::<String>::new(), "seed {seed}, death {death}");
        assert_eq!(store.runs(RunFilter::newest(100)).await.unwrap().len() as u64, WRITERS);
    }
    assert!(total > 0, "no child lived long enough to say anything");
}

/// The last numbers that the child said were answered, by writer.
fn run_and_kill(path: &Path, after: Duration) -> HashMap<u64, u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["sqlite::crash::child", "--exact", "--ignored", "--nocapture"])
        .env(PLACE, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    // Its life is counted from its first word, so that a slow machine does not kill it unborn. The
    // harness says "running 1 test" before that.
    let mut acked: Vec<String> = lines.by_ref().take(3).collect();
    let reader = std::thread::spawn(move || lines.collect::<Vec<_>>());
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    acked.extend(reader.join().unwrap());
    acked.iter().filter_map(|line| said(line)).collect()
}

/// `acked 3 17`, wherever the harness put it in the line. A pipe takes a line whole or not at all.
fn said(line: &str) -> Option<(u64, u64)> {
    let (writer, seq) = line.split_once("acked ")?.1.split_once(' ')?;
    Some((writer.parse().ok()?, seq.parse().ok()?))
}

/// Node, checkpoint, journal and extension of a writer are as far as each other; returns how far.
async fn assert_whole(store: &SqliteStore, writer: u64) -> u64 {
    let run = run_id(writer.into());
    let last = store.last_seq(run).await.unwrap();
    let counted = match store.extension("crash", &writer.to_string()).await.unwrap() {
        Some((version, value)) => {
            assert_eq!(value, version.to_string().into_bytes());
            version
        }
        None => 0,
    };
    assert_eq!(counted, last);
    assert_eq!(store.nodes(run).await.unwrap().len() as u64, last);
    let kept = store.checkpoints(run).await.unwrap();
    assert!(kept.iter().map(|kept| kept.output.value()["seq"].as_u64()).eq((1..=last).map(Some)));
    last
}

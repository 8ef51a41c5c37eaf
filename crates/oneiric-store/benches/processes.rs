//! What does a second process on the file cost?
//!
//! The limit is one process alone that submits all of the runs; ours are two processes that submit half of
//! them each, at the same time, on the same file. Synchronous FULL, so that both pay for the disk. Once with
//! one caller in each process, where every run is a transaction of its own, and once with many, where runs
//! are gathered: then two processes gather half as many each, and take turns.
//!
//! The processes are there and the file is open before the clock starts.
//!
//! `cargo bench -p oneiric-store --features sqlite --bench processes`; the figures are kept in
//! `docs/benchmarks.md`.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::{Key, Payload, RunId, Timestamp};
use oneiric_store::sqlite::Options;
use oneiric_store::{Batch, Blob, Op, Require, RunRecord, SqliteStore, Store};
use oneiric_testkit::bench::{compare, timed};

const PLACE: &str = "ONEIRIC_BENCH_PLACE";
const CALLERS: &str = "ONEIRIC_BENCH_CALLERS";

fn submit(bundle: &Blob, run: u128) -> Batch {
    let id = RunId::from_bytes(run.to_be_bytes());
    let workflow = Key::new("bench").expect("letters are a name");
    let record = RunRecord::new(id, workflow, bundle.digest, Payload::NULL, Timestamp::from_micros(1));
    Batch::of([Op::Blob(bundle.clone()), Op::InsertRun(Box::new(record))]).require(Require::RunAbsent(id))
}

/// One process: opens the file, says so, and for every line `FIRST COUNT` submits so many runs.
fn work(place: &Path, callers: u128) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("two threads");
    let store = Arc::new(SqliteStore::open(place, Options::default()).expect("a fresh folder"));
    println!("ready");
    for line in std::io::stdin().lines() {
        let line = line.expect("the parent writes text");
        let (first, count) = line.split_once(' ').expect("two numbers");
        let (first, count): (u128, u128) =
            (first.parse().expect("a number"), count.parse().expect("a number"));
        runtime.block_on(async {
            let bundle = Blob::new(b"entries: []\n".to_vec());
            let tasks: Vec<_> = (0..callers)
                .map(|caller| {
                    let (store, bundle) = (Arc::clone(&store), bundle.clone());
                    tokio::spawn(async move {
                        let mine = (0..count).filter(|n| n % callers == caller);
                        for run in mine {
                            store.commit(submit(&bundle, first + run)).await.expect("a new run");
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("it does not panic");
            }
        });
        println!("done");
    }
}

struct Worker {
    child: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Worker {
    fn start(place: &Path, callers: u128) -> Self {
        let program: PathBuf = std::env::current_exe().expect("it was started");
        let mut child = Command::new(program)
            .env(PLACE, place)
            .env(CALLERS, callers.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be started again");
        let tell = child.stdin.take().expect("it is a pipe");
        let hear = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let mut worker = Self { child, tell, hear };
        worker.wait("ready");
        worker
    }

    fn tell(&mut self, first: u128, count: u128) {
        writeln!(self.tell, "{first} {count}").expect("it reads");
    }

    fn wait(&mut self, word: &str) {
        let mut line = String::new();
        self.hear.read_line(&mut line).expect("it writes text");
        assert_eq!(line.trim(), word, "the other process has failed");
    }

    fn stop(mut self) {
        drop(self.tell);
        self.child.wait().expect("it ends with its input");
    }
}

/// So many processes share `runs` runs on a fresh file.
fn together(processes: u128, callers: u128, runs: u128) -> Duration {
    // Beside the code rather than in /tmp, which may be memory: the disk is what is measured.
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("the crate's folder can be written");
    let place = folder.path().join("oneiric.sqlite");
    let mut workers: Vec<Worker> = (0..processes).map(|_| Worker::start(&place, callers)).collect();
    let each = runs / processes;
    let (took, ()) = timed(|| {
        for (worker, number) in workers.iter_mut().zip(0..) {
            worker.tell(number * each, each);
        }
        workers.iter_mut().for_each(|worker| worker.wait("done"));
    });
    workers.into_iter().for_each(Worker::stop);
    took
}

fn main() {
    if let (Some(place), Some(callers)) = (std::env::var_os(PLACE), std::env::var_os(CALLERS)) {
        let callers = callers.to_str().and_then(|callers| callers.parse().ok()).expect("a number");
        return work(Path::new(&place), callers);
    }
    println!("durable submits, SQLite, synchronous FULL; limit: one process, ours: two on the same file");
    for (callers, runs) in [(1, 400), (64, 6_400)] {
        let name = format!("{callers} caller(s) in each process, {runs} runs in all");
        compare(name, runs as u32, || together(1, callers, runs), || together(2, callers, runs)).print();
    }
}

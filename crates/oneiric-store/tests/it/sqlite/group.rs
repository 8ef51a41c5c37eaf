//! Group commit: many callers, few fsyncs, and nobody forgotten.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use oneiric_core::Rng;
use oneiric_core::rng::SeededRng;
use oneiric_store::sqlite::Options;
use oneiric_store::{Batch, Commit, Event, JournalEntry, Op, SqliteStore, Store};

use super::{run_id, submit};

const TASKS: u64 = 64;
const EACH: u64 = 200;

fn append(run: u64, seq: u64) -> Batch {
    let event = Event::Granted { slots: 0 };
    let at = oneiric_core::Timestamp::from_micros(1);
    Batch::of([Op::Append(JournalEntry { run: run_id(run.into()), seq, at, epoch: 0, event })])
}

/// Polls a commit once and no more.
async fn poll_once(commit: Commit) {
    let mut commit = pin!(commit);
    std::future::poll_fn(|cx| {
        let _ = commit.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

/// Commits in a row; some answers are given up before, some after the first poll.
async fn work(store: Arc<SqliteStore>, task: u64) {
    let rng = SeededRng::new(task);
    store.commit(submit(run_id(task.into()))).await.unwrap();
    for seq in 1..=EACH {
        let commit = store.commit(append(task, seq));
        match rng.next_u64() % 8 {
            0 => drop(commit),
            1 => poll_once(commit).await,
            2 => {
                tokio::task::yield_now().await;
                commit.await.unwrap();
            }
            _ => commit.await.unwrap(),
        }
    }
}

async fn stress(folder: &std::path::Path) {
    let path = folder.join("oneiric.db");
    let store = Arc::new(SqliteStore::open(&path, Options::default()).unwrap());
    let tasks: Vec<_> = (0..TASKS).map(|task| tokio::spawn(work(Arc::clone(&store), task))).collect();
    for task in tasks {
        task.await.unwrap();
    }
    store.close().await.unwrap();
    let stats = store.stats();
    assert_eq!(stats.batches, TASKS * (EACH + 1));
    assert!(stats.transactions < stats.batches / 2, "{stats:?}");

    let store = SqliteStore::open(&path, Options::default()).unwrap();
    for task in 0..TASKS {
        assert_eq!(store.last_seq(run_id(task.into())).await.unwrap(), EACH);
    }
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_callers_lose_no_batch_on_many_threads() {
    stress(tempfile::tempdir().unwrap().path()).await;
}

#[tokio::test(flavor = "current_thread")]
async fn sixty_four_callers_lose_no_batch_on_one_thread() {
    stress(tempfile::tempdir().unwrap().path()).await;
}

/// Outside of any runtime, on an executor that only parks.
#[test]
fn a_commit_needs_no_runtime() {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("oneiric.db"), Options::default()).unwrap();
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut cx = std::task::Context::from_waker(&waker);
    for n in 0..20 {
        let mut commit = store.commit(submit(run_id(n)));
        let answer = loop {
            match pin!(&mut commit).poll(&mut cx) {
                Poll::Ready(answer) => break answer,
                Poll::Pending => std::thread::park(),
            }
        };
        answer.unwrap();
    }
}

/// Without a crowd there is nothing to gather and nothing to wait for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_alone_commits_each_batch_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("oneiric.db"), Options::default()).unwrap();
    store.commit(submit(run_id(1))).await.unwrap();
    for seq in 1..=50 {
        store.commit(append(1, seq)).await.unwrap();
    }
    assert_eq!(store.stats().transactions, 51);
}

/// Dropping the store is enough: what was in line is in the file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_store_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    store.commit(submit(run_id(1))).await.unwrap();
    let kept: Vec<Commit> = (1..=100).map(|seq| store.commit(append(1, seq))).collect();
    drop(store);
    for commit in kept {
        commit.await.unwrap();
    }
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    assert_eq!(store.last_seq(run_id(1)).await.unwrap(), 100);
}

/// Each store has a writer of its own, as each process would; no lock of another reaches a caller.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_stores_on_one_file_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    let workers: Vec<_> = (0..4)
        .map(|task| {
            let store = SqliteStore::open(&path, Options::default()).unwrap();
            tokio::spawn(async move {
                store.commit(submit(run_id(task))).await.unwrap();
                for seq in 1..=100 {
                    store.commit(append(task as u64, seq)).await.unwrap();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }
    let store = SqliteStore::open(&path, Options::default()).unwrap();
    for task in 0..4 {
        assert_eq!(store.last_seq(run_id(task)).await.unwrap(), 100);
    }
}

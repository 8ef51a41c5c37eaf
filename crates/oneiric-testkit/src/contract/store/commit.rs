//! Batches: order, atomicity, preconditions, and answers that nobody waits for.

use std::sync::Arc;

use oneiric_core::Digest;
use oneiric_store::{Batch, Blob, CommitError, Op, Refusal, Require, Store};

use super::Site;
use super::sample::{append, boot_id, bundle, extension, insert, run, run_id};

/// Later batches need the earlier ones; the answers are asked for in the opposite order.
pub async fn batches_apply_in_the_order_of_the_calls(site: Arc<dyn Site>) {
    let store = site.open();
    let first = store.commit(insert(run(1)));
    let mut commits: Vec<_> = (1..=100).map(|seq| store.commit(Batch::of([append(1, seq)]))).collect();
    while let Some(commit) = commits.pop() {
        commit.await.unwrap();
    }
    first.await.unwrap();
    let journal = store.journal(run_id(1), 0, 1000).await.unwrap();
    assert!(journal.iter().map(|entry| entry.seq).eq(1..=100));
}

/// A precondition and an operation that fail undo what stands before them.
pub async fn a_batch_happens_whole_or_not_at_all(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(insert(run(1))).await.unwrap();
    let blob = Blob::new(b"half".to_vec());
    let half =
        || Batch::of([Op::Blob(blob.clone()), append(1, 1), Op::Extension(extension("half", Some(b"x")))]);
    let refused = [
        half().require(Require::RunAbsent(run_id(1))),
        half().and(Batch::of([Op::InsertRun(Box::new(run(1)))])),
        half().and(Batch::of([append(1, 3)])),
        half().and(Batch::of([Op::InsertRun(Box::new(run(2))), Op::InsertRun(Box::new(run(2)))])),
    ];
    for batch in refused {
        let answer = store.commit(batch.clone()).await;
        assert!(matches!(answer, Err(CommitError::Refused(_))), "{answer:?} to {batch:?}");
    }
    assert_eq!(store.blob(blob.digest).await.unwrap(), None);
    assert_eq!(store.last_seq(run_id(1)).await.unwrap(), 0);
    assert_eq!(store.extension("contract", "half").await.unwrap(), None);
    assert_eq!(store.run(run_id(2)).await.unwrap(), None);
    store.commit(half()).await.unwrap();
    assert!(store.blob(blob.digest).await.unwrap().is_some());
}

/// Each precondition passes where it holds, and names what it found where it does not.
pub async fn every_precondition_is_checked(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(insert(run(1))).await.unwrap();
    store.commit(Batch::of([Op::Extension(extension("here", Some(b"1")))])).await.unwrap();
    let version = |key: &str, version| Require::ExtensionVersion {
        family: "contract".to_owned(),
        key: key.to_owned(),
        version,
    };
    let wrong = |key: &str, expected, found| Refusal::Version {
        family: "contract".to_owned(),
        key: key.to_owned(),
        expected,
        found,
    };
    let (one, two) = (run_id(1), run_id(2));
    let nowhere = Digest::of(b"nowhere");
    let cases = [
        (Require::RunAbsent(two), None),
        (Require::RunAbsent(one), Some(Refusal::RunExists(one))),
        (Require::RunEpoch { run: one, epoch: 0 }, None),
        (Require::RunEpoch { run: one, epoch: 3 }, Some(Refusal::StaleEpoch { run: one, held: 3, found: 0 })),
        (Require::RunEpoch { run: two, epoch: 0 }, Some(Refusal::RunMissing(two))),
        (Require::BlobPresent(bundle().digest), None),
        (Require::BlobPresent(nowhere), Some(Refusal::BlobMissing(nowhere))),
        (version("here", Some(1)), None),
        (version("here", Some(2)), Some(wrong("here", Some(2), Some(1)))),
        (version("here", None), Some(wrong("here", None, Some(1)))),
        (version("there", None), None),
        (version("there", Some(1)), Some(wrong("there", Some(1), None))),
    ];
    for (require, expected) in cases {
        let found = match store.commit(Batch::default().require(require.clone())).await {
            Ok(()) => None,
            Err(CommitError::Refused(refusal)) => Some(refusal),
            Err(CommitError::Store(error)) => panic!("{require:?}: {error}"),
        };
        assert_eq!(found, expected, "{require:?}");
    }
}

/// Of batches that are in line together, those that are refused leave no trace in the others.
pub async fn a_refusal_does_not_disturb_its_neighbours(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(insert(run(0))).await.unwrap();
    let stale = Require::RunEpoch { run: run_id(0), epoch: 9 };
    let commits: Vec<_> = (1..=60)
        .map(|n| {
            let batch = insert(run(n));
            (n, store.commit(if n % 3 == 0 { batch.require(stale.clone()) } else { batch }))
        })
        .collect();
    for (n, commit) in commits {
        assert_eq!(commit.await.is_err(), n % 3 == 0, "batch {n}");
    }
    for n in 1..=60 {
        assert_eq!(store.run(run_id(n)).await.unwrap().is_none(), n % 3 == 0, "run {n}");
    }
}

/// Giving up the answer does not withdraw the batch, and what comes later comes after it.
pub async fn a_dropped_commit_is_applied(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(insert(run(1))).await.unwrap();
    for seq in 1..=50 {
        drop(store.commit(Batch::of([append(1, seq)])));
    }
    store.commit(Batch::of([append(1, 51)])).await.unwrap();
    assert_eq!(store.last_seq(run_id(1)).await.unwrap(), 51);
    drop(store.commit(Batch::of([append(1, 52)])));
    until(&store, 52).await;
}

/// A future that is kept and not polled does not hold its batch back.
pub async fn a_commit_that_nobody_polls_is_applied(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(insert(run(1))).await.unwrap();
    let kept = store.commit(Batch::of([append(1, 1)]));
    until(&store, 1).await;
    kept.await.unwrap();
}

/// Reads until the journal of run 1 has come to `seq`. Bounded by the test runner alone: how many
/// reads fit into the wait is the machine's affair.
async fn until(store: &Arc<dyn Store>, seq: u64) {
    while store.last_seq(run_id(1)).await.unwrap() < seq {
        tokio::task::yield_now().await;
    }
}

/// Whoever has the answer may tell others where to look.
pub async fn an_answered_batch_is_visible_to_every_reader(site: Arc<dyn Site>) {
    let store = site.open();
    for n in 1..=20 {
        store.commit(insert(run(n))).await.unwrap();
        let reader = Arc::clone(&store);
        let seen = tokio::spawn(async move { reader.run(run_id(n)).await.unwrap() });
        assert_eq!(seen.await.unwrap(), Some(run(n)));
    }
}

/// Each writer keeps its own order, and a counter that they share loses no count.
pub async fn writers_at_the_same_time_lose_nothing(site: Arc<dyn Site>) {
    const WRITERS: u64 = 16;
    const EACH: u64 = 25;
    let store = site.open();
    let writers: Vec<_> = (1..=WRITERS)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                store.commit(insert(run(n))).await.unwrap();
                for seq in 1..=EACH {
                    store.commit(Batch::of([append(n, seq)])).await.unwrap();
                    count(&store).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for n in 1..=WRITERS {
        assert_eq!(store.last_seq(run_id(n)).await.unwrap(), EACH);
    }
    let (version, value) = store.extension("contract", "count").await.unwrap().unwrap();
    assert_eq!((version, value), (WRITERS * EACH, (WRITERS * EACH).to_string().into_bytes()));
    let claimed = store.claim(oneiric_store::Claim::any(boot_id(1), 100)).await.unwrap();
    assert_eq!(claimed.len() as u64, WRITERS);
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
}

/// Raises the counter by one, as often as others are faster.
async fn count(store: &Arc<dyn Store>) {
    loop {
        let found = store.extension("contract", "count").await.unwrap();
        let (version, value) = match found {
            None => (None, 0),
            Some((version, value)) => {
                (Some(version), String::from_utf8(value).unwrap().parse::<u64>().unwrap())
            }
        };
        let next = (value + 1).to_string();
        let batch = Batch::of([Op::Extension(extension("count", Some(next.as_bytes())))]).require(
            Require::ExtensionVersion { family: "contract".to_owned(), key: "count".to_owned(), version },
        );
        match store.commit(batch).await {
            Ok(()) => return,
            Err(CommitError::Refused(Refusal::Version { .. })) => {}
            Err(other) => panic!("{other}"),
        }
    }
}

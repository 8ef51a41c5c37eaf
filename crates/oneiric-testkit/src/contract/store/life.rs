//! The end of a store, and its return.

use std::sync::Arc;

use oneiric_store::{Batch, Claim, CommitError, NodeStatus, Op, RunFilter, StoreError, WhoseCommands};

use super::Site;
use super::sample::{append, boot_id, bundle, checkpoint, extension, insert, node, run, run_id};

/// A closed store answers, and says that it is closed.
pub async fn a_closed_store_refuses_everything(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(insert(run(1))).await.unwrap();
    store.close().await.unwrap();
    store.close().await.unwrap();
    let committed = store.commit(insert(run(2))).await;
    assert!(matches!(committed, Err(CommitError::Store(StoreError::Closed))), "{committed:?}");
    let claim = Claim::any(boot_id(1), 1);
    let claimed = store.claim(claim).await;
    assert!(matches!(claimed, Err(CommitError::Store(StoreError::Closed))), "{claimed:?}");
    assert!(matches!(store.run(run_id(1)).await, Err(StoreError::Closed)));
    assert!(matches!(store.runs(RunFilter::newest(1)).await, Err(StoreError::Closed)));
    assert!(matches!(store.nodes(run_id(1)).await, Err(StoreError::Closed)));
    assert!(matches!(store.checkpoints(run_id(1)).await, Err(StoreError::Closed)));
    assert!(matches!(store.journal(run_id(1), 0, 1).await, Err(StoreError::Closed)));
    assert!(matches!(store.last_seq(run_id(1)).await, Err(StoreError::Closed)));
    assert!(matches!(store.blob(bundle().digest).await, Err(StoreError::Closed)));
    assert!(matches!(store.extension("a", "b").await, Err(StoreError::Closed)));
    assert!(matches!(store.check().await, Err(StoreError::Closed)));
    assert!(matches!(store.dead().await, Err(StoreError::Closed)));
    assert!(matches!(store.boots().await, Err(StoreError::Closed)));
    assert!(matches!(store.boot(boot_id(1)).await, Err(StoreError::Closed)));
    assert!(matches!(store.commands(WhoseCommands::Run(run_id(1))).await, Err(StoreError::Closed)));
    assert!(matches!(store.activities().await, Err(StoreError::Closed)));
    assert!(matches!(store.violations().await, Err(StoreError::Closed)));
    assert!(matches!(store.extensions("a").await, Err(StoreError::Closed)));
}

/// A batch that was put in line before the close is applied, polled or not.
pub async fn closing_applies_what_is_in_line(site: Arc<dyn Site>) {
    let store = site.open();
    store.commit(insert(run(1))).await.unwrap();
    let commits: Vec<_> = (1..=50).map(|seq| store.commit(Batch::of([append(1, seq)]))).collect();
    store.close().await.unwrap();
    for commit in commits {
        commit.await.unwrap();
    }
    if site.is_durable() {
        assert_eq!(site.open().last_seq(run_id(1)).await.unwrap(), 50);
    }
}

/// Rows, journal, blobs and extensions outlive the process.
pub async fn everything_is_there_after_reopening(site: Arc<dyn Site>) {
    if !site.is_durable() {
        return;
    }
    let store = site.open();
    let output = checkpoint(1, 0, "in", serde_json::json!({"a": [1, "b"]}).into());
    let row = oneiric_store::NodeRecord {
        input_hash: Some(output.input_hash),
        ..node(1, 0, NodeStatus::Completed)
    };
    let batch = insert(run(1)).and(Batch::of([
        Op::SetNode(row.clone()),
        Op::PutCheckpoint(output.clone()),
        append(1, 1),
        Op::Extension(extension("kept", Some(b"value"))),
    ]));
    store.commit(batch).await.unwrap();
    store.close().await.unwrap();

    let store = site.open();
    assert_eq!(store.run(run_id(1)).await.unwrap(), Some(run(1)));
    assert_eq!(store.nodes(run_id(1)).await.unwrap(), [row]);
    assert_eq!(store.checkpoints(run_id(1)).await.unwrap(), [output]);
    assert_eq!(store.last_seq(run_id(1)).await.unwrap(), 1);
    assert_eq!(store.blob(bundle().digest).await.unwrap(), Some(bundle().bytes));
    assert_eq!(store.extension("contract", "kept").await.unwrap(), Some((1, b"value".to_vec())));
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
}

//! Boots of this host and of others.

use oneiric_core::{BootId, Timestamp};
use oneiric_store::sqlite::Options;
use oneiric_store::{BootRecord, Claim, SqliteStore, Store, StoreError};

use super::{run_id, submit};

const SECOND: i64 = 1_000_000;

fn boot(id: u8, host: &str, at: i64) -> BootRecord {
    BootRecord::new(BootId::from_bytes([id; 16]), host, 42, Timestamp::from_micros(at))
}

fn claim(boot: &BootRecord) -> Claim {
    Claim::any(boot.id, 10)
}

#[tokio::test]
async fn a_second_host_is_refused_while_the_first_may_live() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    let (first, second) = (
        SqliteStore::open(&path, Options::default()).unwrap(),
        SqliteStore::open(&path, Options::default()).unwrap(),
    );
    let ours = boot(1, "one", 0);
    first.enter(ours.clone()).await.unwrap();
    first.commit(submit(run_id(1))).await.unwrap();
    assert_eq!(first.claim(claim(&ours)).await.unwrap().len(), 1);

    match second.enter(boot(2, "two", 59 * SECOND)).await {
        Err(StoreError::Shared { reason, .. }) => {
            assert!(reason.contains("host `one`") && reason.contains("wait a minute"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    // A minute without a beat, and yet its lock is held: it may enter beside it, and takes nothing.
    let theirs = boot(3, "two", 61 * SECOND);
    second.enter(theirs.clone()).await.unwrap();
    assert_eq!(second.claim(claim(&theirs)).await.unwrap(), []);
    second.leave(theirs.id).await.unwrap();

    // Gone for good, as a container that comes back under another name.
    drop(first);
    let theirs = boot(4, "two", 62 * SECOND);
    second.enter(theirs.clone()).await.unwrap();
    assert_eq!(second.claim(claim(&theirs)).await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_dead_are_found_at_once_and_their_locks_are_cleared_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("oneiric.db");
    let open = || SqliteStore::open(&path, Options::default()).unwrap();
    let locks = || std::fs::read_dir(folder.path().join("boots")).unwrap().count();
    let (store, other) = (open(), open());
    let (ours, theirs) = (boot(1, "one", 0), boot(2, "one", 1));
    store.enter(ours.clone()).await.unwrap();
    other.enter(theirs.clone()).await.unwrap();
    other.commit(submit(run_id(1))).await.unwrap();
    assert_eq!(other.claim(claim(&theirs)).await.unwrap().len(), 1);
    assert_eq!((store.dead().await.unwrap(), other.dead().await.unwrap(), locks()), (vec![], vec![], 2));

    drop(other);
    assert_eq!(store.dead().await.unwrap(), [theirs.id]);
    let taken = store.claim(Claim { dead: vec![theirs.id], ..claim(&ours) }).await.unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!((store.dead().await.unwrap(), locks()), (vec![], 1));
    store.leave(ours.id).await.unwrap();
    assert_eq!(locks(), 0);
}

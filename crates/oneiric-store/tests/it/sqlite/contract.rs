//! The store in a file keeps the contract.

use std::sync::Arc;

use oneiric_store::sqlite::Options;
use oneiric_store::{BootRecord, SqliteStore, Store};
use oneiric_testkit::contract::store::Site;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn store(&self) -> SqliteStore {
        SqliteStore::open(self.0.path().join("oneiric.db"), Options::default()).unwrap()
    }
}

#[async_trait::async_trait]
impl Site for Folder {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.store())
    }

    fn is_durable(&self) -> bool {
        true
    }

    async fn dies(&self, boot: BootRecord) {
        // The lock goes with the handle, as it would with the process.
        self.store().enter(boot).await.unwrap();
    }
}

fn site() -> Arc<dyn Site> {
    Arc::new(Folder(tempfile::tempdir().unwrap()))
}

oneiric_testkit::store_contract!(site);

//! The store in memory keeps the contract.

use std::sync::Arc;

use oneiric_store::{BootRecord, MemoryStore, Store};
use oneiric_testkit::contract::store::Site;

#[derive(Default)]
struct Memory(MemoryStore);

#[async_trait::async_trait]
impl Site for Memory {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    fn is_durable(&self) -> bool {
        false
    }

    async fn dies(&self, boot: BootRecord) {
        let id = boot.id;
        self.0.enter(boot).await.unwrap();
        self.0.bury(id);
    }
}

fn site() -> Arc<dyn Site> {
    Arc::new(Memory::default())
}

oneiric_testkit::store_contract!(site);

//! The durable vocabulary of Oneiric: a [`Batch`] of typed records, applied atomically.
//!
//! A backend knows records and preconditions, never what they mean: which transitions a run may
//! make is `oneiric-dag`'s business. [`MemoryStore`] is always there and is the model that the others
//! are measured against; `sqlite` is the embedded default, one file and no server. Every backend
//! passes the same contract in `oneiric-testkit`.
//!
//! Rows are the truth. The journal, a gapless sequence per run, is written in the same batch as the
//! rows it explains.
//!
//! ```
//! use oneiric_store::{Batch, Blob, MemoryStore, Op, Store};
//!
//! # async fn demo() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! let blob = Blob::new(b"source: demo\nentries: []\n".to_vec());
//! let digest = blob.digest;
//! store.commit(Batch::of([Op::Blob(blob)])).await?;
//! assert!(store.blob(digest).await?.is_some());
//! # Ok(()) }
//! ```

mod batch;
mod claim;
mod commit;
mod error;
#[doc(hidden)]
pub mod failpoint;
pub mod lease;
pub mod liveness;
mod memory;
pub mod record;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod store;

pub use batch::{Batch, Op, Refusal, Require};
pub use claim::{Claim, DeliveryClaim, Waiting};
pub use commit::{Commit, CommitError};
pub use error::StoreError;
pub use lease::{Lease, Owned, Pulse, Watch};
pub use memory::MemoryStore;
pub use record::activity::ActivityRecord;
pub use record::blob::Blob;
pub use record::boot::{BootRecord, BootSeen, DEFAULT_LEASE, Silent};
pub use record::checkpoint::Checkpoint;
pub use record::command::{Command, CommandRecord};
pub use record::delivery::{ChainMode, DeliveryRecord, DeliveryState, DeliveryStatus, UnknownDeliveryStatus};
pub use record::envelope::EnvelopeRecord;
pub use record::extension::Extension;
pub use record::journal::{Event, Found, JournalEntry, UnknownNodes};
pub use record::node::{NodeRecord, NodeStatus, SkipReason};
pub use record::run::{RunRecord, RunState, RunStatus};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;
pub use store::{
    Backlog, DeliveryFilter, EnvelopeFilter, IntegrityReport, Order, RunFilter, Store, WhoseCommands,
};

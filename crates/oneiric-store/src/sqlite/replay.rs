//! The limit: recorded batches applied by one thread that does nothing else.

use std::path::Path;
use std::sync::Arc;

use super::boots::Boots;
use super::connect;
use super::encode::Encoded;
use super::options::Synchronous;
use super::writer::{Work, Writer};
use crate::batch::Batch;
use crate::commit::CommitError;
use crate::error::StoreError;

/// Applies batches on the calling thread, as many to a transaction as it is told: the same statements
/// and bytes as [`super::SqliteStore`], without a line, a runtime or an answer. What group commit can
/// be at best, for benches to compare with.
#[derive(Debug)]
pub struct Replay(Writer);

/// Batches that are ready to be bound.
#[derive(Debug)]
pub struct Recorded(Vec<Work>);

impl Recorded {
    /// Encodes batches beforehand, so that replaying them measures the file alone.
    pub fn new(batches: impl IntoIterator<Item = Batch>) -> Self {
        Self(batches.into_iter().map(|batch| Work::Batch(Encoded::new(batch))).collect())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Replay {
    /// Opens or creates the file.
    ///
    /// # Errors
    /// As [`super::SqliteStore::open`].
    pub fn open(path: &Path, synchronous: Synchronous) -> Result<Self, StoreError> {
        let conn = connect::writer(path, synchronous)?;
        Ok(Self(Writer::new(conn, path.display().to_string().into(), Arc::new(Boots::beside(path)))))
    }

    /// Applies everything, `group` batches to a transaction, at least one.
    ///
    /// # Errors
    /// The first batch that is refused or fails.
    pub fn apply(&mut self, recorded: &Recorded, group: usize) -> Result<(), CommitError> {
        for group in recorded.0.chunks(group.max(1)) {
            for answer in self.0.transact(group.iter()).answers {
                answer?;
            }
        }
        Ok(())
    }
}

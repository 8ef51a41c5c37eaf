//! One start of one process: what leases point at.

use oneiric_core::{BootId, Timestamp};
use serde::{Deserialize, Serialize};

/// One start of one process that works on a store. Runs point at it as their owner, so that a long
/// run costs no write to stay owned, and its death frees everything that it owned at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BootRecord {
    /// Random at every start.
    pub id: BootId,
    /// The host, so that a second one on the same file is noticed.
    pub host: String,
    /// The process id, for people.
    pub pid: u32,
    /// When it started.
    pub started_at: Timestamp,
    /// The last sign of life.
    pub beat_at: Timestamp,
    /// When it left in an orderly way, or was found dead.
    pub ended_at: Option<Timestamp>,
}

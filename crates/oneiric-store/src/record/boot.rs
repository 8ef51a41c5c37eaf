//! One start of one process: what leases point at.

use std::time::Duration;

use oneiric_core::{BootId, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a lease is good for where nobody says otherwise. A process that is stopped, not dead, keeps its
/// file lock: this is how long its work may stand still. A quarter of it is the beat.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(10);

/// One start of one process that works on a store, and its lease. Runs point at it as their owner, so
/// that a long run costs no write to stay owned, and its death frees everything that it owned at once.
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
    /// Raised by every heartbeat. Others watch it change; what it is does not matter.
    pub beat: u64,
    /// The last sign of life, for people: no decision follows from a wall clock.
    pub beat_at: Timestamp,
    /// How long others wait for `beat` to change before they take over what it owns, in milliseconds.
    pub lease_ms: u64,
    /// Whether it takes over what others leave. One that carries out a single run does not.
    pub serves: bool,
    /// When it left in an orderly way, or was found dead.
    pub ended_at: Option<Timestamp>,
}

impl BootRecord {
    /// A start at `now` with the default lease, which serves nobody but itself.
    pub fn new(id: BootId, host: impl Into<String>, pid: u32, now: Timestamp) -> Self {
        Self {
            id,
            host: host.into(),
            pid,
            started_at: now,
            beat: 0,
            beat_at: now,
            lease_ms: u64::try_from(DEFAULT_LEASE.as_millis()).unwrap_or(u64::MAX),
            serves: false,
            ended_at: None,
        }
    }

    /// How long others wait for a beat.
    pub const fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }
}

/// A boot that has not ended, as somebody else sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct BootSeen {
    /// Its row.
    pub boot: BootRecord,
    /// How many runs and deliveries it owns.
    pub owns: u64,
    /// How many of these are deliveries.
    pub deliveries: u64,
    /// The system says that its process has ended: no lease has to be waited out.
    pub dead: bool,
}

/// A lease that somebody watched run out: the boot, and the beat that did not change meanwhile. A claim
/// takes over from it only where that is still its beat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Silent {
    /// The boot.
    pub boot: BootId,
    /// The beat at which it stopped.
    pub beat: u64,
}

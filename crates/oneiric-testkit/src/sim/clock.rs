//! The clock of one process: its own wall clock, which may be wrong and jump, and its own beginning of
//! monotonic time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use oneiric_core::clock::Sleep;
use oneiric_core::{Clock, Timestamp};

use super::fuse::Fuse;
use crate::time::ManualClock;

/// One process's view of the world's time.
#[derive(Debug, Clone)]
pub(super) struct OwnClock {
    world: ManualClock,
    began: Duration,
    // Wall time minus the world's time, in microseconds.
    wall: Arc<AtomicI64>,
    fuse: Arc<Fuse>,
}

impl OwnClock {
    /// A clock whose monotonic time begins now.
    pub(super) fn new(world: ManualClock, wall: Arc<AtomicI64>, fuse: Arc<Fuse>) -> Self {
        let began = world.monotonic();
        Self { world, began, wall, fuse }
    }
}

impl Clock for OwnClock {
    fn now(&self) -> Timestamp {
        let passed = i64::try_from(self.world.monotonic().as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(passed.saturating_add(self.wall.load(Ordering::Relaxed)))
    }

    fn monotonic(&self) -> Duration {
        self.world.monotonic().saturating_sub(self.began)
    }

    fn sleep(&self, delay: Duration) -> Sleep {
        self.fuse.touch();
        self.world.sleep(delay)
    }
}

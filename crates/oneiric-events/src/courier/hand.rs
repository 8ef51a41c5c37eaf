//! Room in the process for a delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::table::Live;

/// Room for one delivery of one handler, until it is dropped.
#[derive(Debug)]
pub(super) struct Hand {
    live: Arc<Live>,
    bell: Arc<Notify>,
    most: usize,
}

/// How many more there is room for.
pub(super) fn room(live: &Live, most: usize) -> usize {
    most.saturating_sub(live.in_hand.load(Ordering::Acquire))
}

impl Hand {
    /// Room, where there is some.
    pub(super) fn take(live: &Arc<Live>, bell: &Arc<Notify>, most: usize) -> Option<Self> {
        let more = |held: usize| (held < most).then_some(held + 1);
        live.in_hand.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(Self { live: Arc::clone(live), bell: Arc::clone(bell), most })
    }

    /// Room, whether or not there is some: for what is owned already.
    pub(super) fn over(live: &Arc<Live>, bell: &Arc<Notify>, most: usize) -> Self {
        live.in_hand.fetch_add(1, Ordering::AcqRel);
        Self { live: Arc::clone(live), bell: Arc::clone(bell), most }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        // Where it was full, something may wait in the store for this.
        let held: usize = AtomicUsize::fetch_sub(&self.live.in_hand, 1, Ordering::AcqRel);
        if held >= self.most {
            self.bell.notify_one();
        }
    }
}

//! What this process has in hand, and the room for it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oneiric_core::roles::EventId;
use oneiric_store::DeliveryRecord;
use tokio::sync::Notify;

use crate::table::Live;

/// All that this process has in hand.
#[derive(Debug)]
pub(super) struct Hands {
    /// Rung where there may be something to take.
    pub(super) bell: Notify,
    /// The most for one handler.
    most: usize,
    held: Mutex<HashSet<Held>>,
}

/// A delivery in hand: its event, its handler, and its fence. The fence belongs to it, because a process that lost
/// a delivery with its lease may have it in hand again while its old handler is still at work.
type Held = (EventId, Arc<str>, u64);

/// Room for one delivery of one handler, until it is dropped. It is there before the store says that the delivery
/// is this process's, so that whatever the store says so of and is not in hand has been lost on the way.
#[derive(Debug)]
pub(super) struct Hand {
    live: Arc<Live>,
    hands: Arc<Hands>,
    held: Held,
}

impl Hands {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { bell: Notify::new(), most, held: Mutex::default() })
    }

    /// How many more there is room for.
    pub(super) fn room(&self, live: &Live) -> usize {
        self.most.saturating_sub(live.in_hand.load(Ordering::Acquire))
    }

    /// Whether a delivery that this process owns is in hand.
    pub(super) fn holds(&self, record: &DeliveryRecord) -> bool {
        self.held().contains(&(record.event.clone(), record.handler.as_str().into(), record.state.epoch))
    }

    /// Room for one that is about to be accepted, where there is some.
    pub(super) fn take(self: &Arc<Self>, live: &Arc<Live>, event: &EventId) -> Option<Hand> {
        let more = |held: usize| (held < self.most).then_some(held + 1);
        live.in_hand.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).ok()?;
        Some(self.hold(live, event, 0))
    }

    /// Room, whether or not there is some: for what is owned already, or will be.
    pub(super) fn take_over(self: &Arc<Self>, live: &Arc<Live>, event: &EventId, epoch: u64) -> Hand {
        live.in_hand.fetch_add(1, Ordering::AcqRel);
        self.hold(live, event, epoch)
    }

    fn hold(self: &Arc<Self>, live: &Arc<Live>, event: &EventId, epoch: u64) -> Hand {
        let held = (event.clone(), Arc::clone(&live.subscription.name), epoch);
        self.held().insert(held.clone());
        Hand { live: Arc::clone(live), hands: Arc::clone(self), held }
    }

    // Nothing under the lock can panic half way.
    fn held(&self) -> MutexGuard<'_, HashSet<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.hands.held().remove(&self.held);
        // Where it was full, something may wait in the store for this.
        let held: usize = AtomicUsize::fetch_sub(&self.live.in_hand, 1, Ordering::AcqRel);
        if held >= self.hands.most {
            self.hands.bell.notify_one();
        }
    }
}

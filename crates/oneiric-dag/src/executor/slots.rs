//! The process's slots: how many nodes may be under way, over all runs.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::run::Run;

/// A pool of slots. Runs take what they can use without waiting; one that finds too few leaves its
/// name and is handed the next ones that come back.
#[derive(Debug)]
pub(super) struct Slots {
    free: AtomicU32,
    // The length of the queue, readable without its lock.
    waiting: AtomicU32,
    queue: Mutex<VecDeque<Weak<Run>>>,
}

impl Slots {
    pub(super) fn new(count: u32) -> Self {
        Self { free: AtomicU32::new(count.max(1)), waiting: AtomicU32::new(0), queue: Mutex::default() }
    }

    /// Takes up to `wanted`.
    pub(super) fn take(&self, wanted: u32) -> u32 {
        if wanted == 0 {
            return 0;
        }
        let mut taken = 0;
        // The closure always returns `Some`: the update cannot fail.
        let _ = self.free.fetch_update(Ordering::AcqRel, Ordering::Acquire, |free| {
            taken = free.min(wanted);
            Some(free - taken)
        });
        taken
    }

    /// How many runs wait for a slot.
    pub(super) fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::Acquire)
    }

    /// Leaves a run's name; it is granted slots as they come back, one at a time.
    pub(super) fn wait(&self, run: &Arc<Run>) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.push_back(Arc::downgrade(run));
        self.waiting.store(queue.len() as u32, Ordering::Release);
        drop(queue);
        // Slots may have come back between the failed take and now.
        self.hand_out();
    }

    /// Gives slots back.
    pub(super) fn give(&self, count: u32) {
        if count == 0 {
            return;
        }
        self.free.fetch_add(count, Ordering::AcqRel);
        if self.waiting() > 0 {
            self.hand_out();
        }
    }

    fn hand_out(&self) {
        loop {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            if queue.is_empty() || self.take(1) == 0 {
                return;
            }
            let next = queue.pop_front();
            self.waiting.store(queue.len() as u32, Ordering::Release);
            drop(queue);
            match next.and_then(|run| run.upgrade()) {
                Some(run) => run.granted(1),
                None => {
                    self.free.fetch_add(1, Ordering::AcqRel);
                }
            }
        }
    }
}

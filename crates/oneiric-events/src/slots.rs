//! How many calls of a handler may be under way: a count that waits only where it has to.
//!
//! tokio's semaphore takes a lock for every return; this one is a number for as long as nobody waits.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// So many calls at a time. Who has to wait gets a slot in the order of coming.
#[derive(Debug)]
pub(crate) struct Slots {
    most: usize,
    taken: AtomicUsize,
    waiting: AtomicUsize,
    freed: Notify,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Slot<'a>(&'a Slots);

impl Slots {
    /// So many, at least one.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            taken: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            freed: Notify::new(),
        }
    }

    /// One, where one is free and nobody waits for it.
    pub(crate) fn try_take(&self) -> Option<Slot<'_>> {
        if self.waiting.load(Ordering::SeqCst) > 0 { None } else { self.grab() }
    }

    fn grab(&self) -> Option<Slot<'_>> {
        let more = |taken: usize| (taken < self.most).then_some(taken + 1);
        let grabbed = self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        grabbed.ok().map(|_| Slot(self))
    }

    /// One, as soon as it is this caller's turn.
    pub(crate) async fn take(&self) -> Slot<'_> {
        if let Some(slot) = self.try_take() {
            return slot;
        }
        let _waits = Waits::begin(&self.waiting);
        loop {
            let mut freed = pin!(self.freed.notified());
            // From here on no slot is freed unheard, and one that was freed before is seen below.
            freed.as_mut().enable();
            if let Some(slot) = self.grab() {
                return slot;
            }
            freed.await;
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
        // Who begins to wait after this look grabs what has just become free.
        if self.0.waiting.load(Ordering::SeqCst) > 0 {
            self.0.freed.notify_one();
        }
    }
}

/// Somebody waits, until this is dropped.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn who_waits_comes_before_who_comes_later() {
        let slots = Slots::new(1);
        let first = slots.try_take().unwrap();
        let mut second = pin!(slots.take());
        assert!(futures_util::poll!(second.as_mut()).is_pending());
        drop(first);
        assert!(slots.try_take().is_none(), "it is the second one's turn");
        drop(second.await);
        assert!(slots.try_take().is_some());
    }

    #[tokio::test]
    async fn who_gives_up_waiting_keeps_nobody() {
        let slots = Slots::new(1);
        let first = slots.try_take().unwrap();
        let mut given_up = Box::pin(slots.take());
        let mut next = pin!(slots.take());
        assert!(futures_util::poll!(given_up.as_mut()).is_pending());
        assert!(futures_util::poll!(next.as_mut()).is_pending());
        drop(first);
        // It was told of the free slot and does not take it: the next one is told.
        drop(given_up);
        assert!(futures_util::poll!(next).is_ready());
        assert!(slots.try_take().is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn never_more_than_so_many_and_nobody_is_forgotten() {
        let (slots, at_once, most) =
            (Arc::new(Slots::new(3)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let workers: Vec<_> = (0..32)
            .map(|n| {
                let (slots, at_once, most) = (Arc::clone(&slots), Arc::clone(&at_once), Arc::clone(&most));
                tokio::spawn(async move {
                    for turn in 0..500 {
                        if (n + turn) % 7 == 0 {
                            // Gives up half way.
                            let _ = futures_util::poll!(pin!(slots.take()));
                            continue;
                        }
                        let _slot = slots.take().await;
                        let now = at_once.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        if turn % 3 == 0 {
                            tokio::task::yield_now().await;
                        }
                        at_once.fetch_sub(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await.unwrap();
        }
        assert!(most.load(Ordering::SeqCst) <= 3);
        assert_eq!(slots.taken.load(Ordering::SeqCst), 0);
    }
}

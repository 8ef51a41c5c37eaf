//! Virtual time: a clock that stands still while anything can run, and jumps when nothing can.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use oneiric_core::clock::Sleep;
use oneiric_core::{Clock, Timestamp};

/// A clock that only moves when it is told to. A clone is the same clock.
///
/// Exact to the nanosecond, unlike a timer wheel. Waits that end at the same instant end in the
/// order in which they were first polled.
#[derive(Debug, Clone, Default)]
pub struct ManualClock(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    now: Duration,
    // Wall time minus monotonic time, in microseconds: tests may set the wall clock back.
    wall_offset: i64,
    next: u64,
    queue: BinaryHeap<Reverse<(Duration, u64)>>,
    wakers: HashMap<u64, Waker>,
}

impl ManualClock {
    /// A clock at zero.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves to the end of the next wait and ends every wait that is due. `false` where nothing waits.
    pub fn advance_to_next(&self) -> bool {
        let next = self.next_wait();
        next.into_iter().for_each(|next| self.advance_to(next));
        next.is_some()
    }

    /// When the next wait ends, on the monotonic clock; `None` where nothing waits.
    pub fn next_wait(&self) -> Option<Duration> {
        let mut inner = self.lock();
        loop {
            match inner.queue.peek().copied()? {
                // Its future was dropped.
                Reverse((_, id)) if !inner.wakers.contains_key(&id) => {
                    inner.queue.pop();
                }
                Reverse((at, _)) => return Some(at),
            }
        }
    }

    /// Moves by `delay` and ends every wait that is due.
    pub fn advance(&self, delay: Duration) {
        let at = self.lock().now + delay;
        self.advance_to(at);
    }

    /// Moves to a time on the monotonic clock and ends every wait that is due; a time that has passed
    /// moves nothing.
    pub fn advance_to(&self, at: Duration) {
        let mut due = Vec::new();
        {
            let mut inner = self.lock();
            inner.now = inner.now.max(at);
            while let Some(Reverse((when, id))) = inner.queue.peek().copied() {
                if when > inner.now {
                    break;
                }
                inner.queue.pop();
                due.extend(inner.wakers.remove(&id));
            }
        }
        due.into_iter().for_each(Waker::wake);
    }

    /// Sets the wall clock forward (or back, where negative) without touching monotonic time.
    pub fn set_wall(&self, micros: i64) {
        self.lock().wall_offset += micros;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        let inner = self.lock();
        Timestamp::from_micros(inner.wall_offset + i64::try_from(inner.now.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.lock().now
    }

    fn sleep(&self, delay: Duration) -> Sleep {
        Box::pin(Wait { clock: self.clone(), at: self.lock().now + delay, id: None })
    }
}

#[derive(Debug)]
struct Wait {
    clock: ManualClock,
    at: Duration,
    id: Option<u64>,
}

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut inner = clock.lock();
        if inner.now >= self.at {
            return Poll::Ready(());
        }
        let id = match self.id {
            Some(id) => id,
            None => {
                inner.next += 1;
                let id = inner.next;
                inner.queue.push(Reverse((self.at, id)));
                self.id = Some(id);
                id
            }
        };
        inner.wakers.insert(id, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.clock.lock().wakers.remove(&id);
        }
    }
}

/// Runs a future on a single thread in virtual time: whenever nothing can run, the clock jumps to the
/// end of the next wait. A future that waits for something else than the clock waits for ever.
///
/// # Panics
/// Where the runtime cannot be built.
pub fn virtual_time<F: Future>(clock: &ManualClock, future: F) -> F::Output {
    let idle = clock.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .on_thread_park(move || {
            idle.advance_to_next();
        })
        .build()
        .expect("a runtime without I/O and time driver needs nothing that could be missing");
    runtime.block_on(future)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_jumps_only_when_nothing_can_run() {
        let clock = ManualClock::new();
        let took = virtual_time(&clock, async {
            let (a, b) = (clock.sleep(Duration::from_secs(3600)), clock.sleep(Duration::from_nanos(7)));
            let early = clock.clone();
            let b = tokio::spawn(async move {
                b.await;
                early.monotonic()
            });
            a.await;
            (b.await.unwrap(), clock.monotonic())
        });
        assert_eq!(took, (Duration::from_nanos(7), Duration::from_secs(3600)));
    }

    #[test]
    fn a_dropped_wait_does_not_hold_time_back() {
        let clock = ManualClock::new();
        virtual_time(&clock, async {
            let long = clock.sleep(Duration::from_secs(10));
            let short = clock.sleep(Duration::from_secs(1));
            tokio::select! { () = long => unreachable!(), () = short => {} }
            clock.sleep(Duration::from_secs(1)).await;
        });
        assert_eq!(clock.monotonic(), Duration::from_secs(2));
        assert!(!clock.advance_to_next());
    }
}

//! What waits in memory for a subscription, within its bound.
//!
//! Urgent events go first, equal ones in the order in which they came. Each event is taken out once, by whoever
//! is first: a worker of the subscription's handler, or somebody who pulls. Every event that is dropped for
//! want of room is counted here, where it is dropped.

use std::collections::VecDeque;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oneiric_core::manifest::Overflow;
use oneiric_core::roles::{Envelope, Priority};
use tokio::sync::{Notify, Semaphore};

use crate::stats::Stats;
use crate::table::Table;

/// One thing to do for a subscription.
#[derive(Debug)]
pub(crate) enum Job {
    /// An event for it alone.
    One(Arc<Envelope>),
    /// An event for a chain of subscriptions that it is the first of.
    Chain(Box<Chain>),
}

/// An event for several subscriptions, one after the other.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) table: Arc<Table>,
    pub(crate) places: Vec<u32>,
    pub(crate) until_success: bool,
    pub(crate) envelope: Arc<Envelope>,
}

impl Job {
    pub(crate) fn envelope(&self) -> &Arc<Envelope> {
        match self {
            Job::One(envelope) => envelope,
            Job::Chain(chain) => &chain.envelope,
        }
    }
}

/// What waits in memory for a subscription.
pub(crate) struct Buffer {
    overflow: Overflow,
    queue: Mutex<Queue>,
    /// As many as there is room for. Changed under the lock, but for those who wait: they have their room before
    /// they fill it.
    room: Semaphore,
    /// Rung for those who pull.
    arrived: Notify,
    /// Written under the lock.
    paused: AtomicBool,
    resumed: Notify,
    stats: Arc<Stats>,
}

#[derive(Default)]
struct Queue {
    /// A line for each priority, the lowest first.
    lines: [VecDeque<Job>; Priority::ALL.len()],
    len: usize,
    /// Tasks that take out of it.
    workers: u32,
    /// Those of them that have not begun.
    starting: u32,
    /// Nobody will take out what comes now.
    closed: bool,
}

/// What became of a job.
#[derive(Debug)]
pub(crate) enum Offered<'b> {
    /// It is in the buffer, whatever had to leave for it.
    Taken,
    /// It has to wait for room.
    Wait(Entering<'b>),
    /// There was no room: it was dropped.
    Full,
    /// Nobody would take it out any more: it was dropped.
    Gone,
}

/// A job that waits for room. Dropping it drops the job, which is counted.
#[derive(Debug)]
pub(crate) struct Entering<'b> {
    buffer: &'b Buffer,
    job: Option<Job>,
}

impl Buffer {
    /// One for at most `most` jobs. What is dropped is counted in `stats`.
    pub(crate) fn new(most: usize, overflow: Overflow, stats: Arc<Stats>) -> Self {
        Self {
            overflow,
            queue: Mutex::default(),
            room: Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)),
            arrived: Notify::new(),
            paused: AtomicBool::new(false),
            resumed: Notify::new(),
            stats,
        }
    }

    // Nothing under the lock can panic half way.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a job, or does with it as the policy says.
    pub(crate) fn offer(&self, job: Job) -> Offered<'_> {
        let mut queue = self.queue();
        if queue.closed {
            return Offered::Gone;
        }
        if let Ok(room) = self.room.try_acquire() {
            room.forget();
            queue.push(job);
            drop(queue);
            self.arrived.notify_one();
            return Offered::Taken;
        }
        match self.overflow {
            Overflow::Block => {
                drop(queue);
                Offered::Wait(Entering { buffer: self, job: Some(job) })
            }
            Overflow::DropOldest => {
                self.count_overflow();
                let oldest = queue.make_room(job.envelope().priority);
                let taken = oldest.is_some();
                if taken {
                    queue.push(job);
                }
                drop(queue);
                // What was dropped ends outside of the lock: it may be large.
                drop(oldest);
                if taken { Offered::Taken } else { Offered::Full }
            }
            Overflow::DropNewest | Overflow::Reject => {
                drop(queue);
                self.count_overflow();
                Offered::Full
            }
        }
    }

    /// The next job.
    pub(crate) fn take(&self) -> Option<Job> {
        let mut queue = self.queue();
        let job = queue.pop()?;
        self.room.add_permits(1);
        let more = queue.len > 0;
        drop(queue);
        if more {
            // Bells that ring while nobody listens are one.
            self.arrived.notify_one();
        }
        Some(job)
    }

    /// A worker has begun, or ends without having done so.
    pub(crate) fn begun(&self) {
        self.queue().starting -= 1;
    }

    /// The next job for a worker; without one, it is not counted any more.
    pub(crate) fn take_or_leave(&self) -> Option<Job> {
        let mut queue = self.queue();
        let job = if self.is_paused() { None } else { queue.pop() };
        match &job {
            Some(_) => self.room.add_permits(1),
            None => queue.workers -= 1,
        }
        job
    }

    /// How many more workers are to start: one for each job that none is on its way to, up to `most` workers. They
    /// are counted then.
    pub(crate) fn hire(&self, most: u32) -> u32 {
        let mut queue = self.queue();
        if self.is_paused() {
            return 0;
        }
        let wanted = u32::try_from(queue.len).unwrap_or(u32::MAX).saturating_sub(queue.starting);
        let more = most.saturating_sub(queue.workers).min(wanted);
        queue.workers += more;
        queue.starting += more;
        more
    }

    /// A worker ended before it had left.
    pub(crate) fn lose_worker(&self) {
        self.queue().workers -= 1;
    }

    /// Waits until something may be there, or nothing comes any more.
    pub(crate) async fn arrival(&self) {
        self.arrived.notified().await;
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.queue().len
    }

    /// Whether nobody will take out what comes now.
    pub(crate) fn is_closed(&self) -> bool {
        self.queue().closed
    }

    /// Nothing is taken any more; what is there can be taken out.
    pub(crate) fn close(&self) {
        self.queue().closed = true;
        self.wake_pullers();
    }

    /// Wakes one, who wakes the next.
    pub(crate) fn wake_pullers(&self) {
        self.arrived.notify_one();
    }

    /// Drops what waits. How many there were.
    pub(crate) fn clear(&self) -> usize {
        let mut queue = self.queue();
        let (lines, len) = (std::mem::take(&mut queue.lines), std::mem::take(&mut queue.len));
        self.room.add_permits(len);
        drop(queue);
        drop(lines);
        len
    }

    fn count_overflow(&self) {
        Stats::count(&self.stats.overflowed);
    }

    /// Whether its handler is kept from it.
    pub(crate) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Acquire)
    }

    /// Keeps its handler from it, or does so no more.
    pub(crate) fn pause(&self, paused: bool) {
        let queue = self.queue();
        self.paused.store(paused, Ordering::Release);
        drop(queue);
        if !paused {
            self.resumed.notify_waiters();
        }
    }

    /// Waits until it is not paused.
    pub(crate) async fn resumed(&self) {
        while self.is_paused() {
            let mut resumed = pin!(self.resumed.notified());
            // Listens before it looks, so that no word is missed in between.
            resumed.as_mut().enable();
            if self.is_paused() {
                resumed.await;
            }
        }
    }
}

impl Queue {
    fn push(&mut self, job: Job) {
        self.lines[job.envelope().priority as usize].push_back(job);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<Job> {
        let job = self.lines.iter_mut().rev().find_map(VecDeque::pop_front)?;
        self.len -= 1;
        Some(job)
    }

    /// Takes out the oldest of the least urgent ones, unless all are more urgent than what wants in.
    fn make_room(&mut self, priority: Priority) -> Option<Job> {
        let least = self.lines.iter().position(|line| !line.is_empty())?;
        let job = (least <= priority as usize).then(|| self.lines[least].pop_front()).flatten()?;
        self.len -= 1;
        Some(job)
    }
}

impl Entering<'_> {
    /// Waits for room, first come first served. Whether the job is in the buffer: not where nobody would take it
    /// out any more.
    pub(crate) async fn enter(mut self) -> bool {
        // There is always one who may still come: it is never closed.
        let Ok(room) = self.buffer.room.acquire().await else { return false };
        let mut queue = self.buffer.queue();
        let Some(job) = self.job.take_if(|_| !queue.closed) else { return false };
        room.forget();
        queue.push(job);
        drop(queue);
        self.buffer.wake_pullers();
        true
    }
}

impl Drop for Entering<'_> {
    fn drop(&mut self) {
        if self.job.is_some() {
            self.buffer.count_overflow();
        }
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len()).field("overflow", &self.overflow).finish()
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::roles::Envelope;

    use super::*;

    fn job(number: i64, priority: Priority) -> Job {
        let envelope =
            Envelope { priority, ..Envelope::new("t".parse().unwrap(), serde_json::json!(number)) };
        Job::One(Arc::new(envelope))
    }

    fn numbers(buffer: &Buffer) -> Vec<i64> {
        let number = |job: Job| job.envelope().payload.value().as_i64().unwrap();
        std::iter::from_fn(|| buffer.take()).map(number).collect()
    }

    /// Offers events, each a number and a priority, to a buffer for three; what is in it then, and how many
    /// were dropped.
    fn check(overflow: Overflow, offered: &[(i64, Priority)], expected: &[i64], overflowed: u64) {
        let buffer = Buffer::new(3, overflow, Arc::default());
        for (number, priority) in offered {
            drop(buffer.offer(job(*number, *priority)));
            assert!(buffer.len() <= 3);
        }
        assert_eq!(
            (numbers(&buffer), buffer.stats.read().overflowed),
            (expected.to_vec(), overflowed),
            "{overflow:?}"
        );
        assert_eq!(buffer.room.available_permits(), 3);
    }

    #[test]
    fn what_stays_in_a_full_buffer_is_what_its_policy_says() {
        use Priority::{Critical, High, Low, Normal};
        let five = [1, 2, 3, 4, 5].map(|number| (number, Normal));
        check(Overflow::DropOldest, &five, &[3, 4, 5], 2);
        check(Overflow::DropNewest, &five, &[1, 2, 3], 2);
        check(Overflow::Reject, &five, &[1, 2, 3], 2);
        // Who does not wait for room has none.
        check(Overflow::Block, &five, &[1, 2, 3], 2);
        // The oldest of the least urgent ones goes, and that may be the one that comes.
        let mixed = [(1, High), (2, Low), (3, Normal), (4, Low), (5, Critical), (6, Low), (7, High)];
        check(Overflow::DropOldest, &mixed, &[5, 1, 7], 4);
    }

    #[tokio::test]
    async fn who_waits_for_room_gets_it_in_turn() {
        let buffer = Buffer::new(1, Overflow::Block, Arc::default());
        assert!(matches!(buffer.offer(job(1, Priority::Normal)), Offered::Taken));
        let waiting = [2, 3].map(|number| match buffer.offer(job(number, Priority::Normal)) {
            Offered::Wait(entering) => entering.enter(),
            other => panic!("{other:?}"),
        });
        let took = async {
            let mut took = Vec::new();
            while took.len() < 3 {
                buffer.arrival().await;
                took.extend(numbers(&buffer));
            }
            took
        };
        let [second, third] = waiting;
        let (_, _, took) = tokio::join!(second, third, took);
        assert_eq!((took, buffer.stats.read().overflowed), (vec![1, 2, 3], 0));
    }

    #[test]
    fn workers_start_while_there_is_something_to_do_and_leave_when_there_is_nothing() {
        let buffer = Buffer::new(8, Overflow::Block, Arc::default());
        assert_eq!(buffer.hire(2), 0, "there is nothing to do");
        (1..=3).for_each(|number| drop(buffer.offer(job(number, Priority::Normal))));
        assert_eq!([buffer.hire(1), buffer.hire(2), buffer.hire(2)], [1, 1, 0]);
        buffer.begun();
        buffer.begun();
        assert!(buffer.take_or_leave().is_some());
        buffer.pause(true);
        assert!(buffer.take_or_leave().is_none(), "a paused one lets its workers go");
        assert_eq!(buffer.hire(2), 0);
        buffer.pause(false);
        assert_eq!(buffer.hire(2), 1);
    }
}

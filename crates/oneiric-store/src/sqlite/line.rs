//! The line in front of the writer: group commit.
//!
//! [`Line::submit`] only puts work in line. Whoever finds the writer free takes it, commits what is in
//! line as one transaction, answers everybody and puts the writer back. That is
//!
//! - a caller that polls its [`Ticket`] on a multi-threaded runtime while there is no crowd: one
//!   caller after the other commits without a change of threads; or
//! - the thread, whenever it was asked: by a caller that may not block, by a dropped ticket, by a
//!   leader that leaves work behind, in a crowd, where gathering pays more than a change of threads;
//!   and unasked for work that nobody polls.
//!
//! What keeps work from being forgotten: `rung` is set under the lock by everybody who sees work in
//! line and does not lead, and the thread does not sleep while it is set, or while it may have missed
//! work that came without ringing (see [`State::lately`]).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};

use super::ticket::{Reply, Ticket};
use super::writer::{Work, Writer};
use crate::error::StoreError;

/// The most pieces of work in a transaction: beyond it the fsync is paid for, and others wait longer.
const GROUP_MAX: usize = 1024;

/// The most bytes in a transaction, unless one piece alone is larger; bounds the WAL and the wait.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// From this many pieces in one transaction on, callers leave leading to the thread.
const CROWD: usize = 4;

/// How long the thread waits in a crowd for those whom it has just answered to come back.
const GATHER: Duration = Duration::from_micros(200);

/// How long work may lie in line that nobody polls.
const UNPOLLED: Duration = Duration::from_millis(20);

/// How often work was done, for tests and measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Transactions, those included in which everything was refused.
    pub transactions: u64,
    /// Batches, claims and boots in them.
    pub batches: u64,
}

#[derive(Debug)]
struct Job {
    work: Work,
    reply: Reply,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<Job>,
    /// Here while nobody leads.
    writer: Option<Writer>,
    /// The thread is asked to lead.
    rung: bool,
    /// The thread waits without a limit and must be woken.
    asleep: bool,
    /// Work came since the thread last looked: it looks again after [`UNPOLLED`].
    lately: bool,
    /// How many the last transaction gathered.
    crowd: usize,
    /// The thread waits for that many to be in line.
    awaited: usize,
    closing: bool,
    broken: Option<StoreError>,
}

/// The line. Shared by the store, its tickets and the thread.
#[derive(Debug)]
pub(super) struct Line {
    state: Mutex<State>,
    bell: Condvar,
    transactions: AtomicU64,
    batches: AtomicU64,
}

impl Line {
    pub(super) fn new(writer: Writer) -> Self {
        Self {
            state: Mutex::new(State {
                queue: VecDeque::new(),
                writer: Some(writer),
                rung: false,
                asleep: false,
                lately: false,
                crowd: 0,
                awaited: usize::MAX,
                closing: false,
                broken: None,
            }),
            bell: Condvar::new(),
            transactions: AtomicU64::new(0),
            batches: AtomicU64::new(0),
        }
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            transactions: self.transactions.load(Ordering::Relaxed),
            batches: self.batches.load(Ordering::Relaxed),
        }
    }

    // Nothing under this lock can panic half way: it moves whole jobs.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts work in line.
    ///
    /// # Errors
    /// [`StoreError::Closed`], or why the store is broken.
    pub(super) fn submit(self: &Arc<Self>, work: Work) -> Result<Ticket, StoreError> {
        let (reply, ticket) = Ticket::new(Arc::clone(self));
        let mut state = self.lock();
        if state.closing {
            return Err(StoreError::Closed);
        }
        if let Some(broken) = &state.broken {
            return Err(broken.clone());
        }
        state.queue.push_back(Job { work, reply });
        let first = !std::mem::replace(&mut state.lately, true);
        let wake = (first && state.asleep) || state.queue.len() == state.awaited;
        drop(state);
        if wake {
            self.bell.notify_one();
        }
        Ok(ticket)
    }

    /// Asks the thread to see to what is in line.
    pub(super) fn ring(&self) {
        let mut state = self.lock();
        if !state.queue.is_empty() && !std::mem::replace(&mut state.rung, true) {
            drop(state);
            self.bell.notify_one();
        }
    }

    /// Commits what is in line, if the writer is free and no crowd waits; otherwise sees to it that
    /// somebody does.
    pub(super) fn lead_or_ring(&self) {
        let state = self.lock();
        // Who leads now rings when it leaves work behind.
        if state.queue.is_empty() || state.writer.is_none() {
            return;
        }
        let crowd = state.crowd >= CROWD;
        drop(state);
        if crowd || !may_block() {
            self.ring();
        } else {
            tokio::task::block_in_place(|| drop(self.lead(self.lock())));
        }
    }

    /// One transaction over what is in line, where the writer is free.
    fn lead<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.queue.is_empty() {
            return state;
        }
        let Some(writer) = state.writer.take() else { return state };
        let group = take_group(&mut state.queue);
        state.crowd = group.len();
        drop(state);

        let mut lead = Lead { line: self, writer: Some(writer), broken: Some(panicked()) };
        let outcome = match &mut lead.writer {
            Some(writer) => writer.transact(group.iter().map(|job| &job.work)),
            None => return self.lock(),
        };
        lead.broken = outcome.broken;
        self.transactions.fetch_add(1, Ordering::Relaxed);
        self.batches.fetch_add(group.len() as u64, Ordering::Relaxed);
        drop(lead);
        // Answers wake tasks, which may be run or dropped on this very thread: never under the lock.
        for (job, answer) in group.into_iter().zip(outcome.answers) {
            job.reply.send(answer);
        }
        self.lock()
    }

    /// The committer of last resort: runs until the line is closed and empty.
    pub(super) fn serve(&self) {
        let mut state = self.lock();
        loop {
            if state.writer.is_some() && !state.queue.is_empty() && (state.rung || state.closing) {
                state = self.gather(state);
                state = self.lead(state);
            } else if state.closing && state.queue.is_empty() && state.writer.is_some() {
                let writer = state.writer.take();
                drop(state);
                if let Some(writer) = writer {
                    writer.close();
                }
                return;
            } else if std::mem::take(&mut state.lately) || !state.queue.is_empty() {
                let (after, waited) =
                    self.bell.wait_timeout(state, UNPOLLED).unwrap_or_else(PoisonError::into_inner);
                state = after;
                state.rung |= waited.timed_out() && !state.queue.is_empty();
            } else {
                state.asleep = true;
                state = self.bell.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.asleep = false;
            }
        }
    }

    /// In a crowd, waits a moment for as many as came the last time.
    fn gather<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let wanted = state.crowd.min(GROUP_MAX);
        if wanted < CROWD || state.closing {
            return state;
        }
        state.awaited = wanted;
        let waited =
            self.bell.wait_timeout_while(state, GATHER, |state| state.queue.len() < wanted && !state.closing);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.awaited = usize::MAX;
        state
    }

    /// Takes no more work; what is in line is still done.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.bell.notify_one();
    }
}

/// Has the writer, and puts it back whatever happens.
#[derive(Debug)]
struct Lead<'a> {
    line: &'a Line,
    writer: Option<Writer>,
    broken: Option<StoreError>,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        let mut state = self.line.lock();
        state.writer = self.writer.take();
        let broken = self.broken.take();
        let mut orphans = VecDeque::new();
        if broken.is_some() {
            orphans = std::mem::take(&mut state.queue);
            state.broken.clone_from(&broken);
        }
        state.rung = !state.queue.is_empty();
        let wake = state.rung || state.closing;
        drop(state);
        if wake {
            self.line.bell.notify_one();
        }
        for (job, error) in orphans.into_iter().zip(std::iter::repeat_with(|| broken.clone())) {
            job.reply.send(Err(error.unwrap_or_else(panicked).into()));
        }
    }
}

fn panicked() -> StoreError {
    StoreError::Io("the writer panicked; reopen the store".to_owned())
}

/// The front of the line, as much as a transaction takes.
fn take_group(queue: &mut VecDeque<Job>) -> Vec<Job> {
    let mut bytes = 0;
    let fits = queue
        .iter()
        .take(GROUP_MAX)
        .take_while(|job| {
            bytes += job.work.bytes();
            bytes <= GROUP_BYTES
        })
        .count();
    queue.drain(..fits.max(1)).collect()
}

/// Whether this thread may wait for a disk: inside of a runtime that moves its other tasks elsewhere.
fn may_block() -> bool {
    Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::commit::CommitError;
    use crate::sqlite::boots::Boots;
    use crate::sqlite::connect;
    use crate::sqlite::encode::Encoded;
    use crate::sqlite::options::Synchronous;

    #[tokio::test]
    async fn a_broken_line_answers_everybody_and_takes_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("oneiric.db");
        let mut conn = connect::writer(&path, Synchronous::Full).unwrap();
        conn.commit_hook(Some(|| true)).unwrap();
        let line = Arc::new(Line::new(Writer::new(conn, "here".into(), Arc::new(Boots::beside(&path)))));
        let work = || {
            let blob = crate::Blob::new(vec![1]);
            Work::Batch(Encoded::new(Batch::of([crate::Op::Blob(blob)])))
        };
        let tickets: Vec<Ticket> = (0..GROUP_MAX + 10).map(|_| line.submit(work()).unwrap()).collect();
        let thread = std::thread::spawn({
            let line = Arc::clone(&line);
            move || line.serve()
        });
        for ticket in tickets {
            let answer = ticket.await;
            assert!(matches!(answer, Err(CommitError::Store(StoreError::Io(_)))), "{answer:?}");
        }
        assert!(matches!(line.submit(work()), Err(StoreError::Io(_))));
        line.close();
        thread.join().unwrap();
    }
}

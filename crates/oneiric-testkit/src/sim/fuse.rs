//! Where a process is interrupted: at the n-th time that it touches the world outside of its own memory.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The most touches between two instants. A thousand nodes make some thousand; more is a loop.
const MOST: u64 = 200_000;

/// What happens to a process in the middle of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interruption {
    Crash,
    Freeze,
}

/// Why a process stopped running for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Nothing is left to run at this instant.
    Idle,
    Interrupted(Interruption),
    /// It touches the world again and again, and time does not go on.
    Loops,
}

/// Counts what a process does to the world. From a crash on, nothing of it is let through.
#[derive(Debug, Default)]
pub(super) struct Fuse(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    armed: Option<(u64, Interruption)>,
    touches: u64,
    stopped: Option<Stopped>,
    dead: bool,
    waker: Option<Waker>,
}

impl Fuse {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Interrupts at the touch number `after`, from 1, counted from now; an interruption that is coming
    /// already comes first.
    pub(super) fn arm(&self, after: u64, interruption: Interruption) {
        self.lock().armed.get_or_insert((after, interruption));
    }

    pub(super) fn disarm(&self) {
        self.lock().armed = None;
    }

    /// The process touches the world. Returns whether it lives to do so.
    pub(super) fn touch(&self) -> bool {
        let mut inner = self.lock();
        inner.touches += 1;
        if inner.touches > MOST {
            inner.stop(Stopped::Loops);
        }
        if let Some((left, interruption)) = &mut inner.armed {
            *left = left.saturating_sub(1);
            if *left == 0 {
                let interruption = *interruption;
                inner.armed = None;
                inner.dead |= interruption == Interruption::Crash;
                inner.stop(Stopped::Interrupted(interruption));
            }
        }
        !inner.dead
    }

    /// Whether what it does reaches the world.
    pub(super) fn is_alive(&self) -> bool {
        !self.lock().dead
    }

    pub(super) fn kill(&self) {
        self.lock().dead = true;
    }

    /// Nothing can run at this instant any more.
    pub(super) fn park(&self) {
        self.lock().stop(Stopped::Idle);
    }

    /// Waits until the process has to stop. Begins anew with each instant.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Stopped> {
        let mut inner = self.lock();
        match inner.stopped.take() {
            Some(stopped) => {
                inner.touches = 0;
                Poll::Ready(stopped)
            }
            None => {
                inner.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Inner {
    /// An interruption is not forgotten because nothing is left to run after it.
    fn stop(&mut self, stopped: Stopped) {
        if self.stopped.is_none() || self.stopped == Some(Stopped::Idle) {
            self.stopped = Some(stopped);
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

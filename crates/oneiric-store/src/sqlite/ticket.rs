//! The two ends of an answer: the job keeps the [`Reply`], the caller polls the [`Ticket`].

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::line::Line;
use super::writer::Answer;
use crate::commit::CommitError;
use crate::error::StoreError;

type Outcome = Result<Answer, CommitError>;

#[derive(Debug, Default)]
struct Slot(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    Unpolled,
    Waiting(Waker),
    Answered(Outcome),
    Taken,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Outcome> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Taken) {
            State::Answered(outcome) => Some(outcome),
            other => {
                *state = other;
                None
            }
        }
    }

    /// The answer, or a waker for it: decided under one lock, so that neither misses the other.
    fn poll(&self, cx: &Context<'_>) -> Poll<Outcome> {
        let mut state = self.lock();
        match std::mem::take(&mut *state) {
            State::Answered(outcome) => {
                *state = State::Taken;
                Poll::Ready(outcome)
            }
            State::Waiting(waker) if waker.will_wake(cx.waker()) => {
                *state = State::Waiting(waker);
                Poll::Pending
            }
            State::Unpolled | State::Waiting(_) => {
                *state = State::Waiting(cx.waker().clone());
                Poll::Pending
            }
            State::Taken => panic!("a commit is not polled after it was ready"),
        }
    }
}

/// The end that answers. Dropped without an answer (the writer panicked) it says so: nobody waits
/// for ever.
#[derive(Debug)]
pub(super) struct Reply(Option<Arc<Slot>>);

impl Reply {
    pub(super) fn send(mut self, outcome: Outcome) {
        self.answer(outcome);
    }

    fn answer(&mut self, outcome: Outcome) {
        let Some(slot) = self.0.take() else { return };
        let before = std::mem::replace(&mut *slot.lock(), State::Answered(outcome));
        if let State::Waiting(waker) = before {
            waker.wake();
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.answer(Err(StoreError::Io("the writer failed; reopen the store".to_owned()).into()));
    }
}

/// The end that waits. Dropping it gives up the answer, never the work.
#[derive(Debug)]
pub(super) struct Ticket {
    line: Arc<Line>,
    slot: Arc<Slot>,
}

impl Ticket {
    pub(super) fn new(line: Arc<Line>) -> (Reply, Self) {
        let slot = Arc::new(Slot::default());
        (Reply(Some(Arc::clone(&slot))), Self { line, slot })
    }
}

impl Future for Ticket {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        if let Some(outcome) = self.slot.take() {
            return Poll::Ready(outcome);
        }
        // Before the waker is left, so that a leader does not wake itself. Where this leaves the work
        // in line, somebody was asked to lead, and their answer finds the waker or is found below.
        self.line.lead_or_ring();
        self.slot.poll(cx)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if matches!(*self.slot.lock(), State::Unpolled | State::Waiting(_)) {
            self.line.ring();
        }
    }
}

//! The answer to a batch.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::batch::Refusal;
use crate::error::StoreError;

/// Why a batch was not applied. Nothing of it happened.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A precondition did not hold.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A batch on its way: ready once the batch is durable or refused.
///
/// The batch was put in line by [`crate::Store::commit`], not by polling this: batches are applied in
/// the order of the calls. Dropping it loses the answer, never the batch.
pub struct Commit(State);

enum State {
    Ready(Option<Result<(), CommitError>>),
    Pending(Pin<Box<dyn Future<Output = Result<(), CommitError>> + Send>>),
}

impl Commit {
    /// An answer that is known already: costs no allocation.
    pub fn ready(answer: Result<(), CommitError>) -> Self {
        Self(State::Ready(Some(answer)))
    }

    /// An answer that a backend completes later.
    pub fn pending(answer: impl Future<Output = Result<(), CommitError>> + Send + 'static) -> Self {
        Self(State::Pending(Box::pin(answer)))
    }
}

impl Future for Commit {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(answer) => {
                Poll::Ready(answer.take().expect("a commit is not polled after it was ready"))
            }
            State::Pending(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Ready(answer) => f.debug_tuple("Ready").field(answer).finish(),
            State::Pending(_) => f.write_str("Pending"),
        }
    }
}

//! What everybody in a simulation shares: the world's time, the auditor, and whether there are faults.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::audit::Auditor;
use super::dice::Dice;
use crate::time::ManualClock;

/// What everybody shares.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) clock: ManualClock,
    pub(super) tasks: Dice,
    auditor: Mutex<Auditor>,
    faults: AtomicBool,
}

impl Scene {
    pub(super) fn new(tasks: Dice) -> Arc<Self> {
        let (clock, auditor) = (ManualClock::new(), Mutex::default());
        Arc::new(Self { clock, tasks, auditor, faults: AtomicBool::new(true) })
    }

    /// The auditor, who looks at the clock first. Never held over anything that may call back.
    pub(super) fn audit(&self) -> MutexGuard<'_, Auditor> {
        use oneiric_core::Clock as _;
        let now = self.clock.monotonic();
        let mut auditor = self.auditor.lock().unwrap_or_else(PoisonError::into_inner);
        auditor.at(now);
        auditor
    }

    /// Whether things still go wrong.
    pub(super) fn faults(&self) -> bool {
        self.faults.load(Ordering::Relaxed)
    }

    /// From here on nothing goes wrong any more.
    pub(super) fn calm(&self) {
        self.faults.store(false, Ordering::Relaxed);
    }
}

/// The answer of a future that is known to be there: the store in memory answers at once.
///
/// # Panics
/// Where it is not.
pub(super) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the store in memory answers at once"),
    }
}

//! The thread that beats.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Lease, Pulse};
use crate::error::StoreError;
use crate::store::Store;

/// A thread of its own, so that tasks which keep the runtime or every core busy do not cost the lease.
/// It knows its lease only weakly and ends with it.
#[derive(Debug)]
pub(super) struct Heart {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Heart {
    pub(super) fn start(lease: &Arc<Lease>, store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| StoreError::Io(format!("no heart could be started: {error}"));
        // The beat waits for its commit on this thread, and for nothing else.
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, lease) = (Arc::clone(&stop), Arc::downgrade(lease));
        let thread = thread::Builder::new()
            .name("oneiric-heart".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Acquire) {
                    match next(&lease, |lease| report(runtime.block_on(lease.beat(&*store)))) {
                        Next::In(delay) => thread::park_timeout(delay),
                        Next::WhenAsked => thread::park(),
                        Next::Never => return,
                    }
                }
            })
            .map_err(failed)?;
        Ok(Self { stop, thread })
    }

    /// Looks whether it is time to beat.
    pub(super) fn wake(&self) {
        self.thread.thread().unpark();
    }

    /// Ends, and waits until it is over; a lease that goes away on the heart's own thread does not wait.
    pub(super) fn rest(self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
        if self.thread.thread().id() != thread::current().id() {
            // It cannot panic further than it has.
            let _ = self.thread.join();
        }
    }
}

/// What the thread does after a look at the lease.
enum Next {
    In(Duration),
    /// Nothing is owned: whoever takes something wakes it.
    WhenAsked,
    Never,
}

fn next(lease: &Weak<Lease>, beat: impl Fn(&Lease) -> bool) -> Next {
    let Some(lease) = lease.upgrade() else { return Next::Never };
    if !lease.is_owning() {
        return Next::WhenAsked;
    }
    match lease.due_in() {
        Duration::ZERO if beat(&lease) => Next::In(lease.interval()),
        // It failed: sooner than the next one would have been, and not at once.
        Duration::ZERO => Next::In(lease.interval() / 4),
        delay => Next::In(delay),
    }
}

fn report(pulse: Result<Pulse, StoreError>) -> bool {
    match &pulse {
        Ok(Pulse::Held) => {}
        Ok(Pulse::Lost) => {
            tracing::warn!(
                "this process was silent for longer than its lease; others have taken over its runs"
            );
        }
        Err(error) => tracing::error!(%error, "the lease could not be renewed"),
    }
    pulse.is_ok()
}

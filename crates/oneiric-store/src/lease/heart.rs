//! The thread that beats.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use std::sync::PoisonError;

use super::{Lease, Pulse};
use crate::error::StoreError;
use crate::store::Store;

/// Beats for a lease from a thread of its own, for as long as anything hangs off it. Dropping it stops
/// the thread and waits for it.
#[derive(Debug)]
pub struct Heart {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Heart {
    /// Begins to beat.
    ///
    /// # Errors
    /// [`StoreError::Io`] where no thread can be started.
    pub fn start(lease: Arc<Lease>, store: Arc<dyn Store>) -> Result<Self, StoreError> {
        let failed = |error: std::io::Error| StoreError::Io(format!("no heart could be started: {error}"));
        // The beat waits for its commit on this thread, and for nothing else.
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(failed)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("oneiric-heart".to_owned())
            .spawn(move || {
                *lease.heart.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
                while !stopped.load(Ordering::Acquire) {
                    if !lease.is_owning() {
                        // Whoever takes something unparks, and beats for the first time itself.
                        thread::park();
                        continue;
                    }
                    thread::park_timeout(lease.interval());
                    if !stopped.load(Ordering::Acquire) && lease.is_owning() {
                        report(runtime.block_on(lease.beat(&*store)));
                    }
                }
            })
            .map_err(failed)?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It cannot panic further than it has.
            let _ = thread.join();
        }
    }
}

fn report(pulse: Result<Pulse, StoreError>) {
    match pulse {
        Ok(Pulse::Held) => {}
        Ok(Pulse::Lost) => {
            tracing::warn!(
                "this process was silent for longer than its lease; others have taken over its runs"
            );
        }
        Err(error) => tracing::error!(%error, "the lease could not be renewed"),
    }
}

//! What goes on in a live orchestrator beside its runs: it looks after the runs of others, hears the
//! doorbell and answers other processes.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oneiric_core::Clock;
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use crate::oneiric::Oneiric;
use crate::{activity, breakers, commands, custody, events, reload};

/// Background tasks and what reaches them. They end with the shutdown, or with the last clone.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    tasks: Mutex<Vec<AbortOnDropHandle<()>>>,
    /// It takes over what others leave.
    serves: AtomicBool,
    /// Rung by other processes: something in the store concerns this one.
    bell: Arc<Notify>,
    /// The same, for whoever reads commands.
    orders: Arc<Notify>,
    #[cfg(feature = "sqlite")]
    state_dir: Mutex<Option<std::path::PathBuf>>,
    #[cfg(feature = "sqlite")]
    control: Mutex<Option<crate::control::Server>>,
}

impl Presence {
    /// Begins to do something in the background. Must be called inside of a tokio runtime.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        lock(&self.tasks).push(AbortOnDropHandle::new(tokio::spawn(work)));
    }

    /// Answers nobody any more, waiting at most `limit` for the answers under way, and ends every task.
    pub(crate) async fn end(&self, clock: &dyn Clock, limit: Duration) {
        #[cfg(feature = "sqlite")]
        {
            let control = lock(&self.control).take();
            if let Some(control) = control {
                control.close(clock, limit).await;
            }
        }
        #[cfg(not(feature = "sqlite"))]
        let _ = (clock, limit);
        let tasks = std::mem::take(&mut *lock(&self.tasks));
        for task in tasks {
            task.abort();
            // It was cancelled or has panicked; either way it is over.
            let _ = task.await;
        }
    }
}

// Nothing under these locks can panic half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Oneiric {
    /// Takes over what others leave from now on.
    pub(crate) fn tend(&self) {
        self.0.presence.serves.store(true, Ordering::Relaxed);
        let inner = Arc::downgrade(&self.0);
        let (bell, courier) = (Arc::clone(&self.0.presence.bell), self.0.courier.clone());
        self.0.presence.spawn(custody::tend(inner, self.0.executor.clone(), courier, bell));
    }

    /// Swaps what an operator's word held back at a reload, from now on.
    pub(crate) fn reload_held(&self) {
        let news = Arc::clone(&self.0.reloads.news);
        let work = reload::bring_in_held(Arc::downgrade(&self.0), news, self.activities().clone());
        self.0.presence.spawn(work);
    }

    /// Takes events that wait to their handlers from now on.
    pub(crate) fn take_events(&self) {
        let courier = self.0.courier.clone();
        self.0.presence.spawn(async move { courier.tend().await });
    }

    /// Starts the runs of events that waited for each other, from now on.
    pub(crate) fn keep_windows(&self) {
        let (inner, windows) = (Arc::downgrade(&self.0), Arc::clone(&self.0.windows));
        let clock = Arc::clone(&self.0.executor.parts().clock);
        self.0.presence.spawn(events::windows::keep(inner, windows, clock));
    }

    /// Keeps the log of events short from now on.
    pub(crate) fn tidy(&self) {
        let clock = Arc::clone(&self.0.executor.parts().clock);
        self.0.presence.spawn(events::keep_log_short(Arc::downgrade(&self.0), clock));
    }

    /// Reads what operators said, now and from time to time.
    pub(crate) async fn heed(&self) -> Result<(), oneiric_store::StoreError> {
        self.reread_activity().await?;
        let clock = Arc::clone(&self.0.executor.parts().clock);
        let work = activity::reread_untold(Arc::downgrade(&self.0), clock);
        self.0.presence.spawn(work);
        Ok(())
    }

    /// Lets go of what a breaker held back, once it has closed.
    pub(crate) fn let_go(&self, closed: Arc<Notify>) {
        self.0.presence.spawn(breakers::release(self.0.executor.clone(), self.0.courier.clone(), closed));
    }

    /// Obeys what is asked of the runs that it owns from now on.
    pub(crate) fn obey(&self) {
        let work = commands::obey(self.0.executor.clone(), Arc::clone(&self.0.presence.orders));
        self.0.presence.spawn(work);
    }

    /// Whether it takes over what others leave, and what is submitted.
    pub fn serves(&self) -> bool {
        self.0.presence.serves.load(Ordering::Relaxed)
    }

    /// There may be runs to go on with.
    pub(crate) fn ring_here(&self) {
        self.0.presence.bell.notify_one();
    }

    /// Something in the store concerns this process.
    pub(crate) fn ring(&self) {
        self.0.presence.bell.notify_one();
        self.0.presence.orders.notify_one();
    }

    /// The state folder; `None` where state is in memory, or in a store that the builder was given.
    pub fn folder(&self) -> Option<std::path::PathBuf> {
        #[cfg(feature = "sqlite")]
        return self.state_dir();
        #[cfg(not(feature = "sqlite"))]
        None
    }

    /// Tells the other processes on the same state folder that something in the store concerns them. One
    /// that does not hear it finds out by itself, within a minute.
    #[cfg(feature = "sqlite")]
    pub async fn ring_others(&self) {
        let Some(state_dir) = self.state_dir() else { return };
        let own = {
            let control = lock(&self.0.presence.control);
            control.as_ref().map(|server| server.path().to_owned())
        };
        let ringing = tokio::task::spawn_blocking(move || crate::control::ring(&state_dir, own.as_deref()));
        // It was cancelled with the runtime, or nobody is there.
        let _ = ringing.await;
    }

    /// Where other processes find this one.
    #[cfg(feature = "sqlite")]
    pub(crate) fn state_dir(&self) -> Option<std::path::PathBuf> {
        lock(&self.0.presence.state_dir).clone()
    }

    /// Answers other processes from now on. That it cannot is no reason not to work.
    #[cfg(feature = "sqlite")]
    pub(crate) fn listen(&self, state_dir: &std::path::Path) {
        let parts = self.0.executor.parts();
        let (started_at, weak) = (parts.clock.now(), Arc::downgrade(&self.0));
        let answering = Arc::new(move |request| -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
            let weak = weak.clone();
            Box::pin(async move {
                match weak.upgrade() {
                    Some(inner) => crate::answer::answer(&Oneiric(inner), started_at, request).await,
                    None => crate::answer::over(),
                }
            })
        });
        *lock(&self.0.presence.state_dir) = Some(state_dir.to_owned());
        let work = custody::herald(Arc::downgrade(&self.0), self.0.executor.clone());
        self.0.presence.spawn(work);
        match crate::control::Server::open(state_dir, parts.lease.boot(), Arc::clone(&parts.clock), answering)
        {
            Ok(server) => {
                *lock(&self.0.presence.control) = Some(server);
            }
            Err(error) => {
                tracing::warn!(%error, "other processes cannot ask this one: no control socket");
            }
        }
    }
}

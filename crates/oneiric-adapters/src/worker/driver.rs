//! The owner of a process as a future that a caller may move along while it is alone.
//!
//! An answer that one task reads and hands to another costs a change of threads, which on an idle machine
//! takes ten times as long as the call. So a caller that is alone with its process polls the owner itself
//! and is woken by the pipe directly. It does not wake the owner's own task when it ends, for the same
//! reason: while calls follow each other, that task only looks in now and then, and takes over where
//! nobody drives any more. Where nobody calls, nothing runs.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use oneiric_core::Clock;
use tokio::sync::Notify;

/// How often the owner's own task looks in while calls drive. Also how late it learns of what happens
/// right behind the last call, such as the end of the process.
const LOOK_IN: Duration = Duration::from_millis(20);

type Owner = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An owner that two sides may move along. A clone is the same one.
#[derive(Clone)]
pub(super) struct Driver(Arc<Shared>);

struct Shared {
    inner: Mutex<Inner>,
    /// The owner's own task is to take over now.
    take_over: Notify,
}

struct Inner {
    /// `None` once it is over.
    owner: Option<Owner>,
    /// The call that drives; 0 where none does.
    driving: u64,
    /// How many calls have driven.
    drives: u64,
    /// The owner's own task, where it is what the process wakes.
    attending: Option<Waker>,
    /// The caller, where it is.
    caller: Option<Waker>,
}

/// The right of one call to move the owner along; ends when it is dropped.
pub(super) struct Driving {
    driver: Driver,
    call: u64,
}

impl Driver {
    pub(super) fn new(owner: impl Future<Output = ()> + Send + 'static) -> Self {
        let inner =
            Inner { owner: Some(Box::pin(owner)), driving: 0, drives: 0, attending: None, caller: None };
        Self(Arc::new(Shared { inner: Mutex::new(inner), take_over: Notify::new() }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the owner's own task runs, to the end of the owner.
    pub(super) async fn run(self, clock: Arc<dyn Clock>) {
        while !self.attend().await {
            loop {
                let seen = self.inner().drives;
                tokio::select! {
                    () = clock.sleep(LOOK_IN) => {}
                    () = self.0.take_over.notified() => break,
                }
                let inner = self.inner();
                if inner.driving == 0 && inner.drives == seen {
                    break;
                }
            }
        }
    }

    /// Moves the owner along until it is over (`true`) or a call drives.
    async fn attend(&self) -> bool {
        std::future::poll_fn(|cx| {
            let mut inner = self.inner();
            if inner.driving != 0 {
                inner.attending = None;
                return Poll::Ready(false);
            }
            inner.attending = Some(cx.waker().clone());
            inner.poll(cx).map(|()| true)
        })
        .await
    }

    /// Lets a call drive that is alone.
    pub(super) fn begin(&self, call: u64) -> Driving {
        let mut inner = self.inner();
        inner.driving = call;
        inner.drives += 1;
        if let Some(task) = inner.attending.take() {
            task.wake();
        }
        drop(inner);
        Driving { driver: self.clone(), call }
    }

    /// Leaves it to its own task: a call that drives may be held by somebody who does not poll it, and
    /// others depend on the process now.
    pub(super) fn hand_back(&self) {
        let mut inner = self.inner();
        if inner.attending.is_none() {
            inner.driving = 0;
            self.0.take_over.notify_one();
        }
        if let Some(caller) = inner.caller.take() {
            caller.wake();
        }
    }

    /// Whether it is over.
    pub(super) fn is_over(&self) -> bool {
        self.inner().owner.is_none()
    }
}

impl Driving {
    /// Moves the owner along, as long as nobody else depends on it; then `false`, and the caller has to
    /// wait for its answer like any other.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> bool {
        let mut inner = self.driver.inner();
        if inner.driving != self.call {
            return false;
        }
        match &mut inner.caller {
            Some(known) => known.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        if inner.poll(cx).is_ready() {
            // Its own task has to see that it is over.
            inner.driving = 0;
            self.driver.0.take_over.notify_one();
        }
        true
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        let mut inner = self.driver.inner();
        if inner.driving == self.call {
            inner.driving = 0;
            inner.caller = None;
        }
    }
}

impl Inner {
    /// Once; a panic of the owner leaves it over.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(mut owner) = self.owner.take() else { return Poll::Ready(()) };
        let polled = owner.as_mut().poll(cx);
        if polled.is_pending() {
            self.owner = Some(owner);
        }
        polled
    }
}

//! Every instance between its build and the end of its stop, so that none is lost, whoever gives up.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{BoxFuture, join_all};
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;

use crate::{Descriptor, Instance};

use super::Inner;
use super::hook::Side;
use super::slot::SlotId;
use super::timeouts::within;
use super::unit::{End, Unit};

/// The units of a lifecycle. A unit is in here before anything else is done with it.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    units: Mutex<Units>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Units {
    built: u64,
    /// In service, or on the way there.
    up: BTreeMap<u64, Arc<Unit>>,
    /// Out of service and not stopped.
    retired: BTreeMap<u64, Arc<Unit>>,
}

impl Inventory {
    fn units(&self) -> MutexGuard<'_, Units> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take_in(&self, instance: Instance, descriptor: Arc<Descriptor>, edition: u64) -> Arc<Unit> {
        let mut units = self.units();
        units.built += 1;
        let unit = Arc::new(Unit::new(units.built, instance, descriptor, edition));
        units.up.insert(unit.id, Arc::clone(&unit));
        unit
    }

    /// Takes a unit out of service; its stop is due when its users have left.
    pub(super) fn retire(&self, unit: &Unit) {
        let mut units = self.units();
        if let Some(unit) = units.up.remove(&unit.id) {
            units.retired.insert(unit.id, unit);
            self.news.notify_one();
        }
    }

    fn forget(&self, unit: &Unit) {
        let mut units = self.units();
        units.up.remove(&unit.id);
        units.retired.remove(&unit.id);
    }

    fn retired(&self) -> Vec<Arc<Unit>> {
        self.units().retired.values().cloned().collect()
    }

    /// Every unit, the one that came up last first.
    pub(super) fn all(&self) -> Vec<Arc<Unit>> {
        let units = self.units();
        let mut all: Vec<_> = units.up.values().chain(units.retired.values()).cloned().collect();
        drop(units);
        all.sort_by_key(|unit| std::cmp::Reverse(unit.order()));
        all
    }

    pub(super) fn len(&self) -> usize {
        let units = self.units();
        units.up.len() + units.retired.len()
    }
}

/// What to do with an instance that is still in use when the wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Leave it; somebody comes back to it.
    Leave,
    /// Stop it all the same.
    Stop,
}

impl Inner {
    /// How long a change waits for the users of what it replaced; `None` where there is no bound.
    pub(super) fn patience(&self) -> Option<Duration> {
        let cleanup = self.timeouts().cleanup;
        (!cleanup.is_zero()).then_some(cleanup)
    }

    /// Puts down what an earlier change of the same key left behind and nobody uses any more.
    pub(super) async fn sweep(&self, of: &SlotId) {
        let unused = self.inventory.retired().into_iter().filter(|unit| {
            let is = &unit.descriptor;
            is.key == of.key && is.domain == of.domain && unit.left.is_cancelled()
        });
        join_all(unused.map(async |unit| {
            // Where somebody is at it already, it needs nobody else.
            if let Ok(mut end) = unit.end.try_lock() {
                self.end(&unit, &mut end).await;
            }
        }))
        .await;
    }

    /// Puts down whatever goes out of service, as soon as nobody uses it. Never returns.
    pub(super) async fn tend(&self) {
        let mut leaving = FuturesUnordered::new();
        let mut known = HashSet::new();
        loop {
            for unit in self.inventory.retired() {
                if known.insert(unit.id) {
                    leaving.push(async move {
                        self.put_down(&unit, None, Then::Leave).await;
                        unit.id
                    });
                }
            }
            tokio::select! {
                biased;
                Some(id) = leaving.next() => {
                    known.remove(&id);
                }
                () = self.inventory.news.notified() => {}
            }
        }
    }

    /// Waits for the users of a unit, at most for `limit`, and stops it then. Returns whether it is
    /// stopped and nobody used it.
    pub(super) async fn put_down(&self, unit: &Arc<Unit>, limit: Option<Duration>, then: Then) -> bool {
        let turn = async {
            unit.left.cancelled().await;
            unit.end.lock().await
        };
        let mut end = match limit {
            None => turn.await,
            Some(limit) => tokio::select! {
                biased;
                end = turn => end,
                // The end of the lifecycle has a deadline of its own.
                () = self.stopping.cancelled(), if then == Then::Leave => return false,
                () = self.clock.sleep(limit) => match then {
                    Then::Leave => return false,
                    Then::Stop => match self.insist(unit).await {
                        Some(end) => end,
                        None => return false,
                    },
                },
            },
        };
        let unused = unit.left.is_cancelled();
        self.end(unit, &mut end).await;
        unused
    }

    /// The right to stop a unit that is in use, or whose stop is under way elsewhere; `None` where the
    /// one who is at it does not come to an end.
    async fn insist<'a>(&self, unit: &'a Unit) -> Option<tokio::sync::MutexGuard<'a, End>> {
        let is = &unit.descriptor;
        let (domain, key, provider) = (&is.domain, &is.key, &is.provider);
        if !unit.left.is_cancelled() {
            tracing::warn!(%domain, %key, %provider, "component is stopped while it is in use");
        }
        match self.patience() {
            None => Some(unit.end.lock().await),
            Some(patience) => tokio::select! {
                biased;
                end = unit.end.lock() => Some(end),
                () = self.clock.sleep(patience) => {
                    tracing::warn!(%domain, %key, %provider, "component's stop was not waited for any longer");
                    None
                }
            },
        }
    }

    /// Stops a unit, or goes on where somebody gave that up.
    async fn end(&self, unit: &Unit, end: &mut End) {
        if matches!(end, End::Due) {
            let instance = unit.instance.clone();
            *end = End::Stopping(Box::pin(async move { instance.component().stop().await }));
        }
        if let End::Stopping(stop) = end {
            let done = within(&*self.clock, self.timeouts().cleanup, stop).await;
            let (domain, key, provider) =
                (&unit.descriptor.domain, &unit.descriptor.key, &unit.descriptor.provider);
            match done {
                Ok(()) => tracing::debug!(%domain, %key, %provider, "component stopped"),
                Err(fault) => {
                    tracing::warn!(%domain, %key, %provider, %fault, "component did not stop cleanly");
                }
            }
            *end = End::Telling(self.tell(unit));
        }
        if let End::Telling(hooks) = end {
            hooks.await;
            *end = End::Done;
            self.inventory.forget(unit);
        }
    }

    /// Tells the hooks of a stop; needs nobody to hold the lifecycle.
    fn tell(&self, unit: &Unit) -> BoxFuture<'static, ()> {
        let (instance, descriptor) = (unit.instance.clone(), Arc::clone(&unit.descriptor));
        let (clock, hooks, limit) = (Arc::clone(&self.clock), Arc::clone(&self.hooks), self.timeouts().hook);
        Box::pin(async move {
            let (domain, key, provider) = (&descriptor.domain, &descriptor.key, &descriptor.provider);
            let side = Side { descriptor: &descriptor, instance: &instance };
            for hook in &*hooks {
                if let Err(fault) = within(&*clock, limit, async { hook.stopped(&side).await }).await {
                    tracing::warn!(%domain, %key, %provider, hook = hook.name(), %fault, "hook failed after a stop");
                }
            }
        })
    }
}

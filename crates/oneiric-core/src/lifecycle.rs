//! From a candidate to an instance in service, and from one instance to the next.
//!
//! A [`Lifecycle`] owns the instances of a process. Whoever needs a component asks for a [`Handle`]
//! in a role; the first one to ask brings the instance up, and everybody else who asks meanwhile gets
//! the same one. [`Lifecycle::swap`] replaces it under its users: a call that is under way ends on the
//! instance that it began on, and that instance is stopped when the last such call has ended.
//!
//! What it does not do: it spawns nothing and keeps nothing on disk. Instances that are still in use
//! when a swap is over are put down by [`Lifecycle::tend`], by the next swap, or by
//! [`Lifecycle::stop`]; whoever owns the lifecycle runs the first of these.

mod change;
mod error;
mod handle;
mod hook;
mod live;
mod retire;
mod shelf;
mod slot;
mod status;
mod timeouts;

use std::cmp::Reverse;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use serde_json::{Map, Value};

pub use error::{LifecycleError, Phase};
pub use handle::{Current, Handle};
pub use hook::{Change, Hook, Side};
pub use status::{Condition, Status, Summary};
pub use timeouts::Timeouts;

use crate::resolver::Query;
use crate::{
    Allowlist, Blueprint, Clock, ComponentRuntime, Descriptor, Domain, Fault, Key, Provider, Registry, Role,
};
use change::Changed;
use retire::{Retirement, Then};
use shelf::Shelves;
use slot::{Needed, Pin, Slot};
use timeouts::within;

/// Where the settings of a candidate's provider come from.
#[async_trait]
pub trait SettingsSource: Send + Sync {
    /// The settings with every secret in clear.
    ///
    /// # Errors
    /// Why one could not be had.
    async fn settings(&self, descriptor: &Descriptor) -> Result<Map<String, Value>, Fault>;

    /// The settings with `***` in place of every secret, for checks.
    fn masked(&self, descriptor: &Descriptor) -> Map<String, Value>;
}

const _: fn(&dyn SettingsSource) = |_| {};

/// No component has settings.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSettings;

#[async_trait]
impl SettingsSource for NoSettings {
    async fn settings(&self, _: &Descriptor) -> Result<Map<String, Value>, Fault> {
        Ok(Map::new())
    }

    fn masked(&self, _: &Descriptor) -> Map<String, Value> {
        Map::new()
    }
}

/// What a lifecycle is made of.
pub struct Parts {
    /// The candidates.
    pub registry: Registry,
    /// What builds them, in the order in which they are asked.
    pub runtimes: Vec<Arc<dyn ComponentRuntime>>,
    /// What may be built.
    pub allowlist: Allowlist,
    /// Settings of providers.
    pub settings: Arc<dyn SettingsSource>,
    /// Who is asked around every change, in this order.
    pub hooks: Vec<Arc<dyn Hook>>,
    /// How long steps may take.
    pub timeouts: Timeouts,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The instances of a process. A clone is the same lifecycle.
#[derive(Debug, Clone)]
pub struct Lifecycle(Arc<Inner>);

struct Inner {
    registry: ArcSwap<Registry>,
    // Held while the registry is replaced, so that no change is lost.
    registering: Mutex<()>,
    runtimes: Vec<Arc<dyn ComponentRuntime>>,
    allowlist: Allowlist,
    settings: Arc<dyn SettingsSource>,
    hooks: Vec<Arc<dyn Hook>>,
    timeouts: Timeouts,
    clock: Arc<dyn Clock>,
    shelves: Shelves,
    // Counts bindings, so that instances are stopped in the reverse order.
    sequence: AtomicU64,
    retirement: Retirement,
    stopped: AtomicBool,
}

/// What to swap to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Swap<'a> {
    /// This provider's best candidate, selected from now on; without it, what the resolver says.
    pub provider: Option<&'a Provider>,
    /// Bind a newcomer that is not healthy, too.
    pub force: bool,
}

/// A swap that was done.
#[derive(Debug, Clone, PartialEq)]
pub struct Swapped {
    /// Whose instance serves now.
    pub provider: Provider,
    /// Whose instance served before.
    pub previous: Option<Provider>,
    /// From the beginning to the binding.
    pub took: Duration,
    /// Whether the old instance is stopped. Where not, somebody still uses it, and it is stopped
    /// after that.
    pub old_stopped: bool,
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// The status after the probe.
    pub status: Status,
    /// The component's own answer; `None` where there is no instance to ask.
    pub answer: Option<Result<(), Fault>>,
}

impl Lifecycle {
    /// A lifecycle without instances.
    pub fn new(parts: Parts) -> Self {
        let Parts { registry, runtimes, allowlist, settings, hooks, timeouts, clock } = parts;
        Self(Arc::new(Inner {
            registry: ArcSwap::from_pointee(registry),
            registering: Mutex::new(()),
            runtimes,
            allowlist,
            settings,
            hooks,
            timeouts,
            clock,
            shelves: Shelves::default(),
            sequence: AtomicU64::new(1),
            retirement: Retirement::default(),
            stopped: AtomicBool::new(false),
        }))
    }

    /// The candidates as they are now.
    pub fn registry(&self) -> Arc<Registry> {
        self.0.registry.load_full()
    }

    /// Changes the candidates or the selections. Instances in service stay until [`Lifecycle::refresh`]
    /// or a swap.
    pub fn register<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        let _one = self.0.registering.lock().unwrap_or_else(PoisonError::into_inner);
        let mut registry = Registry::clone(&self.0.registry.load());
        let answer = change(&mut registry);
        self.0.registry.store(Arc::new(registry));
        answer
    }

    /// The component that a key means, in a role. Brings it up where nothing serves yet.
    ///
    /// An explicit provider, or capabilities, make a binding of its own that a swap of the key leaves
    /// alone. Without them this is a look-up once the component is up.
    ///
    /// # Errors
    /// [`LifecycleError`]. Who waited while another caller's attempt failed gets that failure.
    pub async fn handle<R: ?Sized + Role>(
        &self,
        domain: &Domain,
        key: &Key,
        query: &Query<'_>,
    ) -> Result<Handle<R>, LifecycleError>
    where
        Arc<R>: Send + Sync,
    {
        if query.provider.is_none() && query.capabilities.is_empty() {
            let slot = match self.0.shelves.followed(domain, key) {
                Some(slot) => slot,
                None => {
                    self.0.registry.load().resolve(domain, key, query)?;
                    self.0.shelves.slot(domain, key, Pin::Follow)
                }
            };
            return self.in_role(slot).await;
        }
        let provider = self.0.registry.load().resolve(domain, key, query)?.provider().clone();
        self.in_role(self.0.shelves.slot(domain, key, Pin::Provider(provider))).await
    }

    /// Exactly this candidate in a role, whether or not the resolver knows it.
    ///
    /// # Errors
    /// [`LifecycleError`].
    pub async fn handle_of<R: ?Sized + Role>(
        &self,
        descriptor: &Arc<Descriptor>,
    ) -> Result<Handle<R>, LifecycleError>
    where
        Arc<R>: Send + Sync,
    {
        let pin = Pin::Exact(Arc::clone(descriptor));
        self.in_role(self.0.shelves.slot(&descriptor.domain, &descriptor.key, pin)).await
    }

    async fn in_role<R: ?Sized + Role>(&self, slot: Arc<Slot>) -> Result<Handle<R>, LifecycleError>
    where
        Arc<R>: Send + Sync,
    {
        let live = match slot.live.load_full() {
            Some(live) => live,
            None => self.0.first(&slot).await?,
        };
        if live.instance.role::<R>().is_none() {
            return Err(change::missing_role(&live.descriptor, &live.instance, R::NAME));
        }
        slot.need(Needed { name: R::NAME, plays: |instance| instance.role::<R>().is_some() });
        Ok(Handle::new(slot))
    }

    /// Whether a candidate could be built: allowlist, runtime, its own check. Builds nothing.
    ///
    /// # Errors
    /// What bringing it up would meet before anything is built.
    pub fn check(&self, descriptor: &Arc<Descriptor>) -> Result<(), LifecycleError> {
        let runtime = self.0.runtime(descriptor)?;
        let blueprint =
            Blueprint::new(Arc::clone(descriptor)).with_settings(self.0.settings.masked(descriptor));
        runtime.check(&blueprint).map_err(|fault| {
            let (domain, key) = (descriptor.domain.clone(), descriptor.key.clone());
            match fault.class {
                crate::Class::Denied => LifecycleError::NotAllowed { domain, key, reason: fault.message },
                _ => LifecycleError::Failed {
                    domain,
                    key,
                    provider: descriptor.provider.clone(),
                    phase: Phase::Build,
                    fault: Box::new(fault),
                },
            }
        })
    }

    /// Replaces what serves a key by a newcomer. Swaps of one key come one after the other; callers
    /// of the component wait for none of them.
    ///
    /// With a provider, the provider is selected from then on, as `explain` shows. Returns when the
    /// newcomer serves and the old instance is stopped, or has been waited for as long as
    /// `lifecycle.cleanup_timeout` says.
    ///
    /// # Errors
    /// [`LifecycleError`]; then the old instance goes on serving.
    pub async fn swap(&self, domain: &Domain, key: &Key, swap: Swap<'_>) -> Result<Swapped, LifecycleError> {
        let query = Query { provider: swap.provider, ..Query::default() };
        self.0.registry.load().resolve(domain, key, &query)?;
        let slot = self.0.shelves.slot(domain, key, Pin::Follow);
        let (changed, previous, provider) = {
            let mut turn = slot.turn.lock().await;
            self.0.running(&slot)?;
            let candidate = Arc::clone(self.0.registry.load().resolve(domain, key, &query)?.descriptor());
            let previous = slot.live.load_full().map(|live| live.descriptor.provider.clone());
            let changed = self.0.change(&slot, &mut turn, &candidate, swap.force).await;
            turn.failed = None;
            if changed.result.is_ok()
                && let Some(provider) = swap.provider
            {
                self.register(|registry| registry.select(domain, key, provider.clone()));
            }
            (changed, previous, candidate.provider.clone())
        };
        let old_stopped = match changed.goes {
            Some(goes) => self.0.put_down(goes, Some(self.0.timeouts.cleanup), Then::Leave).await,
            None => true,
        };
        self.0.sweep().await;
        Ok(Swapped { provider, previous, took: changed.result?, old_stopped })
    }

    /// Swaps every component in service for which the resolver now says something else. One that
    /// fails keeps its old instance and holds up no other.
    pub async fn refresh(&self) -> Vec<(Domain, Key, Result<Swapped, LifecycleError>)> {
        let mut done = Vec::new();
        for slot in self.0.shelves.all() {
            if slot.id.pin != Pin::Follow {
                continue;
            }
            let (domain, key) = (&slot.id.domain, &slot.id.key);
            let Some(live) = slot.live.load_full() else { continue };
            let best = self.0.registry.load().resolve(domain, key, &Query::default()).cloned();
            // A candidate that is gone has no successor: what serves goes on serving.
            if best.is_ok_and(|best| best.descriptor() != &live.descriptor) {
                drop(live);
                done.push((domain.clone(), key.clone(), self.swap(domain, key, Swap::default()).await));
            }
        }
        done
    }

    /// The status of every component that was ever asked for, by domain and key.
    pub fn statuses(&self) -> Vec<Status> {
        self.0.shelves.all().iter().map(|slot| slot.status()).collect()
    }

    /// The names of the roles that the instance of a key plays; `None` where none serves.
    pub fn roles(&self, domain: &Domain, key: &Key) -> Option<Vec<&'static str>> {
        let live = self.0.shelves.followed(domain, key)?.live.load_full()?;
        Some(live.instance.roles().collect())
    }

    /// Asks the instances in service, those of one domain or one key where that is said, whether they
    /// are healthy; all at once, each within `lifecycle.health_timeout`.
    pub async fn probe(&self, domain: Option<&Domain>, key: Option<&Key>) -> Vec<Probe> {
        let slots = self.0.shelves.all();
        let wanted = slots.iter().filter(|slot| {
            domain.is_none_or(|domain| slot.id.domain == *domain) && key.is_none_or(|key| slot.id.key == *key)
        });
        futures_util::future::join_all(wanted.map(|slot| self.0.probe(slot))).await
    }

    /// Puts down old instances as soon as nobody uses them; never returns. To be run by the owner for
    /// as long as the lifecycle is in use, and dropped before [`Lifecycle::stop`].
    pub async fn tend(&self) {
        self.0.tend().await;
    }

    /// Stops every instance, the one that came up last first. Nothing comes up any more. Waits for
    /// users until `deadline` has passed, then stops an instance all the same. Returns whether each
    /// was unused when it was stopped.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.0.stop(deadline).await
    }
}

impl Inner {
    fn running(&self, slot: &Slot) -> Result<(), LifecycleError> {
        if self.stopped.load(Ordering::Acquire) {
            return Err(self.gone(slot));
        }
        Ok(())
    }

    fn gone(&self, slot: &Slot) -> LifecycleError {
        LifecycleError::Stopped { domain: slot.id.domain.clone(), key: slot.id.key.clone() }
    }

    /// Brings up the first instance of a slot, once, however many ask for it.
    async fn first(&self, slot: &Arc<Slot>) -> Result<Arc<live::Live>, LifecycleError> {
        let seen = slot.attempts();
        let mut turn = slot.turn.lock().await;
        self.running(slot)?;
        if let Some(live) = slot.live.load_full() {
            return Ok(live);
        }
        if slot.attempts() != seen
            && let Some(error) = &turn.failed
        {
            return Err(error.clone());
        }
        let candidate = match &slot.id.pin {
            Pin::Exact(descriptor) => Arc::clone(descriptor),
            Pin::Follow | Pin::Provider(_) => {
                let query = Query { provider: slot.id.pin.provider(), ..Query::default() };
                let registry = self.registry.load();
                Arc::clone(registry.resolve(&slot.id.domain, &slot.id.key, &query)?.descriptor())
            }
        };
        let Changed { result, goes } = self.change(slot, &mut turn, &candidate, false).await;
        turn.failed = result.as_ref().err().cloned();
        if let Some(newcomer) = goes {
            // It failed; it is put down before anybody tries again.
            self.put_down(newcomer, Some(self.timeouts.cleanup), Then::Stop).await;
        }
        result?;
        slot.live.load_full().ok_or_else(|| self.gone(slot))
    }

    async fn probe(&self, slot: &Arc<Slot>) -> Probe {
        let Some(live) = slot.live.load_full() else {
            return Probe { status: slot.status(), answer: None };
        };
        let answer = within(&*self.clock, self.timeouts.health, live.instance.component().health()).await;
        if answer.is_ok() {
            let now = self.clock.now();
            slot.record(|status| status.last_health_at = Some(now));
        }
        Probe { status: slot.status(), answer: Some(answer) }
    }

    async fn stop(&self, deadline: Duration) -> bool {
        self.stopped.store(true, Ordering::Release);
        let end = self.clock.monotonic().saturating_add(deadline);
        let left = || end.saturating_sub(self.clock.monotonic());
        let mut clean = true;
        // Slots that are still coming up when this begins come into the order when they are done.
        for slot in self.shelves.all() {
            tokio::select! {
                biased;
                _turn = slot.turn.lock() => {}
                () = self.clock.sleep(left()) => clean = false,
            }
        }
        let mut slots = self.shelves.all();
        slots.sort_by_key(|slot| Reverse(slot.order()));
        for slot in slots {
            let users = slot.turn.try_lock().ok().and_then(|mut turn| turn.users.take());
            slot.record(|status| status.stop(self.clock.now()));
            if let (Some(live), Some(users)) = (slot.live.swap(None), users) {
                clean &= self.put_down(live.retire(users), Some(left()), Then::Stop).await;
            }
        }
        clean & self.sweep_all(left()).await
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("runtimes", &self.runtimes)
            .field("timeouts", &self.timeouts)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle").field("runtimes", &self.runtimes).finish_non_exhaustive()
    }
}

//! From a candidate to an instance in service, and from one instance to the next.
//!
//! A [`Lifecycle`] owns the instances of a process. Whoever needs a component asks for a [`Handle`]
//! in a role; the first one to ask brings the instance up, and everybody else who asks meanwhile gets
//! the same one. [`Lifecycle::swap`] replaces it under its users: a call that is under way ends on the
//! instance that it began on, and that instance is stopped when the last such call has ended.
//!
//! What it does not do: it spawns nothing and keeps nothing on disk. Instances that are still in use
//! when a swap is over are put down by [`Lifecycle::tend`], by the next swap of their key, or by
//! [`Lifecycle::stop`]; whoever owns the lifecycle runs the first of these, and ends with the last.
//!
//! Every future here may be dropped at any point. A change that is given up is undone, an instance that
//! it had built is put down like every other, and a stop that was begun is finished by whoever comes
//! next. No instance is asked to stop twice.
//!
//! A life, from the registration to the end:
//!
//! ```
//! # use std::sync::Arc;
//! # use oneiric_core::lifecycle::{NoSettings, Parts, Swap, Timeouts};
//! # use oneiric_core::*;
//! # #[derive(Debug)] struct Stopped;
//! # impl Clock for Stopped {
//! #     fn now(&self) -> Timestamp { Timestamp::default() }
//! #     fn monotonic(&self) -> std::time::Duration { Default::default() }
//! #     fn sleep(&self, _: std::time::Duration) -> clock::Sleep { Box::pin(std::future::pending()) }
//! # }
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # use oneiric_core::linked::{Linked, action_fn};
//! # use oneiric_core::roles::Action;
//! /// Builds the closures that the program brings along.
//! #[derive(Debug)]
//! struct Closures(Vec<Linked>);
//!
//! #[async_trait::async_trait]
//! impl ComponentRuntime for Closures {
//!     fn name(&self) -> &'static str { "closures" }
//!     fn recognises(&self, of: &Descriptor) -> bool { self.0.iter().any(|one| one.descriptor() == Ok(of)) }
//!     fn check(&self, _: &Blueprint) -> Result<(), Fault> { Ok(()) }
//!     async fn build(&self, of: &Blueprint) -> Result<Instance, Fault> {
//!         let one = self.0.iter().find(|one| one.descriptor() == Ok(&of.descriptor));
//!         one.ok_or_else(|| Fault::permanent("unknown", "no such closure"))?.make()(of)
//!     }
//! }
//!
//! let greet = |by: &str, word: &'static str| {
//!     let action = action_fn(move |name: String| async move { Ok::<_, Fault>(format!("{word}, {name}")) });
//!     Linked::action("greet", action).provider(by)
//! };
//! let closures = Closures(vec![greet("french", "Bonjour"), greet("english", "Good evening")]);
//! let mut registry = Registry::new();
//! for one in &closures.0 {
//!     registry.register(one.descriptor()?.clone());
//! }
//! let lifecycle = Lifecycle::new(Parts {
//!     registry,
//!     runtimes: vec![Arc::new(closures)],
//!     allowlist: Allowlist::default(),
//!     settings: Arc::new(NoSettings),
//!     hooks: Vec::new(),
//!     timeouts: Timeouts::default(),
//!     clock: Arc::new(Stopped), // the system's, in a program
//! });
//!
//! let key: Key = "greet".parse()?;
//! let greet = lifecycle.handle::<dyn Action>(&Domain::ACTION, &key, &Query::default()).await?;
//! let ada = Payload::from(serde_json::json!("Ada"));
//! assert_eq!(greet.current()?.apply(ada.clone()).await?, serde_json::json!("Good evening, Ada").into());
//!
//! let french = "french".parse()?;
//! lifecycle.swap(&Domain::ACTION, &key, Swap { provider: Some(&french), force: false }).await?;
//! assert_eq!(greet.current()?.apply(ada).await?, serde_json::json!("Bonjour, Ada").into());
//!
//! assert!(lifecycle.stop(std::time::Duration::from_secs(5)).await);
//! assert!(greet.current().is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bring_up;
mod change;
mod end;
mod error;
mod first;
mod handle;
mod hook;
mod inventory;
mod parts;
mod probe;
mod shelf;
mod slot;
mod status;
mod swap;
mod timeouts;
mod trie;
mod unit;

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use error::{LifecycleError, Phase};
pub use handle::{Current, Handle};
pub use hook::{Change, Hook, Side};
pub use parts::{NoSettings, Parts, SettingsSource};
pub use probe::Probe;
pub use status::{Condition, Status, Summary};
pub use swap::{Refreshed, Swap, Swapped};
pub use timeouts::Timeouts;

use crate::metrics::Family;
use crate::resolver::Query;
use crate::{Allowlist, Clock, ComponentRuntime, Descriptor, Domain, Key, Registry, Role};
use inventory::Inventory;
use shelf::Shelves;
use slot::Pin;
use swap::Swaps;

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
    hooks: Arc<[Arc<dyn Hook>]>,
    timeouts: ArcSwap<Timeouts>,
    clock: Arc<dyn Clock>,
    shelves: Shelves,
    inventory: Inventory,
    // The next place in the order of first bindings.
    bindings: AtomicU64,
    swaps: Swaps,
    // How many attempts at a change have ended; for who waits for the next.
    changes: watch::Sender<u64>,
    stopping: CancellationToken,
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
            hooks: hooks.into(),
            timeouts: ArcSwap::from_pointee(timeouts),
            clock,
            shelves: Shelves::default(),
            inventory: Inventory::default(),
            bindings: AtomicU64::new(1),
            swaps: Swaps::default(),
            changes: watch::Sender::new(0),
            stopping: CancellationToken::new(),
        }))
    }

    /// The candidates as they are now.
    pub fn registry(&self) -> Arc<Registry> {
        self.0.registry.load_full()
    }

    /// Changes the candidates or the selections. Instances in service stay until [`Lifecycle::refresh`]
    /// or a swap. Works on a copy that replaces the whole: put many changes into one call.
    pub fn register<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        self.0.register(change)
    }

    /// The component that a key means, in a role. Brings it up where nothing serves yet.
    ///
    /// An explicit provider, or capabilities, make a binding of its own that a swap of the key leaves
    /// alone. Without them this is a look-up once the component is up.
    ///
    /// A component that asks for others in its start makes a circle with them at its own risk: a circle
    /// is cut by `lifecycle.activation_timeout`.
    ///
    /// # Errors
    /// [`LifecycleError`]. Who waited while another caller's attempt failed gets that failure; who comes
    /// after it tries again.
    pub async fn handle<R: ?Sized + Role>(
        &self,
        domain: &Domain,
        key: &Key,
        query: &Query<'_>,
    ) -> Result<Handle<R>, LifecycleError>
    where
        Arc<R>: Send + Sync,
    {
        if first::is_plain(query)
            && let Some(handle) = self.0.ready(domain, key)
        {
            return Ok(handle);
        }
        // In a box: nobody who only looks up carries the size of bringing up.
        Box::pin(self.0.ask(domain, key, query)).await
    }

    /// Exactly this candidate in a role, whether or not the resolver knows it. One that the resolver
    /// does not know is put down by the first [`Lifecycle::refresh`] after its last handle is gone.
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
        let slot = self.0.shelves.slot(&descriptor.domain, &descriptor.key, &pin);
        Box::pin(self.0.in_role(&slot)).await
    }

    /// Whether a candidate could be built: allowlist, runtime, its own check. Builds nothing.
    ///
    /// # Errors
    /// What bringing it up would meet before anything is built.
    pub fn check(&self, descriptor: &Arc<Descriptor>) -> Result<(), LifecycleError> {
        self.0.check(descriptor)
    }

    /// Replaces what serves a key by a newcomer. Swaps of one key come one after the other; callers
    /// of the component wait for none of them.
    ///
    /// With a provider, the provider is selected from then on, as `explain` shows. Returns when the
    /// newcomer serves and the old instance is stopped, or has been waited for as long as
    /// `lifecycle.cleanup_timeout` says.
    ///
    /// Told in the log as `swap-complete` or `swap-failed`, with a `swap-rollback` where the old
    /// instance had been replaced and is bound again.
    ///
    /// # Errors
    /// [`LifecycleError`]; then the old instance goes on serving.
    pub async fn swap(&self, domain: &Domain, key: &Key, swap: Swap<'_>) -> Result<Swapped, LifecycleError> {
        Box::pin(self.0.swap(domain, key, swap)).await
    }

    /// Swaps every component in service for which the resolver now says something else, or whose settings are
    /// others; one that fails keeps its old instance and holds up no other. What no candidate answers for any
    /// more goes on serving while there is a handle of it, and is put down where there is none.
    pub async fn refresh(&self) -> Vec<(Domain, Key, Result<Swapped, LifecycleError>)> {
        self.refresh_where(|_, _| true).await.swapped
    }

    /// As [`Lifecycle::refresh`], for those components only that `may` be swapped now. The others stay as they
    /// are and are named; a later refresh finds them again.
    pub async fn refresh_where(&self, may: impl Fn(&Domain, &Key) -> bool) -> Refreshed {
        Box::pin(self.0.refresh(may)).await
    }

    /// Other bounds for every step that begins from now on.
    pub fn bound(&self, timeouts: Timeouts) {
        self.0.timeouts.store(Arc::new(timeouts));
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
    /// are healthy; many at a time, each within `lifecycle.health_timeout`.
    pub async fn probe(&self, domain: Option<&Domain>, key: Option<&Key>) -> Vec<Probe> {
        self.0.probe_all(domain, key, self.0.timeouts().health).await
    }

    /// Asks all of them, each within `limit` or `lifecycle.health_timeout`, whichever is shorter.
    pub async fn probe_within(&self, limit: Duration) -> Vec<Probe> {
        let said = self.0.timeouts().health;
        self.0.probe_all(None, None, if said.is_zero() { limit } else { limit.min(said) }).await
    }

    /// How many attempts at a change of a component have ended, well or not; tells of the next one.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// What it has counted: `oneiric_lifecycle_swap_duration_ms`, by component and outcome.
    pub fn metrics(&self) -> Vec<Family> {
        vec![self.0.swaps.family()]
    }

    /// Puts down old instances as soon as nobody uses them; never returns. To be run by the owner for
    /// as long as the lifecycle is in use. Whether it is dropped before [`Lifecycle::stop`] makes no
    /// difference.
    pub async fn tend(&self) {
        self.0.tend().await;
    }

    /// Stops every instance, in the reverse order in which their keys first came up; a swap does not
    /// change a key's place. Nothing comes up any more, and changes under way are cut off.
    ///
    /// Waits for users until `deadline` has passed, then stops an instance all the same; each stop may
    /// take `lifecycle.cleanup_timeout` beyond that. Returns whether each was unused when it was stopped.
    /// Calling it again does no harm, and finishes what an earlier call left when it was given up.
    pub async fn stop(&self, deadline: Duration) -> bool {
        self.0.stop(deadline).await
    }

    /// Asks whatever is not stopped yet to stop, all at the same time and whoever uses it, and waits at most `limit`.
    /// How many had not stopped by then. For after [`Lifecycle::stop`] was given up.
    pub async fn cut(&self, limit: Duration) -> usize {
        self.0.cut(limit).await
    }
}

impl Inner {
    fn timeouts(&self) -> Timeouts {
        **self.timeouts.load()
    }

    fn register<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        let _one = self.registering.lock().unwrap_or_else(PoisonError::into_inner);
        let mut registry = Registry::clone(&self.registry.load());
        let answer = change(&mut registry);
        self.registry.store(Arc::new(registry));
        answer
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lifecycle").field("runtimes", &self.runtimes).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A destructor cannot wait for a stop; it can say that nobody asked for one.
        let left = self.inventory.len();
        if left > 0 {
            tracing::warn!(left, "components were dropped without a stop");
        }
    }
}

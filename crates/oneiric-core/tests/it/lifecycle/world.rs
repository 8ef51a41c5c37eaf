//! A lifecycle of probes, and a record of everything that happens in it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use oneiric_core::lifecycle::{Condition, LifecycleError, Parts, Status, Swap, Swapped, Timeouts};
use oneiric_core::{
    Allowlist, Descriptor, Domain, Factory, Handle, Key, Lifecycle, Provider, Query, Registry, Source,
};
use oneiric_testkit::ManualClock;

use super::probe::{Builds, Objector, Probe, Script, Settings, Shared};
pub(crate) use super::probe::{Does, Ping, Pong, Roles, yields};

pub(crate) const DOMAIN: Domain = Domain::ADAPTER;

pub(crate) fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

pub(crate) fn provider(text: &str) -> Provider {
    Provider::new(text).unwrap()
}

pub(crate) fn candidate(key: &str, provider: &str) -> Descriptor {
    Descriptor::new(
        DOMAIN,
        key.parse().unwrap(),
        provider.parse().unwrap(),
        Factory::new("builtin:probe"),
        Source::Manual,
    )
}

pub(crate) fn versioned(key: &str, provider: &str, version: &str) -> Descriptor {
    Descriptor { version: Some(version.to_owned()), ..candidate(key, provider) }
}

/// A lifecycle and everything that happened in it.
pub(crate) struct World {
    pub(crate) lifecycle: Lifecycle,
    pub(crate) clock: ManualClock,
    shared: Arc<Shared>,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("told", &self.told()).finish_non_exhaustive()
    }
}

impl World {
    pub(crate) fn new(candidates: impl IntoIterator<Item = Descriptor>) -> Self {
        Self::with(candidates, Timeouts::default())
    }

    pub(crate) fn with(candidates: impl IntoIterator<Item = Descriptor>, timeouts: Timeouts) -> Self {
        let shared = Arc::new(Shared::default());
        let mut registry = Registry::new();
        candidates.into_iter().for_each(|candidate| registry.register(candidate));
        let clock = shared.clock.clone();
        let lifecycle = Lifecycle::new(Parts {
            registry,
            runtimes: vec![Arc::new(Builds(Arc::clone(&shared)))],
            allowlist: Allowlist::default(),
            settings: Arc::new(Settings(Arc::clone(&shared))),
            hooks: vec![Arc::new(Objector(Arc::clone(&shared)))],
            timeouts,
            clock: Arc::new(clock.clone()),
        });
        *shared.lifecycle.lock().unwrap() = Some(lifecycle.clone());
        Self { lifecycle, clock, shared }
    }

    /// Candidates `old` (which wins) and `new` of the key `k`.
    pub(crate) fn of_two() -> Self {
        Self::new([candidate("k", "new"), Descriptor { priority: 1, ..candidate("k", "old") }])
    }

    pub(crate) fn script(&self, provider: &str, change: impl FnOnce(&mut Script)) {
        change(self.shared.scripts.lock().unwrap().entry(provider.to_owned()).or_default());
    }

    pub(crate) fn hook(&self, before: Does, after: Does) {
        *self.shared.hook.lock().unwrap() = (before, after);
    }

    pub(crate) async fn handle(&self, of: &str) -> Result<Handle<dyn Ping>, LifecycleError> {
        self.lifecycle.handle(&DOMAIN, &key(of), &Query::default()).await
    }

    pub(crate) async fn handle_by(&self, of: &str, by: &str) -> Result<Handle<dyn Ping>, LifecycleError> {
        self.lifecycle.handle(&DOMAIN, &key(of), &Query::of_provider(&provider(by))).await
    }

    pub(crate) async fn swap(&self, of: &str, to: &str) -> Result<Swapped, LifecycleError> {
        let to = provider(to);
        self.lifecycle.swap(&DOMAIN, &key(of), Swap { provider: Some(&to), force: false }).await
    }

    pub(crate) fn status(&self, of: &str) -> Status {
        let of = key(of);
        self.lifecycle.statuses().into_iter().find(|status| status.key == of).unwrap()
    }

    pub(crate) fn probes(&self) -> Vec<Arc<Probe>> {
        self.shared.probes.lock().unwrap().clone()
    }

    pub(crate) fn told(&self) -> Vec<String> {
        self.shared.told.lock().unwrap().clone()
    }

    /// How often each instance was asked to stop, in the order of building.
    pub(crate) fn stops(&self) -> Vec<usize> {
        self.probes().iter().map(|probe| probe.stops.load(SeqCst)).collect()
    }

    /// Nothing was used after its stop, stopped in use, or started or stopped twice.
    pub(crate) fn check(&self) {
        for probe in self.probes() {
            let (id, of) = (probe.id, &probe.descriptor.provider);
            assert_eq!(probe.late_calls.load(SeqCst), 0, "{id} of {of} was called after its stop");
            assert_eq!(probe.stops_in_use.load(SeqCst), 0, "{id} of {of} was stopped in use");
            assert!(probe.starts.load(SeqCst) <= 1, "{id} of {of} was started twice");
            assert!(probe.stops.load(SeqCst) <= 1, "{id} of {of} was stopped twice");
        }
    }

    /// As [`World::check`]; and all but these are stopped.
    pub(crate) fn check_only(&self, up: &[usize]) {
        self.check();
        for probe in self.probes() {
            let is_stopped = probe.is_stopped.load(SeqCst);
            assert_eq!(
                is_stopped,
                !up.contains(&probe.id),
                "instance {}, stops {:?}",
                probe.id,
                self.stops()
            );
        }
    }

    /// Lets what is under way go on, in virtual time.
    pub(crate) async fn while_tended<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            done = &mut work => done,
            () = self.lifecycle.tend() => unreachable!("it never returns"),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A component that resolves another holds the lifecycle that holds it.
        self.shared.lifecycle.lock().unwrap().take();
    }
}

/// The instance that serves.
pub(crate) fn serves(handle: &Handle<dyn Ping>) -> usize {
    handle.current().unwrap().probe().id
}

/// A status in which an instance of `by` serves.
pub(crate) fn is_ready(status: &Status, by: &str) {
    assert_eq!(status.state, Condition::Ready, "{status:?}");
    assert_eq!(status.current_provider, Some(provider(by)));
    assert_eq!(status.pending_provider, None);
}

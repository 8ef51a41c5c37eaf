//! A lifecycle whose components do what a test tells them to, and keep a record of what happens.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::lifecycle::{
    Change, Condition, Hook, LifecycleError, Parts, SettingsSource, Side, Status, Swap, Swapped, Timeouts,
};
use oneiric_core::{
    Allowlist, Blueprint, Clock as _, Component, ComponentRuntime, Descriptor, Domain, Factory, Fault,
    Handle, Instance, Key, Lifecycle, Provider, Query, Registry, Role, Source,
};
use oneiric_testkit::ManualClock;
use serde_json::{Map, Value, json};

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

/// What a step does when it comes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Does {
    #[default]
    Well,
    /// Comes back to the scheduler this many times before.
    Yields(usize),
    Takes(Duration),
    Fails,
    Panics,
    Hangs,
}

impl Does {
    async fn it(self, clock: &ManualClock) -> Result<(), Fault> {
        match self {
            Does::Well => Ok(()),
            Does::Yields(times) => {
                yields(times).await;
                Ok(())
            }
            Does::Takes(time) => {
                clock.sleep(time).await;
                Ok(())
            }
            Does::Fails => Err(Fault::permanent("told-to", "told to fail")),
            Does::Panics => panic!("told to panic"),
            Does::Hangs => std::future::pending().await,
        }
    }
}

/// Pending a number of times, with or without a runtime around it.
pub(crate) async fn yields(times: usize) {
    for _ in 0..times {
        let mut first = true;
        std::future::poll_fn(|cx| {
            if std::mem::take(&mut first) {
                cx.waker().wake_by_ref();
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        })
        .await;
    }
}

/// What a provider's components do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Script {
    pub(crate) settings: Does,
    pub(crate) build: Does,
    pub(crate) start: Does,
    pub(crate) health: Does,
    pub(crate) stop: Does,
    pub(crate) roles: Roles,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Roles {
    #[default]
    Ping,
    PingAndPong,
    Pong,
}

#[async_trait]
pub(crate) trait Ping: Send + Sync {
    fn probe(&self) -> &Probe;
    async fn call(&self, does: Does) -> Result<usize, Fault>;
}

impl Role for dyn Ping {
    const NAME: &'static str = "ping";
}

pub(crate) trait Pong: Send + Sync {
    fn pong(&self) -> usize;
}

impl Role for dyn Pong {
    const NAME: &'static str = "pong";
}

/// A component that counts.
#[derive(Debug)]
pub(crate) struct Probe {
    pub(crate) id: usize,
    pub(crate) descriptor: Arc<Descriptor>,
    pub(crate) settings: Map<String, Value>,
    pub(crate) stops: AtomicUsize,
    pub(crate) is_stopped: AtomicBool,
    starts: AtomicUsize,
    calls: AtomicUsize,
    late_calls: AtomicUsize,
    stops_in_use: AtomicUsize,
    script: Script,
    shared: Arc<Shared>,
}

struct InCall<'a>(&'a Probe);

impl Drop for InCall<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, SeqCst);
    }
}

#[async_trait]
impl Component for Probe {
    async fn start(&self) -> Result<(), Fault> {
        self.starts.fetch_add(1, SeqCst);
        self.shared.tell(format!("start {}", self.descriptor.key));
        self.script.start.it(&self.shared.clock).await?;
        let resolves = self.descriptor.metadata.get("resolves").and_then(Value::as_str);
        if let Some(other) = resolves {
            let lifecycle = self.shared.lifecycle.lock().unwrap().clone().unwrap();
            lifecycle.handle::<dyn Ping>(&DOMAIN, &key(other), &Query::default()).await?;
        }
        Ok(())
    }

    async fn health(&self) -> Result<(), Fault> {
        self.script.health.it(&self.shared.clock).await
    }

    async fn stop(&self) -> Result<(), Fault> {
        self.stops.fetch_add(1, SeqCst);
        self.stops_in_use.fetch_add(self.calls.load(SeqCst), SeqCst);
        self.shared.tell(format!("stop {}", self.descriptor.key));
        let done = self.script.stop.it(&self.shared.clock).await;
        self.is_stopped.store(true, SeqCst);
        done
    }
}

#[async_trait]
impl Ping for Probe {
    fn probe(&self) -> &Probe {
        self
    }

    async fn call(&self, does: Does) -> Result<usize, Fault> {
        self.calls.fetch_add(1, SeqCst);
        let _in_call = InCall(self);
        self.late_calls.fetch_add(self.stops.load(SeqCst), SeqCst);
        does.it(&self.shared.clock).await?;
        self.late_calls.fetch_add(self.stops.load(SeqCst), SeqCst);
        Ok(self.id)
    }
}

impl Pong for Probe {
    fn pong(&self) -> usize {
        self.id
    }
}

#[derive(Debug, Default)]
struct Shared {
    clock: ManualClock,
    scripts: Mutex<HashMap<String, Script>>,
    hook: Mutex<(Does, Does)>,
    probes: Mutex<Vec<Arc<Probe>>>,
    told: Mutex<Vec<String>>,
    lifecycle: Mutex<Option<Lifecycle>>,
}

impl Shared {
    fn tell(&self, line: String) {
        self.told.lock().unwrap().push(line);
    }

    fn script(&self, provider: &Provider) -> Script {
        self.scripts.lock().unwrap().get(provider.as_str()).copied().unwrap_or_default()
    }
}

#[derive(Debug)]
struct Builds(Arc<Shared>);

#[async_trait]
impl ComponentRuntime for Builds {
    fn name(&self) -> &'static str {
        "probes"
    }

    fn recognises(&self, descriptor: &Descriptor) -> bool {
        descriptor.factory.as_str() == "builtin:probe"
    }

    fn check(&self, _: &Blueprint) -> Result<(), Fault> {
        Ok(())
    }

    async fn build(&self, blueprint: &Blueprint) -> Result<Instance, Fault> {
        let script = self.0.script(&blueprint.descriptor.provider);
        script.build.it(&self.0.clock).await?;
        let mut probes = self.0.probes.lock().unwrap();
        let probe = Arc::new(Probe {
            id: probes.len(),
            descriptor: Arc::clone(&blueprint.descriptor),
            settings: blueprint.settings.clone(),
            stops: AtomicUsize::new(0),
            is_stopped: AtomicBool::new(false),
            starts: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            late_calls: AtomicUsize::new(0),
            stops_in_use: AtomicUsize::new(0),
            script,
            shared: Arc::clone(&self.0),
        });
        probes.push(Arc::clone(&probe));
        let instance = Instance::new(probe.clone());
        Ok(match script.roles {
            Roles::Ping => instance.plays::<dyn Ping>(probe),
            Roles::Pong => instance.plays::<dyn Pong>(probe),
            Roles::PingAndPong => instance.plays::<dyn Pong>(probe.clone()).plays::<dyn Ping>(probe),
        })
    }
}

struct Settings(Arc<Shared>);

#[async_trait]
impl SettingsSource for Settings {
    async fn settings(&self, descriptor: &Descriptor) -> Result<Map<String, Value>, Fault> {
        self.0.script(&descriptor.provider).settings.it(&self.0.clock).await?;
        let Value::Object(settings) = json!({"of": descriptor.provider.as_str()}) else { unreachable!() };
        Ok(settings)
    }

    fn masked(&self, _: &Descriptor) -> Map<String, Value> {
        Map::new()
    }
}

struct Objector(Arc<Shared>);

#[async_trait]
impl Hook for Objector {
    fn name(&self) -> &str {
        "objector"
    }

    async fn before(&self, change: &Change<'_>) -> Result<(), Fault> {
        self.0.tell(format!("before {}", change.key));
        let does = self.0.hook.lock().unwrap().0;
        does.it(&self.0.clock).await
    }

    async fn after(&self, change: &Change<'_>) -> Result<(), Fault> {
        self.0.tell(format!("after {}", change.key));
        let does = self.0.hook.lock().unwrap().1;
        does.it(&self.0.clock).await
    }

    async fn stopped(&self, gone: &Side<'_>) -> Result<(), Fault> {
        self.0.tell(format!("stopped {}", gone.descriptor.key));
        Ok(())
    }
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

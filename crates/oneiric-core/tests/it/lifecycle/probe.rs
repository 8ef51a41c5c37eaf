//! Components that do what a test tells them to, and count what is done to them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::lifecycle::{Change, Hook, SettingsSource, Side};
use oneiric_core::{
    Blueprint, Clock as _, Component, ComponentRuntime, Descriptor, Fault, Instance, Lifecycle, Provider,
    Query, Role,
};
use oneiric_testkit::ManualClock;
use serde_json::{Map, Value, json};

use super::world::{DOMAIN, key};

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
    /// Of its settings.
    pub(crate) edition: u64,
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
    pub(crate) starts: AtomicUsize,
    calls: AtomicUsize,
    pub(crate) late_calls: AtomicUsize,
    pub(crate) stops_in_use: AtomicUsize,
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
pub(crate) struct Shared {
    pub(crate) clock: ManualClock,
    pub(crate) scripts: Mutex<HashMap<String, Script>>,
    pub(crate) hook: Mutex<(Does, Does)>,
    pub(crate) probes: Mutex<Vec<Arc<Probe>>>,
    pub(crate) told: Mutex<Vec<String>>,
    pub(crate) lifecycle: Mutex<Option<Lifecycle>>,
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
pub(crate) struct Builds(pub(crate) Arc<Shared>);

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

pub(crate) struct Settings(pub(crate) Arc<Shared>);

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

    fn edition(&self, descriptor: &Descriptor) -> u64 {
        self.0.script(&descriptor.provider).edition
    }
}

pub(crate) struct Objector(pub(crate) Arc<Shared>);

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

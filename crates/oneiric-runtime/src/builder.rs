//! Puts an orchestrator together.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use oneiric_core::environment::names;
use oneiric_core::gate::{Gate, Pipeline};
use oneiric_core::lifecycle::{self, Hook, Lifecycle, NoSettings, SettingsSource, Timeouts};
use oneiric_core::linked::{Linked, PROVIDER};
use oneiric_core::roles::{LogSink, Task};
use oneiric_core::trust::Allowlist;
use oneiric_core::{
    Blueprint, BootId, Clock, ComponentRuntime, Environment, Fault, Instance, Key, Provider, Rng,
};
use oneiric_dag::{Executor, Observer, Parts};
use oneiric_store::{BootRecord, MemoryStore, Store};

use crate::bind;
use crate::bundle::{Bundle, ManifestFile};
use crate::catalog::{Catalog, Own};
use crate::error::Error;
use crate::linked::LinkedRuntime;
use crate::oneiric::Oneiric;
use crate::read::read_manifest;
use crate::run_log::together;
use crate::system::{SystemClock, SystemEnvironment, SystemRng};

/// The most nodes under way at a time in a process where nobody says otherwise. Enough for waiting on
/// hundreds of slow services; a limit at all, because each `exec:` node is a process.
pub const DEFAULT_MAX_PARALLEL: u32 = 256;

/// Puts an orchestrator together; see [`Oneiric::builder`].
pub struct Builder {
    runtimes: Vec<Arc<dyn ComponentRuntime>>,
    linked: LinkedRuntime,
    files: Vec<ManifestFile>,
    paths: Vec<PathBuf>,
    store: Where,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    environment: Arc<dyn Environment>,
    gate: Arc<dyn Gate>,
    logs: Vec<Arc<dyn LogSink>>,
    observer: Option<Arc<dyn Observer>>,
    max_parallel: u32,
    settings: Arc<dyn SettingsSource>,
    hooks: Vec<Arc<dyn Hook>>,
    timeouts: Timeouts,
}

enum Where {
    Memory,
    Given(Arc<dyn Store>),
    #[cfg(feature = "sqlite")]
    Folder(PathBuf),
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("manifests", &self.paths)
            .field("runtimes", &self.runtimes)
            .finish_non_exhaustive()
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            runtimes: Vec::new(),
            linked: LinkedRuntime::default(),
            files: Vec::new(),
            paths: Vec::new(),
            store: Where::Memory,
            clock: Arc::new(SystemClock::default()),
            rng: Arc::new(SystemRng),
            environment: Arc::new(SystemEnvironment),
            gate: Arc::new(Pipeline::standard()),
            logs: Vec::new(),
            observer: None,
            max_parallel: DEFAULT_MAX_PARALLEL,
            settings: Arc::new(NoSettings),
            hooks: Vec::new(),
            timeouts: Timeouts::default(),
        }
    }
}

impl Oneiric {
    /// Begins to put one together.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Adds component runtimes: `oneiric_adapters::enabled(..)`. Asked in the order of adding.
    #[must_use]
    pub fn with(mut self, runtimes: impl IntoIterator<Item = Arc<dyn ComponentRuntime>>) -> Self {
        self.runtimes.extend(runtimes);
        self
    }

    /// Links a component in, as if a manifest had named it; its factory's name, the key unless said,
    /// can be used in manifests, too.
    #[must_use]
    pub fn component(mut self, component: Linked) -> Self {
        self.linked.add(component);
        self
    }

    /// Links a task in: a struct, or [`task_fn`](oneiric_core::linked::task_fn) of a closure.
    #[must_use]
    pub fn task(self, key: Key, task: impl Task + 'static) -> Self {
        self.component(Linked::task(key, task))
    }

    /// Names a function that manifest entries may use as their factory.
    #[must_use]
    pub fn factory(
        mut self,
        name: impl Into<String>,
        make: impl Fn(&Blueprint) -> Result<Instance, Fault> + Send + Sync + 'static,
    ) -> Self {
        self.linked.factory(name.into(), Arc::new(make));
        self
    }

    /// Adds a workflow whose graph is made in code: upstream's `dag`, for example
    /// `json!({"nodes": [{"id": "a", "task": "greet"}]})`. It is kept with its runs like a manifest.
    #[must_use]
    pub fn workflow(self, key: &Key, dag: &serde_json::Value) -> Self {
        let entry = serde_json::json!({
            "domain": "workflow", "key": key, "provider": PROVIDER, "factory": key, "dag": dag,
        });
        let manifest = serde_json::json!({ "source": PROVIDER, "entries": [entry] });
        self.manifest_text(format!("{key} (in code).json"), manifest.to_string().into_bytes())
    }

    /// Adds a manifest file; read by [`Builder::start`].
    #[must_use]
    pub fn manifest(mut self, path: impl Into<PathBuf>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Adds a manifest from memory, behind those from files.
    #[must_use]
    pub fn manifest_text(mut self, name: impl Into<String>, text: impl Into<Arc<[u8]>>) -> Self {
        self.files.push(ManifestFile::new(name, text));
        self
    }

    /// Keeps state in a folder; without it, state is in memory and ends with the process.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn state_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.store = Where::Folder(path.into());
        self
    }

    /// Keeps state in a store that the caller opened.
    #[must_use]
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Where::Given(store);
        self
    }

    /// Time; the system's clocks unless said.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Chance; the system's generator unless said.
    #[must_use]
    pub fn rng(mut self, rng: Arc<dyn Rng>) -> Self {
        self.rng = rng;
        self
    }

    /// Where variables are read from; the process environment unless said.
    #[must_use]
    pub fn environment(mut self, environment: Arc<dyn Environment>) -> Self {
        self.environment = environment;
        self
    }

    /// Decides every start; the standard pipeline unless said.
    #[must_use]
    pub fn gate(mut self, gate: Arc<dyn Gate>) -> Self {
        self.gate = gate;
        self
    }

    /// Adds a place where tasks' lines go, beside the run's own log in the state folder.
    #[must_use]
    pub fn log(mut self, log: Arc<dyn LogSink>) -> Self {
        self.logs.push(log);
        self
    }

    /// Who is told of every durable change.
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// The most nodes under way at a time over all runs, at least 1; [`DEFAULT_MAX_PARALLEL`] unless
    /// said.
    #[must_use]
    pub fn max_parallel(mut self, count: u32) -> Self {
        self.max_parallel = count.max(1);
        self
    }

    /// Where the settings of providers come from; none unless said.
    #[must_use]
    pub fn provider_settings(mut self, settings: Arc<dyn SettingsSource>) -> Self {
        self.settings = settings;
        self
    }

    /// Adds one who is asked around every swap.
    #[must_use]
    pub fn hook(mut self, hook: Arc<dyn Hook>) -> Self {
        self.hooks.push(hook);
        self
    }

    /// How long the steps of a component's life may take; upstream's numbers unless said.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Reads and checks the manifests; opens and creates nothing yet.
    ///
    /// # Errors
    /// [`Error`] of the manifests or the environment.
    pub fn load(mut self) -> Result<Loaded, Error> {
        let mut files = self.paths.iter().map(|path| read_manifest(path)).collect::<Result<Vec<_>, _>>()?;
        files.append(&mut self.files);
        let own = Own {
            offered: self.runtimes.iter().flat_map(|runtime| runtime.offers()).collect(),
            linked: self.linked.descriptors(),
        };
        let catalog = Catalog::load_beside(&own, Bundle { files })?;
        let allowlist = self.environment.get(names::FACTORY_ALLOWLIST);
        let mut runtimes = std::mem::take(&mut self.runtimes);
        // Asked last: it answers for every bare name, so that an unknown one is told with the nearest.
        runtimes.push(Arc::new(std::mem::take(&mut self.linked)));
        let lifecycle = Lifecycle::new(lifecycle::Parts {
            registry: catalog.registry().clone(),
            runtimes,
            allowlist: Allowlist::parse(allowlist.as_deref()),
            settings: Arc::clone(&self.settings),
            hooks: std::mem::take(&mut self.hooks),
            timeouts: self.timeouts,
            clock: Arc::clone(&self.clock),
        });
        Ok(Loaded { catalog, lifecycle, own, builder: self })
    }

    /// [`Builder::load`] and [`Loaded::start`] in one.
    ///
    /// # Errors
    /// [`Error`] of the manifests, the environment or the store.
    pub async fn start(self) -> Result<Oneiric, Error> {
        self.load()?.start().await
    }
}

/// An orchestrator whose manifests are read and whose store is not open yet: what is wrong with a
/// workflow can be found before anything is created.
#[derive(Debug)]
pub struct Loaded {
    catalog: Catalog,
    lifecycle: Lifecycle,
    own: Own,
    builder: Builder,
}

impl Loaded {
    /// What the manifests say.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Whether a workflow could run: its graph, its tasks, their factories. Builds nothing.
    ///
    /// # Errors
    /// The first [`Error`] that running it would meet before anything runs.
    pub fn check(&self, workflow: &Key, provider: Option<&Provider>) -> Result<(), Error> {
        bind::check(&self.lifecycle, &self.catalog, workflow, provider)
    }

    /// Opens the store and announces this process on it.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn start(self) -> Result<Oneiric, Error> {
        let Self { catalog, lifecycle, own, builder } = self;
        #[cfg(feature = "sqlite")]
        let state_dir = match &builder.store {
            Where::Folder(path) => Some(path.clone()),
            Where::Memory | Where::Given(_) => None,
        };
        let (store, own_log): (Arc<dyn Store>, Option<Arc<dyn LogSink>>) = match builder.store {
            Where::Memory => (Arc::new(MemoryStore::new()), None),
            Where::Given(store) => (store, None),
            #[cfg(feature = "sqlite")]
            Where::Folder(path) => {
                let log = crate::run_log::RunLog::new(&path, Arc::clone(&builder.clock));
                let store = crate::open_store(&path, oneiric_store::sqlite::Options::default())?;
                (Arc::new(store.expect("a writer creates what is missing")), Some(Arc::new(log)))
            }
        };
        let (rng, now) = (builder.rng, builder.clock.now());
        let boot = BootId::from_uuid(uuid::Uuid::from_u64_pair(rng.next_u64(), rng.next_u64()));
        store
            .enter(BootRecord {
                id: boot,
                host: crate::system::host(),
                pid: std::process::id(),
                started_at: now,
                beat_at: now,
                ended_at: None,
            })
            .await?;
        let executor = Executor::new(Parts {
            store,
            clock: builder.clock,
            rng,
            gate: builder.gate,
            log: together(builder.logs.into_iter().chain(own_log).collect()),
            observer: builder.observer,
            boot,
            max_parallel: builder.max_parallel,
        });
        let oneiric = Oneiric::new(catalog, lifecycle, executor, own);
        #[cfg(feature = "sqlite")]
        if let Some(state_dir) = state_dir {
            oneiric.listen(&state_dir);
        }
        Ok(oneiric)
    }
}

//! Puts an orchestrator together.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use oneiric_core::environment::names;
use oneiric_core::gate::{Gate, Pipeline};
use oneiric_core::roles::{LogSink, Task};
use oneiric_core::settings::Settings;
use oneiric_core::trust::Allowlist;
use oneiric_core::{BootId, Clock, ComponentRuntime, Environment, Key, Provider, Rng};
use oneiric_dag::{Executor, Observer, Parts};
use oneiric_store::{BootRecord, MemoryStore, Store};

use crate::bind::{Binder, Linked, register_linked};
use crate::bundle::{Bundle, ManifestFile};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::oneiric::Oneiric;
use crate::read::read_manifest;
use crate::run_log::together;
use crate::system::{SystemClock, SystemEnvironment, SystemRng};

/// Puts an orchestrator together; see [`Oneiric::builder`].
pub struct Builder {
    runtimes: Vec<Arc<dyn ComponentRuntime>>,
    linked: Linked,
    files: Vec<ManifestFile>,
    paths: Vec<PathBuf>,
    store: Where,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    environment: Arc<dyn Environment>,
    gate: Arc<dyn Gate>,
    logs: Vec<Arc<dyn LogSink>>,
    observer: Option<Arc<dyn Observer>>,
    max_parallel: Option<u32>,
    settings: Settings,
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
            linked: Linked::default(),
            files: Vec::new(),
            paths: Vec::new(),
            store: Where::Memory,
            clock: Arc::new(SystemClock::default()),
            rng: Arc::new(SystemRng),
            environment: Arc::new(SystemEnvironment),
            gate: Arc::new(Pipeline::standard()),
            logs: Vec::new(),
            observer: None,
            max_parallel: None,
            settings: Settings::default(),
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

    /// Links a task in under a key, as if a manifest had named it.
    #[must_use]
    pub fn task(mut self, key: Key, task: Arc<dyn Task>) -> Self {
        self.linked.0.insert(key, task);
        self
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

    /// Settings: their selections decide between candidates, and what the builder is not told otherwise
    /// follows from them. The defaults unless said.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// The most nodes under way at a time over all runs, at least 1; `execution.max_parallel` of the
    /// settings unless said.
    #[must_use]
    pub fn max_parallel(mut self, count: u32) -> Self {
        self.max_parallel = Some(count.max(1));
        self
    }

    /// Reads and checks the manifests; opens and creates nothing yet.
    ///
    /// # Errors
    /// [`Error`] of the manifests or the environment.
    pub fn load(mut self) -> Result<Loaded, Error> {
        let mut files = self.paths.iter().map(|path| read_manifest(path)).collect::<Result<Vec<_>, _>>()?;
        files.append(&mut self.files);
        let mut catalog = Catalog::load(Bundle { files })?;
        let linked: Vec<_> = self.linked.0.keys().cloned().collect();
        register_linked(&mut catalog, &linked);
        catalog.select(&self.settings);
        let allowlist = self.environment.get(names::FACTORY_ALLOWLIST);
        let allowlist = Allowlist::parse(allowlist.as_deref());
        let mut runtimes: Vec<Arc<dyn ComponentRuntime>> = vec![Arc::new(std::mem::take(&mut self.linked))];
        runtimes.append(&mut self.runtimes);
        Ok(Loaded { catalog, binder: Binder::new(runtimes, allowlist), linked, builder: self })
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
    binder: Binder,
    linked: Vec<Key>,
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
        self.binder.check(&self.catalog, workflow, provider)
    }

    /// Opens the store and announces this process on it.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn start(self) -> Result<Oneiric, Error> {
        let Self { catalog, binder, linked, builder } = self;
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
            max_parallel: builder.max_parallel.unwrap_or(builder.settings.execution.max_parallel).max(1),
        });
        Ok(Oneiric::new(catalog, binder, executor, linked, builder.settings))
    }
}

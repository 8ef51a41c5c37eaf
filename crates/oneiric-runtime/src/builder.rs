//! Puts an orchestrator together.

mod linking;
mod loaded;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use oneiric_core::environment::names;
use oneiric_core::gate::{Gate, Pipeline};
use oneiric_core::id::IdError;
use oneiric_core::lifecycle::{self, Hook, Lifecycle, SettingsSource, Timeouts};
use oneiric_core::probe::Prober;
use oneiric_core::roles::LogSink;
use oneiric_core::secret::Secrets;
use oneiric_core::settings::Settings;
use oneiric_core::trust::Allowlist;
use oneiric_core::{Clock, ComponentRuntime, Descriptor, Environment, Rng};
use oneiric_dag::Observer;
use oneiric_store::Store;

pub use loaded::Loaded;

use crate::bundle::{Bundle, ManifestFile};
use crate::catalog::{Catalog, Own};
use crate::error::Error;
use crate::linked::LinkedRuntime;
use crate::oneiric::Oneiric;
use crate::read::read_manifest;
use crate::reload::Sources;
use crate::secrets::FromSettings;
use crate::system::{SystemClock, SystemEnvironment, SystemRng};

/// Puts an orchestrator together; see [`Oneiric::builder`].
pub struct Builder {
    runtimes: Vec<Arc<dyn ComponentRuntime>>,
    linked: LinkedRuntime,
    allowed: Vec<String>,
    // How many handlers were linked in without a key.
    unnamed: usize,
    // The first text that was given for a name and is none; told when the builder can tell.
    wrong: Option<IdError>,
    files: Vec<ManifestFile>,
    // Of workflows that were made in code: behind all others.
    code: Vec<ManifestFile>,
    paths: Vec<PathBuf>,
    store: Where,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    environment: Arc<dyn Environment>,
    gate: Arc<dyn Gate>,
    logs: Vec<Arc<dyn LogSink>>,
    observer: Option<Arc<dyn Observer>>,
    max_parallel: Option<u32>,
    serves: bool,
    services: bool,
    prober: Option<Arc<dyn Prober>>,
    health_paths: Vec<PathBuf>,
    settings: Settings,
    secrets: Option<Secrets>,
    provider_settings: Option<Arc<dyn SettingsSource>>,
    hooks: Vec<Arc<dyn Hook>>,
    timeouts: Option<Timeouts>,
    sources: Option<Arc<dyn Sources>>,
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
            allowed: Vec::new(),
            unnamed: 0,
            wrong: None,
            files: Vec::new(),
            code: Vec::new(),
            paths: Vec::new(),
            store: Where::Memory,
            clock: Arc::new(SystemClock::default()),
            rng: Arc::new(SystemRng),
            environment: Arc::new(SystemEnvironment),
            gate: Arc::new(Pipeline::standard()),
            logs: Vec::new(),
            observer: None,
            max_parallel: None,
            serves: true,
            services: false,
            prober: None,
            health_paths: Vec::new(),
            settings: Settings::default(),
            secrets: None,
            provider_settings: None,
            hooks: Vec::new(),
            timeouts: None,
            sources: None,
        }
    }
}

impl Oneiric {
    /// Begins to put one together. Nothing is needed but what is to run.
    ///
    /// ```
    /// use oneiric_core::Fault;
    /// use oneiric_core::linked::task_fn;
    /// use oneiric_runtime::{Oneiric, RunRequest};
    /// use serde_json::json;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let oneiric = Oneiric::builder()
    ///     .task("double", task_fn(|n: u64| async move { Ok::<_, Fault>(2 * n) }))
    ///     .workflow("twice", &json!({"nodes": [
    ///         {"id": "a", "task": "double"},
    ///         {"id": "b", "task": "double", "depends_on": ["a"], "payload": "${{ nodes.a.output }}"},
    ///     ]}))
    ///     .start()
    ///     .await?;
    /// let run = oneiric.run(RunRequest::of("twice", &5)?).await?;
    /// assert_eq!(run.completed().await?.output::<u64>("b")?, 20);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
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

    /// Whether it takes over what dead processes leave and what is submitted, without being asked; it
    /// does unless said. Of no account where state is in memory.
    #[must_use]
    pub fn serve(mut self, serves: bool) -> Self {
        self.serves = serves;
        self
    }

    /// Whether it starts services and keeps them up, where no other process on the same state folder does; it
    /// does not unless said. Nor does it where the settings or their profile turn the supervisor off.
    #[must_use]
    pub fn services(mut self, keeps: bool) -> Self {
        self.services = keeps;
        self
    }

    /// Who puts the questions of probes to programs and addresses. Without one, services can only be asked
    /// themselves.
    #[must_use]
    pub fn prober(mut self, prober: Arc<dyn Prober>) -> Self {
        self.prober = Some(prober);
        self
    }

    /// Keeps a snapshot of its health in this file, too; see [`crate::health::Snapshot`]. One that serves a state folder
    /// has one in there. Folders are made where they are missing.
    #[must_use]
    pub fn health_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.health_paths.push(path.into());
        self
    }

    /// Where secrets come from: `oneiric_adapters::secrets::chain(..)`; the inline values of the settings
    /// unless said.
    #[must_use]
    pub fn secrets(mut self, secrets: Secrets) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// Where the settings of providers come from; `provider_settings` of the settings, with secrets from
    /// the chain, unless said.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use oneiric_core::Descriptor;
    /// # use oneiric_runtime::Oneiric;
    /// # use serde_json::json;
    /// let settings = |candidate: &Descriptor| match candidate.provider.as_str() {
    ///     "jinja" => [("folder".to_owned(), json!("templates"))].into_iter().collect(),
    ///     _ => serde_json::Map::new(),
    /// };
    /// let builder = Oneiric::builder().provider_settings(Arc::new(settings));
    /// ```
    #[must_use]
    pub fn provider_settings(mut self, settings: Arc<dyn SettingsSource>) -> Self {
        self.provider_settings = Some(settings);
        self
    }

    /// Where manifests and settings are read again, by [`Oneiric::reread`] and, as far as the profile has
    /// `watchers_enabled`, when one of their files changes. What is there to begin with is said as ever: by
    /// [`Builder::manifest`] and [`Builder::settings`].
    #[must_use]
    pub fn sources(mut self, sources: Arc<dyn Sources>) -> Self {
        self.sources = Some(sources);
        self
    }

    /// Adds one who is asked around every swap.
    #[must_use]
    pub fn hook(mut self, hook: Arc<dyn Hook>) -> Self {
        self.hooks.push(hook);
        self
    }

    /// How long the steps of a component's life may take; section `lifecycle` of the settings unless said.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = Some(timeouts);
        self
    }

    /// Reads and checks the manifests; opens and creates nothing yet.
    ///
    /// # Errors
    /// [`Error`] of the manifests or the environment.
    pub fn load(mut self) -> Result<Loaded, Error> {
        if let Some(error) = self.wrong.take() {
            return Err(error.into());
        }
        #[cfg(feature = "watch")]
        let seen = {
            let watched = self.sources.as_ref().filter(|_| self.settings.profile.watchers_enabled);
            watched.map(|sources| crate::watch::seen(&**sources))
        };
        let mut files = self.paths.iter().map(|path| read_manifest(path)).collect::<Result<Vec<_>, _>>()?;
        files.append(&mut self.files);
        files.extend(self.code.iter().cloned());
        let own = Own {
            code: std::mem::take(&mut self.code),
            offered: self.runtimes.iter().flat_map(|runtime| runtime.offers()).map(behind_all).collect(),
            linked: self.linked.descriptors(),
        };
        let mut catalog = Catalog::load_beside(&own, Bundle { files })?;
        catalog.check_triggers()?;
        catalog.check_services()?;
        if self.services {
            catalog.check_probes(self.prober.as_deref())?;
        }
        catalog.select(&self.settings);
        let settings = std::mem::take(&mut self.settings);
        let secrets = self.secrets.take().unwrap_or_else(|| inline(&settings, &self.clock));
        let provider_settings = self.provider_settings.take();
        let timeouts = self.timeouts.unwrap_or_else(|| settings.lifecycle.timeouts());
        self.max_parallel = self.max_parallel.or(Some(settings.execution.max_parallel));
        let secrecy = Arc::new(FromSettings::new(settings, secrets));
        let allowlist = self.environment.get(names::FACTORY_ALLOWLIST);
        let mut runtimes = std::mem::take(&mut self.runtimes);
        // Asked last: it answers for every bare name, so that an unknown one is told with the nearest.
        runtimes.push(Arc::new(std::mem::take(&mut self.linked)));
        let lifecycle = Lifecycle::new(lifecycle::Parts {
            registry: catalog.registry().clone(),
            runtimes,
            allowlist: Allowlist::parse(allowlist.as_deref()).and(std::mem::take(&mut self.allowed)),
            settings: provider_settings.unwrap_or_else(|| Arc::clone(&secrecy) as Arc<dyn SettingsSource>),
            hooks: std::mem::take(&mut self.hooks),
            timeouts,
            clock: Arc::clone(&self.clock),
        });
        Ok(Loaded {
            catalog,
            lifecycle,
            own,
            secrecy,
            builder: self,
            #[cfg(feature = "watch")]
            seen,
        })
    }

    /// [`Builder::load`] and [`Loaded::start`] in one.
    ///
    /// # Errors
    /// [`Error`] of the manifests, the environment or the store.
    pub async fn start(self) -> Result<Oneiric, Error> {
        self.load()?.start().await
    }
}

/// What a runtime brings along is there for who names nothing else: it ranks behind the lowest that a
/// manifest may say.
fn behind_all(offered: Descriptor) -> Descriptor {
    const LOWEST: (i32, i32) = (-1000, -100);
    let (priority, stack_level) = LOWEST;
    Descriptor { priority, stack_level, ..offered }
}

/// The chain of an embedder who names none: the inline values.
fn inline(settings: &Settings, clock: &Arc<dyn Clock>) -> Secrets {
    let kept = &settings.secrets;
    Secrets::builder(Arc::clone(clock))
        .inline(kept.inline.clone())
        .ttl(kept.cache_ttl_seconds.duration())
        .refresh(kept.refresh_interval.map(|every| every.duration()))
        .build()
}

//! Between reading manifests and opening the store.

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::gate::Gate;
use oneiric_core::roles::LogSink;
use oneiric_core::{BootId, Descriptor, Domain, Key, Lifecycle, Provider};
use oneiric_dag::{Executor, Parts};
use oneiric_events::{Courier, CourierParts, Dispatcher};
use oneiric_store::{BootRecord, Lease, MemoryStore, Store};
use oneiric_supervisor::supervisor::{Lines, NoLines};
use oneiric_supervisor::{Activity, supervisor};

use super::{Builder, Where};
use crate::bind;
use crate::breakers::{Behind, Breakers};
use crate::catalog::{Catalog, Own};
use crate::error::Error;
use crate::guarded::Guarded;
use crate::oneiric::{self, Oneiric};
use crate::reload::Reloading;
use crate::request::RunOptions;
use crate::run_log::together;
use crate::secrets::FromSettings;
use crate::services::{Services, roster};

/// A shorter lease would be lost to every hiccup of a disk.
const SHORTEST_LEASE: Duration = Duration::from_millis(500);

/// An orchestrator whose manifests are read and whose store is not open yet: what is wrong with a
/// workflow can be found before anything is created.
#[derive(Debug)]
pub struct Loaded {
    pub(super) catalog: Catalog,
    pub(super) lifecycle: Lifecycle,
    pub(super) own: Own,
    pub(super) secrecy: Arc<FromSettings>,
    pub(super) builder: Builder,
    /// What the sources held in front of the manifests that were read.
    #[cfg(feature = "watch")]
    pub(super) seen: Option<oneiric_core::Digest>,
}

impl Loaded {
    /// What the manifests say.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The same, for those who only read.
    pub fn into_catalog(self) -> Catalog {
        self.catalog
    }

    /// Whether a workflow could run: its graph, its tasks, their factories. Builds nothing.
    ///
    /// # Errors
    /// The first [`Error`] that running it would meet before anything runs.
    pub fn check(&self, workflow: &Key, provider: Option<&Provider>) -> Result<(), Error> {
        bind::check(&self.lifecycle, &self.catalog, workflow, provider)
    }

    /// What is wrong with the candidates that serve their keys: workflows as [`Loaded::check`] sees them, all others as
    /// far as they could be built. Builds nothing.
    pub fn check_all(&self) -> Vec<(Arc<Descriptor>, Error)> {
        let registry = self.catalog.registry();
        let active = registry.domains().flat_map(|domain| registry.active(domain));
        let checked = active.map(|candidate| {
            let descriptor = candidate.descriptor();
            let outcome = if descriptor.domain == Domain::WORKFLOW {
                self.check(&descriptor.key, Some(&descriptor.provider))
            } else {
                self.lifecycle.check(descriptor).map_err(Error::from)
            };
            (Arc::clone(descriptor), outcome)
        });
        checked.filter_map(|(descriptor, outcome)| Some((descriptor, outcome.err()?))).collect()
    }

    /// Brings up the components of a workflow before anything is opened: whatever [`Loaded::check`] does
    /// not see is found here, such as a Python module that is not there. Where one fails, what came up
    /// is stopped again.
    ///
    /// # Errors
    /// The first [`Error`] that running it would meet before its first node starts.
    pub async fn bring_up(&self, workflow: &Key, options: &RunOptions) -> Result<(), Error> {
        let bound = bind::program(&self.lifecycle, &self.catalog, workflow, options).await;
        if bound.is_err() {
            self.lifecycle.stop(Duration::ZERO).await;
        }
        bound.map(|_| ())
    }

    /// Opens the store and announces this process on it.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn start(self) -> Result<Oneiric, Error> {
        let lifecycle = self.lifecycle.clone();
        let started = self.open().await;
        if started.is_err() {
            // What was brought up before has no owner otherwise.
            lifecycle.stop(Duration::ZERO).await;
        }
        started
    }

    async fn open(self) -> Result<Oneiric, Error> {
        #[cfg(feature = "watch")]
        let seen = self.seen;
        let Self { catalog, lifecycle, own, secrecy, builder, .. } = self;
        #[cfg(feature = "sqlite")]
        let state_dir = match &builder.store {
            Where::Folder(path) => Some(path.clone()),
            Where::Memory | Where::Given(_) => None,
        };
        let mut health_paths = builder.health_paths;
        #[cfg(feature = "sqlite")]
        if let Some(state_dir) = state_dir.as_ref().filter(|_| builder.serves) {
            // In front: two paths may name one file.
            health_paths.insert(0, state_dir.join(crate::health::SNAPSHOT));
        }
        health_paths.dedup();
        // Nobody else can open what is in this process's memory.
        let shared = !matches!(builder.store, Where::Memory);
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
        let settings = secrecy.settings();
        let execution = &settings.execution;
        let record = BootRecord {
            lease_ms: u64::try_from(execution.lease_seconds.duration().max(SHORTEST_LEASE).as_millis())
                .unwrap_or(u64::MAX),
            serves: builder.serves && shared,
            ..BootRecord::new(boot, crate::system::host(), std::process::id(), now)
        };
        store.enter(record.clone()).await?;
        let lease = if shared {
            let lease = Lease::new(record, Arc::clone(&builder.clock));
            lease.start(Arc::clone(&store))?;
            lease
        } else {
            Lease::alone(boot, Arc::clone(&builder.clock))
        };
        let breakers = Breakers::new(
            Arc::clone(&store),
            Arc::clone(&builder.clock),
            Arc::clone(&rng),
            Arc::clone(&secrecy),
        );
        let (closed, opened) = (breakers.closed(), breakers.opened());
        let gate = Arc::new(Behind { gate: builder.gate, breakers });
        let activity = Activity::default();
        let gate = Arc::new(Guarded { activity: activity.clone(), gate });
        let dispatcher = Dispatcher::new(oneiric_events::Parts {
            clock: Arc::clone(&builder.clock),
            rng: Arc::clone(&rng),
            gate: Arc::clone(&gate) as Arc<dyn Gate>,
        });
        let courier = Courier::new(
            dispatcher,
            CourierParts {
                store: Arc::clone(&store),
                lease: Arc::clone(&lease),
                in_hand: settings.event_delivery.in_hand.max(1) as usize,
                max_deliveries: settings.execution.max_deliveries,
            },
        );
        #[cfg(feature = "sqlite")]
        let lines: Arc<dyn Lines> = match &state_dir {
            Some(path) => Arc::new(crate::ServiceLog::new(path, Arc::clone(&builder.clock))),
            None => Arc::new(NoLines),
        };
        #[cfg(not(feature = "sqlite"))]
        let lines: Arc<dyn Lines> = Arc::new(NoLines);
        let parts = supervisor::Parts {
            lifecycle: lifecycle.clone(),
            activity: activity.clone(),
            prober: builder.prober,
            lines,
            clock: Arc::clone(&builder.clock),
        };
        let services = Services::new(parts, &roster(&lifecycle.registry())?);
        let executor = Executor::new(Parts {
            store,
            clock: builder.clock,
            rng,
            gate,
            log: together(builder.logs.into_iter().chain(own_log).collect()),
            observer: builder.observer,
            lease,
            max_parallel: builder.max_parallel.unwrap_or(settings.execution.max_parallel).max(1),
        });
        let reloads = Reloading::new(builder.sources, builder.timeouts.is_some());
        let parts = oneiric::Parts {
            catalog,
            lifecycle,
            executor,
            courier,
            activity,
            own,
            secrecy,
            services,
            reloads,
        };
        let oneiric = Oneiric::new(parts);
        oneiric.reload_held();
        oneiric.declare()?;
        oneiric.let_go(closed);
        oneiric.report_also(opened);
        #[cfg(feature = "sqlite")]
        if let Some(state_dir) = state_dir {
            oneiric.listen(&state_dir);
        }
        if shared {
            // Behind the listening, in front of all work: what is said from here on is heard.
            oneiric.heed().await?;
            oneiric.obey();
        }
        if builder.serves {
            oneiric.take_events();
            oneiric.keep_windows();
            oneiric.tidy();
        }
        if builder.serves && shared {
            oneiric.tend();
        }
        #[cfg(feature = "watch")]
        oneiric.watch(seen);
        if !health_paths.is_empty() {
            oneiric.keep_snapshot(health_paths);
        }
        oneiric.keep_services(builder.services);
        Ok(oneiric)
    }
}

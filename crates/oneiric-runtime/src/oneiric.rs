//! The live orchestrator.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use oneiric_core::settings::Settings;
use oneiric_core::{Clock, Digest, Lifecycle, Rng, RunId, Timestamp};
use oneiric_dag::{Executor, Launch, Plan, Program, RunHandle};
use oneiric_events::{Courier, Dispatcher};
use oneiric_store::{Batch, Claim, CommitError, Op, Refusal, RunRecord, Store, UnknownNodes};
use oneiric_supervisor::Activity;

use crate::bind;
use crate::bundle::Bundle;
use crate::catalog::{Catalog, Own};
use crate::error::Error;
use crate::events::windows::Windows;
use crate::health::Health;
use crate::phase::Phases;
use crate::presence::Presence;
use crate::reload::Reloading;
use crate::request::{RunOptions, RunRequest};
use crate::secrets::{self, FromSettings};
use crate::services::Services;
use crate::shelf::Shelf;

/// The most runs that one recovery takes at a time.
const RECOVERY_PAGE: usize = 256;

/// The live orchestrator. A clone is the same one.
///
/// [`Oneiric::shutdown`] is how it ends. Where the last clone is only dropped, nothing of it stays
/// behind but the runs under way, which go on for as long as the tokio runtime does; components are
/// dropped without being stopped.
#[derive(Debug, Clone)]
pub struct Oneiric(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    // What new runs and events go by: replaced as a whole.
    pub(crate) edition: ArcSwap<Edition>,
    // Held while candidates are turned into subscriptions, so that the latest candidates win.
    pub(crate) rebuilding: std::sync::Mutex<()>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) executor: Executor,
    pub(crate) dispatcher: Dispatcher,
    pub(crate) courier: Courier,
    // Asked by the gate, told by the store.
    activity: Activity,
    // Held while what operators said is read and put to use.
    pub(crate) rereading: tokio::sync::Mutex<()>,
    // For catalogs that are read back from the store.
    own: Own,
    shelf: Shelf,
    secrecy: Arc<FromSettings>,
    pub(crate) reloads: Reloading,
    // What triggers keep of events.
    pub(crate) windows: Arc<Windows>,
    // Who waits for events to be accepted.
    pub(crate) logged: tokio::sync::Notify,
    pub(crate) phases: Phases,
    pub(crate) services: Services,
    pub(crate) health: Health,
    // What goes on beside the runs.
    pub(crate) presence: Presence,
}

/// What it is assembled from.
pub(crate) struct Parts {
    pub(crate) catalog: Catalog,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) executor: Executor,
    pub(crate) courier: Courier,
    pub(crate) activity: Activity,
    pub(crate) own: Own,
    pub(crate) secrecy: Arc<FromSettings>,
    pub(crate) services: Services,
    pub(crate) reloads: Reloading,
}

/// The manifests that count for new runs and events.
#[derive(Debug)]
pub(crate) struct Edition {
    pub(crate) catalog: Arc<Catalog>,
    /// Of their bundle.
    pub(crate) digest: Digest,
    /// Its place among those of the process, with the settings that count beside it; the first one is 1.
    pub(crate) number: u64,
    /// When it began to count.
    pub(crate) since: Timestamp,
}

impl Edition {
    /// The first one.
    pub(crate) fn of(catalog: Catalog, since: Timestamp) -> Self {
        Self { digest: catalog.bundle().blobs().0, catalog: Arc::new(catalog), number: 1, since }
    }
}

impl Oneiric {
    /// Must be called inside of a tokio runtime.
    pub(crate) fn new(parts: Parts) -> Self {
        let Parts { catalog, lifecycle, executor, courier, activity, own, secrecy, services, reloads } =
            parts;
        let clock = Arc::clone(&executor.parts().clock);
        let since = clock.now();
        let health = Health::new(&*clock);
        let work = secrets::housekeeping(lifecycle.clone(), Arc::clone(&secrecy), clock);
        let presence = Presence::default();
        presence.spawn(work);
        Self(Arc::new(Inner {
            shelf: Shelf::default(),
            edition: ArcSwap::from_pointee(Edition::of(catalog, since)),
            rebuilding: std::sync::Mutex::default(),
            lifecycle,
            executor,
            dispatcher: courier.dispatcher().clone(),
            courier,
            activity,
            rereading: tokio::sync::Mutex::default(),
            own,
            secrecy,
            reloads,
            windows: Arc::default(),
            logged: tokio::sync::Notify::new(),
            phases: Phases::default(),
            services,
            health,
            presence,
        }))
    }

    /// The components in service.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.0.executor
    }

    /// Whether components take work, and how much of it is in flight here.
    pub(crate) fn activities(&self) -> &Activity {
        &self.0.activity
    }

    /// The settings, and the chain that their secrets come from.
    pub(crate) fn secrecy(&self) -> &FromSettings {
        &self.0.secrecy
    }

    /// What the manifests say now: those that were read last.
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.0.edition.load().catalog)
    }

    /// The candidates of this process that stand in no manifest file.
    pub(crate) fn own(&self) -> &Own {
        &self.0.own
    }

    /// Catalogs that runs were planned from.
    pub(crate) fn shelf(&self) -> &Shelf {
        &self.0.shelf
    }

    /// The settings that count now: those that it was built with, or of the last reload.
    pub fn settings(&self) -> Arc<Settings> {
        self.0.secrecy.settings()
    }

    /// Where everything durable goes.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.executor.parts().store
    }

    /// The time that it goes by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.executor.parts().clock
    }

    /// Where its chance comes from.
    pub fn rng(&self) -> &Arc<dyn Rng> {
        &self.0.executor.parts().rng
    }

    /// A run that is under way in this process.
    pub fn find(&self, run: RunId) -> Option<RunHandle> {
        self.0.executor.find(run)
    }

    /// Runs a workflow. When this returns, the run is durable; [`RunHandle::ended`] waits for its end.
    ///
    /// # Errors
    /// [`Error`]; then there is no run.
    pub async fn run(&self, request: RunRequest) -> Result<RunHandle, Error> {
        check_options(&request.options)?;
        let catalog = self.catalog();
        let program = bind::program(&self.0.lifecycle, &catalog, &request.workflow, &request.options).await?;
        let (record, with) = self.record(&catalog, request);
        self.launch(Launch { program, record, with, carried: Vec::new() }).await
    }

    /// The row of a new run, and the manifests that go in front of it: those that it was planned from.
    pub(crate) fn record(&self, catalog: &Catalog, request: RunRequest) -> (RunRecord, Batch) {
        let (bundle, blobs) = catalog.bundle().blobs();
        let now = self.0.executor.parts().clock.now();
        let id = request.id.unwrap_or_else(|| self.new_id());
        let mut record = RunRecord::new(id, request.workflow, bundle, request.input, now);
        record.actor = request.actor;
        record.trigger = request.trigger;
        record.correlation = request.correlation;
        record.traceparent = request.traceparent;
        record.options = serde_json::to_value(&request.options).expect("options are plain data");
        (record, Batch::of(blobs.into_iter().map(Op::Blob)))
    }

    pub(crate) async fn launch(&self, launch: Launch) -> Result<RunHandle, Error> {
        Ok(self.0.executor.launch(launch).await?)
    }

    /// Goes on with a run that a dead process left or that is paused, from its own manifests.
    ///
    /// # Errors
    /// [`Error::UnknownRun`], [`Error::Over`], [`Error::Busy`] where a live process has it, and what
    /// running meets.
    pub async fn resume(&self, run: RunId, unknown: UnknownNodes) -> Result<RunHandle, Error> {
        let record = self.claim(run).await?;
        let resumed = self.resume_claimed(&record, unknown).await;
        if resumed.is_err() {
            self.release(&record).await;
        }
        resumed
    }

    /// Goes on with every run that a dead process left. One that cannot go on is reported and does not
    /// hold up the others.
    ///
    /// # Errors
    /// [`Error::Store`] where runs cannot be claimed.
    pub async fn resume_all(&self) -> Result<Vec<(RunId, Result<RunHandle, Error>)>, Error> {
        let mut resumed = Vec::new();
        loop {
            let dead = self.store().dead().await?;
            let boot = self.0.executor.parts().lease.boot();
            let claim = Claim { dead, ..Claim::any(boot, RECOVERY_PAGE) };
            let claimed = self.0.executor.parts().lease.claim(&**self.store(), claim).await?;
            if claimed.is_empty() {
                return Ok(resumed);
            }
            for record in claimed {
                // One that cannot go on stays claimed until shutdown, so that it is not met twice.
                let outcome = self.resume_claimed(&record, UnknownNodes::Keep).await;
                resumed.push((record.id, outcome));
            }
        }
    }

    /// Stops in an orderly way: [`Oneiric::drain`], then [`Oneiric::close`]. Returns whether everything had
    /// stopped by `deadline`.
    ///
    /// # Errors
    /// [`Error::Store`] where the store could not be closed cleanly.
    pub async fn shutdown(&self, deadline: Duration) -> Result<bool, Error> {
        let leaving = self.drain(deadline).await;
        self.close().await?;
        Ok(leaving.is_clean())
    }

    /// Gives back what this process still owns and closes the store. Behind [`Oneiric::drain`].
    ///
    /// # Errors
    /// [`Error::Store`] where the store could not be closed cleanly.
    pub async fn close(&self) -> Result<(), Error> {
        let store = self.store();
        // What did not stop in time is owned, and beaten for, to the last moment.
        let left = store.leave(self.0.executor.parts().lease.boot()).await;
        self.0.executor.parts().lease.rest();
        store.close().await?;
        Ok(left?)
    }

    pub(crate) async fn resume_claimed(
        &self,
        record: &RunRecord,
        unknown: UnknownNodes,
    ) -> Result<RunHandle, Error> {
        let program = self.program_of(record).await?;
        Ok(self.0.executor.resume(program, record, unknown).await?)
    }

    /// The program of a stored run, from the manifests it was planned from.
    pub(crate) async fn program_of(&self, record: &RunRecord) -> Result<Program, Error> {
        let options = options_of(record)?;
        let catalog = self.catalog_of(record).await?;
        bind::program(&self.0.lifecycle, &catalog, &record.workflow, &options).await
    }

    /// The plan of a stored run; nothing is brought up for it.
    ///
    /// # Errors
    /// [`Error::Bundle`] where its manifests are not in the store as they were, and what reading them meets.
    pub async fn plan_of(&self, record: &RunRecord) -> Result<Plan, Error> {
        let options = options_of(record)?;
        self.catalog_of(record).await?.plan(&record.workflow, &options)
    }

    async fn catalog_of(&self, record: &RunRecord) -> Result<Arc<Catalog>, Error> {
        let edition = self.0.edition.load();
        if edition.digest == record.bundle {
            return Ok(Arc::clone(&edition.catalog));
        }
        if let Some(catalog) = self.0.shelf.find(record.bundle) {
            return Ok(catalog);
        }
        drop(edition);
        let bundle = Bundle::load(self.store().as_ref(), record.id, record.bundle).await?;
        let mut catalog = Catalog::load_beside(&self.0.own, bundle)?;
        catalog.select(&self.settings());
        let catalog = Arc::new(catalog);
        self.0.shelf.put(record.bundle, &catalog);
        Ok(catalog)
    }

    /// The run, owned by this process from here on; `None` where a live process has it, or it has ended.
    pub(crate) async fn claim_free(&self, run: RunId) -> Result<Option<RunRecord>, Error> {
        let store = self.store();
        let lease = &self.0.executor.parts().lease;
        for _ in 0..2 {
            let claim = Claim { dead: store.dead().await?, run: Some(run), ..Claim::any(lease.boot(), 1) };
            match lease.claim(&**store, claim).await {
                Ok(mut claimed) => return Ok(claimed.pop()),
                // It was taken for dead; it gets up, and tries again.
                Err(CommitError::Refused(Refusal::BootEnded(_))) => drop(lease.beat(&**store).await?),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    async fn claim(&self, run: RunId) -> Result<RunRecord, Error> {
        if let Some(record) = self.claim_free(run).await? {
            return Ok(record);
        }
        let store = self.store();
        let record = store.run(run).await?.ok_or_else(|| Error::UnknownRun(run.to_string()))?;
        if record.state.status.is_terminal() {
            return Err(Error::Over { run, status: record.state.status });
        }
        Err(Error::Busy { run, pid: self.owner_of(&record).await? })
    }

    /// The number of the process that has a run, for people.
    pub(crate) async fn owner_of(&self, record: &RunRecord) -> Result<String, Error> {
        let boot = match record.state.owner {
            Some(owner) => self.store().boot(owner).await?,
            None => None,
        };
        Ok(boot.map_or_else(|| "unknown".to_owned(), |boot| boot.pid.to_string()))
    }

    /// Gives a claimed run back, so that another process may take it before this one ends.
    pub(crate) async fn release(&self, record: &RunRecord) {
        let batch = Batch::giving_back(record.id, record.state.epoch);
        if let Err(error) = self.store().commit(batch).await {
            tracing::warn!(run = %record.id, %error, "a claimed run was not given back");
        }
    }

    pub(crate) fn new_id(&self) -> RunId {
        let millis = u64::try_from(self.0.executor.parts().clock.now().as_micros() / 1000).unwrap_or(0);
        RunId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &self.chance()).into_uuid())
    }

    /// Eighty random bits: the part of an id that is not time.
    pub(crate) fn chance(&self) -> [u8; 10] {
        let rng = &self.0.executor.parts().rng;
        let mut chance = [0; 10];
        let (a, b) = (rng.next_u64().to_le_bytes(), rng.next_u64().to_le_bytes());
        chance[..8].copy_from_slice(&a);
        chance[8..].copy_from_slice(&b[..2]);
        chance
    }
}

/// What a stored run overrides in its manifest.
pub(crate) fn options_of(record: &RunRecord) -> Result<RunOptions, Error> {
    match &record.options {
        serde_json::Value::Null => Ok(RunOptions::default()),
        options => serde_json::from_value(options.clone()).map_err(|error| Error::Bundle {
            run: record.id,
            reason: format!("its options cannot be read: {error}"),
        }),
    }
}

pub(crate) fn check_options(options: &RunOptions) -> Result<(), Error> {
    let zero = |what: &str| Error::Setting { what: what.to_owned(), reason: "must be at least 1".to_owned() };
    if options.max_parallel == Some(0) {
        return Err(zero("max parallel nodes"));
    }
    if options.timeout_ms == Some(0) {
        return Err(zero("timeout in milliseconds"));
    }
    Ok(())
}

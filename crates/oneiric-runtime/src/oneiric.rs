//! The live orchestrator.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oneiric_core::settings::Settings;
use oneiric_core::{Lifecycle, RunId};
use oneiric_dag::{Executor, Launch, Program, RunHandle};
use oneiric_store::{Batch, Claim, Op, RunRecord, Store, UnknownNodes};
use tokio_util::task::AbortOnDropHandle;

use crate::bind;
use crate::bundle::Bundle;
use crate::catalog::{Catalog, Own};
use crate::error::Error;
use crate::request::{RunOptions, RunRequest};
use crate::secrets::{self, FromSettings};

/// The most runs that one recovery takes at a time.
const RECOVERY_PAGE: usize = 256;

/// The live orchestrator. A clone is the same one.
///
/// [`Oneiric::shutdown`] is how it ends. Where the last clone is only dropped, nothing of it stays
/// behind but the runs under way, which go on for as long as the tokio runtime does; components are
/// dropped without being stopped.
#[derive(Debug, Clone)]
pub struct Oneiric(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    catalog: Catalog,
    lifecycle: Lifecycle,
    executor: Executor,
    // For catalogs that are read back from the store.
    own: Own,
    secrecy: Arc<FromSettings>,
    // Puts down instances that a swap left in use; ended by the shutdown, or with the last clone.
    janitor: Mutex<Option<AbortOnDropHandle<()>>>,
    #[cfg(feature = "sqlite")]
    control: Mutex<Option<crate::control::Server>>,
}

impl Oneiric {
    /// Must be called inside of a tokio runtime.
    pub(crate) fn new(
        catalog: Catalog,
        lifecycle: Lifecycle,
        executor: Executor,
        own: Own,
        secrecy: Arc<FromSettings>,
    ) -> Self {
        let clock = Arc::clone(&executor.parts().clock);
        let work = secrets::housekeeping(lifecycle.clone(), Arc::clone(&secrecy), clock);
        let janitor = AbortOnDropHandle::new(tokio::spawn(work));
        Self(Arc::new(Inner {
            catalog,
            lifecycle,
            executor,
            own,
            secrecy,
            janitor: Mutex::new(Some(janitor)),
            #[cfg(feature = "sqlite")]
            control: Mutex::default(),
        }))
    }

    /// Answers other processes from now on. That it cannot is no reason not to work.
    #[cfg(feature = "sqlite")]
    pub(crate) fn listen(&self, state_dir: &std::path::Path) {
        let parts = self.0.executor.parts();
        let (started_at, weak) = (parts.clock.now(), Arc::downgrade(&self.0));
        let answering = Arc::new(move |request| -> std::pin::Pin<Box<dyn Future<Output = _> + Send>> {
            let weak = weak.clone();
            Box::pin(async move {
                match weak.upgrade() {
                    Some(inner) => crate::answer::answer(&Oneiric(inner), started_at, request).await,
                    None => crate::answer::over(),
                }
            })
        });
        match crate::control::Server::open(state_dir, parts.boot, Arc::clone(&parts.clock), answering) {
            Ok(server) => {
                *self.0.control.lock().unwrap_or_else(PoisonError::into_inner) = Some(server);
            }
            Err(error) => {
                tracing::warn!(%error, "other processes cannot ask this one: no control socket");
            }
        }
    }

    /// The components in service.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    /// The settings, and the chain that their secrets come from.
    pub(crate) fn secrecy(&self) -> &FromSettings {
        &self.0.secrecy
    }

    /// What the manifests say.
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// The settings that it was built with.
    pub fn settings(&self) -> &Settings {
        &self.0.secrecy.settings
    }

    /// Where everything durable goes.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.executor.parts().store
    }

    /// Runs a workflow. When this returns, the run is durable; [`RunHandle::ended`] waits for its end.
    ///
    /// # Errors
    /// [`Error`]; then there is no run.
    pub async fn run(&self, request: RunRequest) -> Result<RunHandle, Error> {
        check_options(&request.options)?;
        let program =
            bind::program(&self.0.lifecycle, &self.0.catalog, &request.workflow, &request.options).await?;
        let (bundle, blobs) = self.0.catalog.bundle().blobs();
        let parts = self.0.executor.parts();
        let now = parts.clock.now();
        let id = request.id.unwrap_or_else(|| self.new_id());
        let mut record = RunRecord::new(id, request.workflow, bundle, request.input, now);
        record.actor = request.actor;
        record.trigger = request.trigger;
        record.options = serde_json::to_value(&request.options).expect("options are plain data");
        let with = Batch::of(blobs.into_iter().map(Op::Blob));
        Ok(self.0.executor.launch(Launch { program, record, with }).await?)
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
            let claim = Claim { boot: self.0.executor.parts().boot, dead, run: None, limit: RECOVERY_PAGE };
            let claimed = self.store().claim(claim).await?;
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

    /// Cancels a run that nobody is working on. One under way in this process is cancelled through its
    /// [`RunHandle`].
    ///
    /// # Errors
    /// As [`Oneiric::resume`].
    pub async fn cancel(&self, run: RunId, reason: &str) -> Result<(), Error> {
        let record = self.claim(run).await?;
        let cancelled = async {
            let program = self.program_of(&record).await?;
            Ok(self.0.executor.cancel(program, &record, reason).await?)
        };
        let cancelled = cancelled.await;
        if cancelled.is_err() {
            self.release(&record).await;
        }
        cancelled
    }

    /// Stops in an orderly way: nothing further starts, what runs is asked to stop and is waited for,
    /// components are stopped in reverse order, the store is closed. Runs that had not ended stay in
    /// the store for a resume. Returns whether everything had stopped by `deadline`.
    ///
    /// # Errors
    /// [`Error::Store`] where the store could not be closed cleanly.
    pub async fn shutdown(&self, deadline: Duration) -> Result<bool, Error> {
        #[cfg(feature = "sqlite")]
        {
            let control = self.0.control.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(control) = control {
                control.close(&*self.0.executor.parts().clock, deadline).await;
            }
        }
        let clock = &self.0.executor.parts().clock;
        let began = clock.monotonic();
        let stopped = self.0.executor.shutdown(deadline).await;
        let janitor = self.0.janitor.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(janitor) = janitor {
            janitor.abort();
            // It was cancelled or has panicked; either way it is over.
            let _ = janitor.await;
        }
        let time_left = deadline.saturating_sub(clock.monotonic().saturating_sub(began));
        let unused = self.0.lifecycle.stop(time_left).await;
        let store = self.store();
        let left = store.leave(self.0.executor.parts().boot).await;
        store.close().await?;
        left?;
        Ok(stopped && unused)
    }

    async fn resume_claimed(&self, record: &RunRecord, unknown: UnknownNodes) -> Result<RunHandle, Error> {
        let program = self.program_of(record).await?;
        Ok(self.0.executor.resume(program, record, unknown).await?)
    }

    /// The program of a stored run, from the manifests it was planned from.
    async fn program_of(&self, record: &RunRecord) -> Result<Program, Error> {
        let options: RunOptions = match &record.options {
            serde_json::Value::Null => RunOptions::default(),
            options => serde_json::from_value(options.clone()).map_err(|error| Error::Bundle {
                run: record.id,
                reason: format!("its options cannot be read: {error}"),
            })?,
        };
        if self.0.catalog.bundle().blobs().0 == record.bundle {
            return bind::program(&self.0.lifecycle, &self.0.catalog, &record.workflow, &options).await;
        }
        let bundle = Bundle::load(self.store().as_ref(), record.id, record.bundle).await?;
        let mut catalog = Catalog::load_beside(&self.0.own, bundle)?;
        catalog.select(&self.0.secrecy.settings);
        bind::program(&self.0.lifecycle, &catalog, &record.workflow, &options).await
    }

    async fn claim(&self, run: RunId) -> Result<RunRecord, Error> {
        let store = self.store();
        let boot = self.0.executor.parts().boot;
        let claim = Claim { boot, dead: store.dead().await?, run: Some(run), limit: 1 };
        if let Some(record) = store.claim(claim).await?.pop() {
            return Ok(record);
        }
        let record = store.run(run).await?.ok_or_else(|| Error::UnknownRun(run.to_string()))?;
        if record.state.status.is_terminal() {
            return Err(Error::Over { run, status: record.state.status });
        }
        let pid = match record.state.owner {
            Some(owner) => {
                store.boot(owner).await?.map_or_else(|| "unknown".to_owned(), |boot| boot.pid.to_string())
            }
            None => "unknown".to_owned(),
        };
        Err(Error::Busy { run, pid })
    }

    /// Gives a claimed run back, so that another process may take it before this one ends.
    async fn release(&self, record: &RunRecord) {
        let state = oneiric_store::RunState { owner: None, ..record.state.clone() };
        let batch = Batch::of([Op::SetRun { run: record.id, state: Box::new(state) }])
            .require(oneiric_store::Require::RunEpoch { run: record.id, epoch: record.state.epoch });
        if let Err(error) = self.store().commit(batch).await {
            tracing::warn!(run = %record.id, %error, "a claimed run was not given back");
        }
    }

    fn new_id(&self) -> RunId {
        let parts = self.0.executor.parts();
        let millis = u64::try_from(parts.clock.now().as_micros() / 1000).unwrap_or(0);
        let mut chance = [0; 10];
        let (a, b) = (parts.rng.next_u64().to_le_bytes(), parts.rng.next_u64().to_le_bytes());
        chance[..8].copy_from_slice(&a);
        chance[8..].copy_from_slice(&b[..2]);
        RunId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &chance).into_uuid())
    }
}

fn check_options(options: &RunOptions) -> Result<(), Error> {
    let zero = |what: &str| Error::Setting { what: what.to_owned(), reason: "must be at least 1".to_owned() };
    if options.max_parallel == Some(0) {
        return Err(zero("max parallel nodes"));
    }
    if options.timeout_ms == Some(0) {
        return Err(zero("timeout in milliseconds"));
    }
    Ok(())
}

//! Does what the state machine decides, in the store first.
//!
//! A finishing node puts its outcome to [`State::step`] under the run's lock, puts the resulting batch
//! in line at the store under that same lock (so that the journal's order is the order of commits),
//! waits without the lock until it is durable, and starts its successors itself: the first one on its
//! own task, the others on new ones. There is no central loop.

mod invoke;
mod launch;
mod obey;
mod observe;
mod pulses;
mod registry;
mod run;
mod slots;
mod tally;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use oneiric_core::gate::Gate;
use oneiric_core::roles::LogSink;
use oneiric_core::{Clock, Fault, Rng, RunId};
use oneiric_store::{CommitError, Lease, RunStatus, Store, StoreError};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::plan::Plan;
use crate::report::RunReport;
use crate::state::{Illegal, RestoreError};

pub use launch::Launch;
pub use obey::Then;
pub use observe::{NoLog, Observer};
pub use pulses::{NodeProgress, Pulses};
use registry::Registry;
use run::Run;
use slots::Slots;
use tally::Tally;

/// The most questions about unknown outcomes at a time. They come in a crowd after a crash, and what they
/// ask has most likely just come back as well.
const ASKS: usize = 16;

/// What an executor works with.
#[derive(Clone)]
pub struct Parts {
    /// Where everything durable goes.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
    /// Decides every start.
    pub gate: Arc<dyn Gate>,
    /// Where tasks' lines go.
    pub log: Arc<dyn LogSink>,
    /// Who is told of every change that has become durable; `None` costs nothing.
    pub observer: Option<Arc<dyn Observer>>,
    /// What its runs hang off: this start of this process, their owner.
    pub lease: Arc<Lease>,
    /// The most nodes under way at a time, over all runs.
    pub max_parallel: u32,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("boot", &self.lease.boot())
            .field("max_parallel", &self.max_parallel)
            .finish_non_exhaustive()
    }
}

/// What every run of one executor shares.
#[derive(Debug)]
struct Shared {
    parts: Parts,
    slots: Slots,
    tasks: TaskTracker,
    stop: CancellationToken,
    runs: Registry,
    /// The questions about unknown outcomes that are under way.
    asks: Semaphore,
    /// How often somebody said that held nodes may ask again.
    changes: AtomicU64,
    begun: watch::Sender<Begun>,
    tally: Tally,
}

/// What has begun in an executor so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Begun {
    /// How many runs were taken over: somebody may have asked something of them before.
    pub taken: u64,
    /// How often a run began where none was under way.
    pub bursts: u64,
}

/// Runs programs. A clone is the same executor.
#[derive(Debug, Clone)]
pub struct Executor(Arc<Shared>);

/// Why a run could not be started or gone on with.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The store refused or failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The rows and the manifest contradict each other.
    #[error("run {run} cannot go on: {source}")]
    Restore {
        /// The run.
        run: RunId,
        /// Why.
        source: RestoreError,
    },
    /// The run is not in a state in which that is possible.
    #[error("run {run}: {source}")]
    Illegal {
        /// The run.
        run: RunId,
        /// Why.
        source: Illegal,
    },
    /// The gate said no.
    #[error(transparent)]
    Denied(#[from] oneiric_core::gate::Denial),
    /// The executor is shutting down.
    #[error("the executor is shutting down")]
    ShuttingDown,
    /// The run was lost here: somebody else has it by now, or will have it.
    #[error("run {0} is not under way here any more")]
    Lost(RunId),
}

impl From<StoreError> for RunError {
    fn from(error: StoreError) -> Self {
        Self::Commit(CommitError::Store(error))
    }
}

/// How this process's part of a run ended.
#[derive(Debug, Clone)]
pub enum Ended {
    /// The run reached this status: terminal, or paused for a person.
    Reached(RunStatus),
    /// The process is going down; another one resumes the run.
    Suspended,
    /// The run is no longer ours: its fence has moved, or the store has failed. Nothing that was not
    /// durable has been acted upon.
    Lost(Fault),
}

impl Executor {
    /// An executor without runs.
    pub fn new(parts: Parts) -> Self {
        let slots = Slots::new(parts.max_parallel);
        Self(Arc::new(Shared {
            parts,
            slots,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            runs: Registry::default(),
            asks: Semaphore::new(ASKS),
            changes: AtomicU64::new(0),
            begun: watch::Sender::new(Begun::default()),
            tally: Tally::default(),
        }))
    }

    /// What it works with.
    pub fn parts(&self) -> &Parts {
        &self.0.parts
    }

    /// What it has counted of nodes and runs since it was made.
    pub fn metrics(&self) -> Vec<oneiric_core::metrics::Family> {
        self.0.tally.families()
    }

    /// The runs under way here, oldest first.
    pub fn runs(&self) -> Vec<RunHandle> {
        self.0.runs.all().into_iter().map(RunHandle::of).collect()
    }

    /// How many there are.
    pub fn runs_under_way(&self) -> usize {
        self.0.runs.len()
    }

    /// One of them.
    pub fn find(&self, run: RunId) -> Option<RunHandle> {
        self.0.runs.get(run).map(RunHandle::of)
    }

    /// Waits until something has begun since `seen`.
    pub async fn begun(&self, seen: Begun) -> Begun {
        let mut begun = self.0.begun.subscribe();
        let now = begun.wait_for(|now| *now != seen).await;
        // The sender lives in `self`, which is borrowed here.
        now.map_or(seen, |now| *now)
    }

    /// How often somebody said so far that what was held back may ask again.
    pub fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }

    /// What held nodes back may be over: those that wait for a change ask the gate again.
    pub fn reconsider(&self) {
        self.0.changes.fetch_add(1, Ordering::AcqRel);
        for run in self.0.runs.all() {
            self.0.tasks.spawn(run.release());
        }
    }

    /// Stops in an orderly way: nothing further starts, what runs is asked to stop and is waited for,
    /// at most `deadline`. Runs that had not ended stay in the store for a resume.
    ///
    /// Returns whether everything had stopped by then; what had not is dropped with the runtime.
    pub async fn shutdown(&self, deadline: Duration) -> bool {
        self.0.stop.cancel();
        self.0.tasks.close();
        tokio::select! {
            biased;
            () = self.0.tasks.wait() => true,
            () = self.0.parts.clock.sleep(deadline) => false,
        }
    }
}

/// A run under way. A clone is the same run; dropping it leaves the run alone.
#[derive(Debug, Clone)]
pub struct RunHandle {
    run: Arc<Run>,
    ended: watch::Receiver<Option<Ended>>,
}

impl RunHandle {
    fn of(run: Arc<Run>) -> Self {
        Self { ended: run.watch_end(), run }
    }

    /// The run's id.
    pub fn id(&self) -> RunId {
        self.run.id
    }

    /// What it runs: nodes, and how patiently.
    pub fn plan(&self) -> &Arc<Plan> {
        self.run.program.plan()
    }

    /// Waits until this process's part of the run has ended.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().expect("it was waited for"),
            // The run went away without a word: the runtime is being torn down.
            Err(_) => Ended::Suspended,
        }
    }

    /// Asks the run to stop: nothing further starts, what runs is asked to stop. Asking twice is asking
    /// once. Returns when the wish is durable.
    ///
    /// # Errors
    /// [`RunError::Illegal`] where the run has ended; [`RunError::Lost`] where it is not under way here any
    /// more; [`RunError::Commit`] where the wish did not become durable.
    pub async fn cancel(&self, reason: &str) -> Result<(), RunError> {
        self.run.cancel(reason).await
    }

    /// Lets go of the run: what runs is asked to stop, nothing is recorded of it, the run stays in the
    /// store for a resume.
    pub fn suspend(&self) {
        self.run.suspend();
    }

    /// What its tries say of themselves: how far they are. Holding it does not hold the run.
    pub fn pulses(&self) -> &Arc<Pulses> {
        &self.run.pulses
    }

    /// How far each node is that is under way here and has said something, by place.
    pub fn progress(&self) -> Vec<NodeProgress> {
        self.run.pulses.progress(self.plan())
    }

    /// Waits until something more of the run has become durable than there was when this was called, or this
    /// process's part of it has ended. Whoever reads rows between the call and the wait misses nothing.
    pub fn moved(&self) -> impl Future<Output = ()> + Send + '_ {
        let moved = self.run.moved();
        async move {
            tokio::select! {
                () = moved => {}
                _ = self.ended() => {}
            }
        }
    }

    /// What the run has done so far.
    pub fn report(&self) -> RunReport {
        self.run.report()
    }
}

//! Looking after runs that nobody has: what a dead or silent process left, and what was submitted.
//!
//! [`Custodian::round`] is one look; whoever owns the custodian makes another one when the doorbell rings,
//! and otherwise when the round says so. A run that is taken over goes on under a higher fence, so that
//! two processes that believe to have it do no harm.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use oneiric_core::{Fault, RunId};
use oneiric_store::{
    Batch, BootSeen, Claim, CommitError, Op, Refusal, Require, RunFilter, RunRecord, RunState, RunStatus,
    StoreError, UnknownNodes, Watch,
};

use crate::executor::{Executor, RunError};
use crate::program::Program;

/// How many runs are taken in one transaction: a page of this size is written in some ten milliseconds.
const PAGE: usize = 1024;

/// How many runs are read back at a time.
const AT_A_TIME: usize = 32;

/// The most runs that one process has under way; more wait in the store. Each costs a few kilobytes.
pub const MAX_RUNS: usize = 20_000;

/// When to look again where nobody else is at work: the doorbell may have been missed.
pub const IDLE: Duration = Duration::from_secs(60);

/// Makes a program of a stored run: what its manifests say, bound to live components.
pub trait Programs: Send + Sync + fmt::Debug {
    /// The program of `record`.
    ///
    /// An error says why the run cannot go on here: it is paused for a person with that reason, unless the
    /// class is [`oneiric_core::Class::Shutdown`]: then it is given back.
    fn program<'a>(
        &'a self,
        record: &'a RunRecord,
    ) -> Pin<Box<dyn Future<Output = Result<Program, Fault>> + Send + 'a>>;
}

/// Takes over what others leave.
#[derive(Debug)]
pub struct Custodian {
    executor: Executor,
    programs: Arc<dyn Programs>,
    watch: Watch,
    /// Runs that this process owns and does not work on, by the fence under which they were seen, and since
    /// when on the monotonic clock.
    adrift: HashMap<(RunId, u64), Duration>,
}

/// What one look came to.
#[derive(Debug)]
pub struct Round {
    /// The runs that go on here from now on.
    pub taken: Vec<RunId>,
    /// The runs that cannot, and why; they are paused.
    pub refused: Vec<(RunId, Fault)>,
    /// When to look again at the latest.
    pub next: Duration,
}

enum Taken {
    Goes(RunId),
    Refused(RunId, Fault),
    /// Given back, or gone to somebody else.
    Gone,
}

impl Custodian {
    /// For the runs of an executor's store.
    pub fn new(executor: Executor, programs: Arc<dyn Programs>) -> Self {
        Self { executor, programs, watch: Watch::new(), adrift: HashMap::new() }
    }

    /// Takes what is free, and goes on with it. So is what this process owns and does not work on, because
    /// its store failed when it took or wrote it.
    ///
    /// # Errors
    /// [`StoreError`]; what was taken by then stays owned, and the next round goes on.
    pub async fn round(&mut self) -> Result<Round, StoreError> {
        let me = self.executor.parts().lease.boot();
        let boots = self.executor.parts().store.boots().await?;
        self.let_go(&boots).await?;
        let parts = self.executor.parts();
        let mut claim = Claim {
            dead: boots.iter().filter(|seen| seen.dead).map(|seen| seen.boot.id).collect(),
            silent: self.watch.look(parts.clock.monotonic(), me, &boots),
            ..Claim::any(me, PAGE)
        };
        for silent in &claim.silent {
            tracing::warn!(boot = %silent.boot, "a process was silent for longer than its lease");
        }
        // Beats from the first page to the last read, and not for nothing.
        let mut owned = None;
        let mut records = Vec::new();
        let mut next = Watch::next(me, &boots).unwrap_or(IDLE);
        if !self.adrift.is_empty() {
            next = next.min(parts.lease.interval());
        }
        loop {
            let room = MAX_RUNS.saturating_sub(self.executor.runs_under_way() + records.len());
            claim.limit = room.min(PAGE);
            if room == 0 {
                next = next.min(parts.lease.interval());
                break;
            }
            match parts.lease.claim(&*parts.store, claim.clone()).await {
                Ok(page) => {
                    if !page.is_empty() {
                        owned.get_or_insert_with(|| parts.lease.own());
                    }
                    let last = page.len() < claim.limit;
                    records.extend(page);
                    if last {
                        break;
                    }
                }
                Err(CommitError::Refused(Refusal::BootEnded(_))) => {
                    // Others took this process for dead. It gets up, and looks again.
                    parts.lease.beat(&*parts.store).await?;
                    next = Duration::ZERO;
                    break;
                }
                Err(CommitError::Refused(refusal)) => return Err(StoreError::Io(refusal.to_string())),
                Err(CommitError::Store(error)) => return Err(error),
            }
            claim.dead.clear();
            claim.silent.clear();
        }
        let this = &*self;
        let outcomes: Vec<Taken> = stream::iter(records)
            .map(|record| async move { this.go_on(record).await })
            .buffer_unordered(AT_A_TIME)
            .collect()
            .await;
        drop(owned);
        if self.executor.runs_under_way() > 0 {
            // Should the store fail them, nobody else looks for them while this process beats.
            next = next.min(parts.lease.length());
        }
        let mut round = Round { taken: Vec::new(), refused: Vec::new(), next };
        for outcome in outcomes {
            match outcome {
                Taken::Goes(run) => round.taken.push(run),
                Taken::Refused(run, fault) => round.refused.push((run, fault)),
                Taken::Gone => {}
            }
        }
        Ok(round)
    }

    /// Gives back what this process owns and does not work on: a claim whose answer was lost, a run whose
    /// batch the disk refused. A run is left alone until it has been seen so for a beat: it may be on its way
    /// from the claim to the executor.
    async fn let_go(&mut self, boots: &[BootSeen]) -> Result<(), StoreError> {
        let parts = self.executor.parts();
        let (me, now) = (parts.lease.boot(), parts.clock.monotonic());
        let owns = boots.iter().find(|seen| seen.boot.id == me).map_or(0, |seen| seen.owns);
        if owns <= self.executor.runs_under_way() as u64 {
            self.adrift.clear();
            return Ok(());
        }
        let before = std::mem::take(&mut self.adrift);
        let mut old = Vec::new();
        for record in self.owned().await? {
            let key = (record.id, record.state.epoch);
            let since = before.get(&key).copied().unwrap_or(now);
            self.adrift.insert(key, since);
            if now.saturating_sub(since) >= parts.lease.interval() {
                old.push(record.id);
            }
        }
        if old.is_empty() {
            return Ok(());
        }
        // Batches are applied in the order of the calls: once this beat is durable, nothing that was written
        // of these runs is still on its way, and what is read now is how they stand.
        parts.lease.beat(&*parts.store).await?;
        for run in old {
            let Some(record) = parts.store.run(run).await?.filter(|record| self.is_adrift(record)) else {
                continue;
            };
            tracing::warn!(%run, "a run of this process that nobody works on is given back");
            self.set(&record, record.state.status, record.state.fault.clone()).await;
            self.adrift.remove(&(run, record.state.epoch));
        }
        Ok(())
    }

    /// The runs that the store says are this process's and that are not under way here.
    async fn owned(&self) -> Result<Vec<RunRecord>, StoreError> {
        let store = &self.executor.parts().store;
        let statuses = vec![RunStatus::Pending, RunStatus::Running, RunStatus::Paused];
        let mut filter = RunFilter { statuses, ..RunFilter::newest(PAGE) };
        let mut owned = Vec::new();
        loop {
            let page = store.runs(filter.clone()).await?;
            filter.before = page.last().map(|record| record.id);
            let last = page.len() < PAGE;
            owned.extend(page.into_iter().filter(|record| self.is_adrift(record)));
            if last {
                return Ok(owned);
            }
        }
    }

    fn is_adrift(&self, record: &RunRecord) -> bool {
        let mine = record.state.owner == Some(self.executor.parts().lease.boot());
        !record.state.status.is_terminal() && mine && self.executor.find(record.id).is_none()
    }

    async fn go_on(&self, record: RunRecord) -> Taken {
        let run = record.id;
        let program = match self.programs.program(&record).await {
            Ok(program) => program,
            Err(fault) => return self.refuse(record, fault).await,
        };
        match self.executor.resume(program, &record, UnknownNodes::Keep).await {
            Ok(_) => {
                tracing::info!(%run, workflow = %record.workflow, epoch = record.state.epoch, "run taken over");
                Taken::Goes(run)
            }
            Err(RunError::ShuttingDown) => {
                self.set(&record, record.state.status, record.state.fault.clone()).await;
                Taken::Gone
            }
            // Somebody else has it, or the store is gone: there is nothing to say about the run.
            Err(error @ (RunError::Commit(_) | RunError::Lost(_))) => {
                tracing::warn!(%run, %error, "a run was taken over and lost again");
                Taken::Gone
            }
            Err(error @ (RunError::Restore { .. } | RunError::Illegal { .. })) => {
                let fault = Fault::permanent("cannot-resume", error.to_string());
                self.refuse(record, fault).await
            }
            Err(RunError::Denied(denial)) => self.refuse(record, denial.into()).await,
        }
    }

    /// The run cannot go on here: it waits for a person, with the reason.
    async fn refuse(&self, record: RunRecord, fault: Fault) -> Taken {
        if fault.class == oneiric_core::Class::Shutdown {
            self.set(&record, record.state.status, record.state.fault.clone()).await;
            return Taken::Gone;
        }
        tracing::error!(run = %record.id, %fault, "a run cannot go on");
        self.set(&record, RunStatus::Paused, Some(fault.clone())).await;
        Taken::Refused(record.id, fault)
    }

    /// Gives the run back.
    async fn set(&self, record: &RunRecord, status: RunStatus, fault: Option<Fault>) {
        let state = RunState { status, owner: None, fault, ..record.state.clone() };
        let batch = Batch::of([Op::SetRun { run: record.id, state: Box::new(state) }])
            .require(Require::RunEpoch { run: record.id, epoch: record.state.epoch });
        if let Err(error) = self.executor.parts().store.commit(batch).await {
            tracing::warn!(run = %record.id, %error, "a run was not given back");
        }
    }
}

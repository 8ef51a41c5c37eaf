//! Looking after runs that nobody has: what a dead or silent process left, and what was submitted.
//!
//! [`Custodian::round`] is one look; whoever owns the custodian makes another one when the doorbell rings,
//! and otherwise when the round says so. A run that is taken over goes on under a higher fence, so that
//! two processes that believe to have it do no harm.

mod adrift;
mod waiting;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use oneiric_core::gate::Wait;
use oneiric_core::{Fault, RunId};
use oneiric_store::liveness::CANNOT_RESUME;
use oneiric_store::{
    Batch, BootSeen, Claim, Command, CommandRecord, CommitError, Op, Owned, Refusal, Require, RunRecord,
    RunState, RunStatus, StoreError, UnknownNodes, Watch, WhoseCommands,
};

use crate::executor::{Executor, RunError, Then};
use crate::program::Program;
use waiting::Waiting;

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
    waiting: Vec<Waiting>,
    /// Somebody rang since the last look.
    rung: bool,
    /// Until when those are looked at who own nothing yet, on the monotonic clock.
    vigil: Duration,
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

/// Runs that were taken, what they hang off until they are under way, and when to look again.
type Free = (Option<Owned>, Vec<RunRecord>, Option<Duration>);

enum Taken {
    Goes(RunId),
    Refused(RunId, Fault),
    Waits(Box<Waiting>),
    /// Given back, or gone to somebody else.
    Gone,
}

impl Custodian {
    /// For the runs of an executor's store.
    pub fn new(executor: Executor, programs: Arc<dyn Programs>) -> Self {
        // Who rang before this was there was not heard: the beginning counts as a ring.
        Self {
            executor,
            programs,
            watch: Watch::new(),
            rung: true,
            vigil: Duration::ZERO,
            adrift: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    /// Somebody rang: there is something to take, or somebody has begun to own something and has to be
    /// watched.
    pub fn rung(&mut self) {
        self.rung = true;
    }

    /// Takes what is free, and goes on with it. So is what this process owns and does not work on, because
    /// its store failed when it took or wrote it.
    ///
    /// # Errors
    /// [`StoreError`]; what was taken by then stays owned, and the next round goes on.
    pub async fn round(&mut self) -> Result<Round, StoreError> {
        let executor = self.executor.clone();
        let parts = executor.parts();
        let boots = parts.store.boots().await?;
        self.let_go(&boots).await?;
        let mut next = Watch::next(parts.lease.boot(), &boots).unwrap_or(IDLE);
        let rung = std::mem::take(&mut self.rung);
        if let Some((every, lasts)) = Watch::vigil(parts.lease.boot(), &boots) {
            let now = parts.clock.monotonic();
            if rung {
                self.vigil = now + lasts;
            }
            if now < self.vigil {
                next = next.min(every);
            }
        }
        if !self.adrift.is_empty() {
            next = next.min(parts.lease.interval());
        }
        // What is taken is owned, and beaten for, from the first page on.
        let (owned, mut records, sooner) = self.take(&boots).await?;
        next = sooner.map_or(next, |sooner| next.min(sooner));
        records.extend(self.no_longer_waiting().await);
        let asked = match records.is_empty() {
            true => Vec::new(),
            false => parts.store.commands(WhoseCommands::Owner(parts.lease.boot())).await?,
        };
        let (this, asked) = (&*self, &*asked);
        let outcomes: Vec<Taken> = stream::iter(records)
            .map(|record| async move { this.go_on(record, asked).await })
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
                Taken::Waits(run) => self.waiting.push(*run),
                Taken::Gone => {}
            }
        }
        round.next = self.next_of_waiting().fold(round.next, Duration::min);
        Ok(round)
    }

    /// Takes what is free: the runs, and when to look again where there is a reason to do so soon.
    async fn take(&mut self, boots: &[BootSeen]) -> Result<Free, StoreError> {
        let parts = self.executor.parts();
        let me = parts.lease.boot();
        let mut claim = Claim {
            dead: boots.iter().filter(|seen| seen.dead).map(|seen| seen.boot.id).collect(),
            silent: self.watch.look(parts.clock.monotonic(), me, boots),
            ..Claim::any(me, PAGE)
        };
        for silent in &claim.silent {
            tracing::warn!(boot = %silent.boot, "a process was silent for longer than its lease");
        }
        let (mut owned, mut records) = (None, Vec::new());
        loop {
            let under_way = self.executor.runs_under_way() + self.waiting.len();
            let room = MAX_RUNS.saturating_sub(under_way + records.len());
            claim.limit = room.min(PAGE);
            if room == 0 {
                return Ok((owned, records, Some(parts.lease.interval())));
            }
            match parts.lease.claim(&*parts.store, claim.clone()).await {
                Ok(page) => {
                    if !page.is_empty() {
                        owned.get_or_insert_with(|| parts.lease.own());
                    }
                    let last = page.len() < claim.limit;
                    records.extend(page);
                    if last {
                        return Ok((owned, records, None));
                    }
                }
                Err(CommitError::Refused(Refusal::BootEnded(_))) => {
                    // Others took this process for dead. It gets up, and looks again.
                    parts.lease.beat(&*parts.store).await?;
                    return Ok((owned, records, Some(Duration::ZERO)));
                }
                Err(CommitError::Refused(refusal)) => return Err(StoreError::Io(refusal.to_string())),
                Err(CommitError::Store(error)) => return Err(error),
            }
            claim.dead.clear();
            claim.silent.clear();
        }
    }

    async fn go_on(&self, record: RunRecord, asked: &[CommandRecord]) -> Taken {
        let run = record.id;
        let lease = &self.executor.parts().lease;
        let (owned, changes, losses) = (lease.own(), self.executor.changes(), lease.losses());
        let program = match self.programs.program(&record).await {
            Ok(program) => program,
            Err(fault) => return self.refuse(record, fault).await,
        };
        let resumed = async {
            let Some(record) = self.unless_cancelled(&program, &record, asked).await? else {
                return Ok(false);
            };
            self.executor.resume(program, &record, UnknownNodes::Keep).await.map(|_| true)
        };
        match resumed.await {
            Ok(true) => {
                tracing::info!(%run, workflow = %record.workflow, epoch = record.state.epoch, "run taken over");
                Taken::Goes(run)
            }
            Ok(false) => {
                tracing::info!(%run, workflow = %record.workflow, "a run that was cancelled did not begin");
                Taken::Gone
            }
            Err(RunError::ShuttingDown) => {
                self.give_back(&record).await;
                Taken::Gone
            }
            // Somebody else has it, or the store is gone: there is nothing to say about the run.
            Err(error @ (RunError::Commit(_) | RunError::Lost(_))) => {
                tracing::warn!(%run, %error, "a run was taken over and lost again");
                Taken::Gone
            }
            Err(error @ (RunError::Restore { .. } | RunError::Illegal { .. })) => {
                let fault = Fault::permanent(CANNOT_RESUME, error.to_string());
                self.refuse(record, fault).await
            }
            Err(RunError::Denied(denial)) if denial.wait != Wait::Never => {
                tracing::info!(%run, %denial, "a run waits to begin");
                let until = match denial.wait {
                    Wait::Until(at) => Some(at),
                    Wait::Never | Wait::Change => None,
                };
                Taken::Waits(Box::new(Waiting { record, _owned: owned, until, changes, losses }))
            }
            Err(RunError::Denied(denial)) => {
                let fault = Fault::denied(CANNOT_RESUME, denial.to_string());
                self.refuse(record, fault).await
            }
        }
    }

    /// The run, unless it was cancelled while nobody had it: then nothing of it begins first.
    async fn unless_cancelled(
        &self,
        program: &Program,
        record: &RunRecord,
        asked: &[CommandRecord],
    ) -> Result<Option<RunRecord>, RunError> {
        let of_run = asked.iter().filter(|asked| asked.run == record.id);
        if !of_run.clone().any(|asked| matches!(asked.command, Command::Cancel { .. })) {
            // Everything else is obeyed once it is under way.
            return Ok(Some(record.clone()));
        }
        let asked: Vec<_> = of_run.cloned().collect();
        self.executor.obey(program.plan(), record, &asked, Then::Keep).await?;
        let now = self.executor.parts().store.run(record.id).await.map_err(CommitError::from)?;
        Ok(now.filter(|now| !now.state.status.is_terminal() && now.state.owner.is_some()))
    }

    /// The run cannot go on here: it waits for a person, with the reason.
    async fn refuse(&self, record: RunRecord, fault: Fault) -> Taken {
        if fault.class == oneiric_core::Class::Shutdown {
            self.give_back(&record).await;
            return Taken::Gone;
        }
        tracing::error!(run = %record.id, %fault, "a run cannot go on");
        let state = RunState {
            status: RunStatus::Paused,
            owner: None,
            fault: Some(fault.clone()),
            ..record.state.clone()
        };
        let batch = Batch::of([Op::SetRun { run: record.id, state: Box::new(state) }])
            .require(Require::RunEpoch { run: record.id, epoch: record.state.epoch })
            .require(Require::RunOpen(record.id));
        self.commit(record.id, batch).await;
        Taken::Refused(record.id, fault)
    }

    /// Gives a run back as it is.
    async fn give_back(&self, record: &RunRecord) {
        self.commit(record.id, Batch::giving_back(record.id, record.state.epoch)).await;
    }

    async fn commit(&self, run: RunId, batch: Batch) {
        if let Err(error) = self.executor.parts().store.commit(batch).await {
            tracing::warn!(%run, %error, "a run was not given back");
        }
    }
}

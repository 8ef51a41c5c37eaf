//! How runs begin and go on.

use std::sync::Arc;

use oneiric_core::Domain;
use oneiric_core::gate::{Admission, Decision, Purpose};
use oneiric_store::{Batch, Event, Op, Require, RunRecord, RunStatus, UnknownNodes};

use super::run::Run;
use super::{Executor, RunError, RunHandle};
use crate::program::Program;
use crate::state::State;

/// What is needed to begin a run.
#[derive(Debug, Clone)]
pub struct Launch {
    /// What runs.
    pub program: Program,
    /// What was asked for. Its state is set here: the executor owns it from the beginning.
    pub record: RunRecord,
    /// Goes into the same transaction in front of the run: the manifests' blobs, say.
    pub with: Batch,
}

impl Executor {
    /// Begins a run. When this returns, the run and its first starts are durable.
    ///
    /// # Errors
    /// [`RunError::Denied`] by the gate, [`RunError::Commit`] where the id exists already or the store
    /// failed; then there is no run.
    pub async fn launch(&self, launch: Launch) -> Result<RunHandle, RunError> {
        let Launch { program, mut record, with } = launch;
        self.admit(Purpose::Run, &program, &record).await?;
        record.state.owner = Some(self.0.parts.boot);
        record.state.epoch = 1;
        record.state.status = RunStatus::Pending;
        let state = State::fresh(program.plan(), &record);
        let first = with
            .require(Require::RunAbsent(record.id))
            .and(Batch::of([Op::InsertRun(Box::new(record.clone()))]));
        self.open(program, &record, state, first, |slots| Event::Started { slots }).await
    }

    /// Goes on with a run that was claimed for this boot: `record` is what the claim returned.
    ///
    /// # Errors
    /// [`RunError::Restore`] where the rows do not belong to the program; [`RunError::Commit`] where
    /// the store failed or somebody else has claimed the run since.
    pub async fn resume(
        &self,
        program: Program,
        record: &RunRecord,
        unknown: UnknownNodes,
    ) -> Result<RunHandle, RunError> {
        self.admit(Purpose::Resume, &program, record).await?;
        let state = self.restore(&program, record).await?;
        let fresh = state.status() == RunStatus::Pending;
        self.open(program, record, state, Batch::default(), |slots| {
            if fresh { Event::Started { slots } } else { Event::Resumed { unknown, slots } }
        })
        .await
    }

    /// Cancels a run that was claimed for this boot, without going on with it.
    ///
    /// # Errors
    /// As [`Executor::resume`]; [`RunError::Illegal`] where the run has ended.
    pub async fn cancel(&self, program: Program, record: &RunRecord, reason: &str) -> Result<(), RunError> {
        let state = self.restore(&program, record).await?;
        let reason = reason.to_owned();
        self.open(program, record, state, Batch::default(), |_| Event::CancelRequested { reason }).await?;
        Ok(())
    }

    async fn restore(&self, program: &Program, record: &RunRecord) -> Result<State, RunError> {
        let store = &self.0.parts.store;
        let rows = store.nodes(record.id).await?;
        let checkpoints = store.checkpoints(record.id).await?;
        let seq = store.last_seq(record.id).await?;
        State::restore(program.plan(), record, seq, rows, checkpoints)
            .map_err(|source| RunError::Restore { run: record.id, source })
    }

    async fn open(
        &self,
        program: Program,
        record: &RunRecord,
        state: State,
        first: Batch,
        event: impl FnOnce(u32) -> Event,
    ) -> Result<RunHandle, RunError> {
        if self.0.stop.is_cancelled() {
            return Err(RunError::ShuttingDown);
        }
        let limit = program.plan().limits().timeout;
        let started_at = record.state.started_at.unwrap_or_else(|| self.0.parts.clock.now());
        let deadline =
            [limit.map(|limit| started_at.after(limit)), record.deadline].into_iter().flatten().min();
        let (run, ended) = Run::new(Arc::clone(&self.0), program, state, deadline, record.state.epoch);
        run.open(first, event).await?;
        run.spawn_watch(deadline);
        Ok(RunHandle { run, ended })
    }

    async fn admit(&self, purpose: Purpose, program: &Program, record: &RunRecord) -> Result<(), RunError> {
        let admission = Admission {
            purpose,
            domain: &Domain::WORKFLOW,
            key: program.plan().workflow(),
            descriptor: None,
            run: record.id,
            deadline: record.deadline,
            now: self.0.parts.clock.now(),
        };
        match self.0.parts.gate.admit(&admission) {
            Decision::Now(verdict) => verdict?,
            Decision::Later(verdict) => verdict.await?,
        }
        Ok(())
    }
}

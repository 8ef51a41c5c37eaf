//! How runs begin and go on.

use std::sync::Arc;

use oneiric_core::Domain;
use oneiric_core::gate::{Admission, Permit, Purpose};
use oneiric_store::{
    Batch, Checkpoint, CommitError, Event, Op, Owned, Refusal, Require, RunRecord, RunStatus, UnknownNodes,
};

use super::run::Run;
use super::{Executor, RunError, RunHandle};
use crate::plan::Plan;
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
    /// Outputs of the run that this one repeats: a node with the same place and input is not run again.
    pub carried: Vec<Checkpoint>,
}

impl Executor {
    /// Begins a run. When this returns, the run and its first starts are durable.
    ///
    /// # Errors
    /// [`RunError::Denied`] by the gate, [`RunError::Commit`] where the id exists already or the store
    /// failed; then there is no run.
    pub async fn launch(&self, launch: Launch) -> Result<RunHandle, RunError> {
        let lease = &self.0.parts.lease;
        // One that has been at rest may have been taken for dead meanwhile: then it gets up, and tries again.
        let spare = (!lease.holds()).then(|| launch.clone());
        match (self.begin(launch).await, spare) {
            (Err(RunError::Commit(CommitError::Refused(Refusal::BootEnded(_)))), Some(launch)) => {
                lease.beat(&*self.0.parts.store).await?;
                self.begin(launch).await
            }
            (begun, _) => begun,
        }
    }

    async fn begin(&self, launch: Launch) -> Result<RunHandle, RunError> {
        let Launch { program, mut record, with, carried } = launch;
        let parts = &self.0.parts;
        let permit = self.admit(Purpose::Run, record.deadline, &program, &record).await?;
        record.state.owner = Some(parts.lease.boot());
        record.state.epoch = 1;
        record.state.status = RunStatus::Pending;
        let kept = carried.iter().map(|checkpoint| Checkpoint { run: record.id, ..checkpoint.clone() });
        let kept = Batch::of(kept.map(Op::PutCheckpoint));
        let state = State::carrying(program.plan(), &record, carried);
        let began = parts.clock.monotonic();
        let (owned, taking) = parts.lease.take();
        let beats = !taking.ops.is_empty();
        let first = with
            .require(Require::RunAbsent(record.id))
            .and(taking)
            .and(Batch::of([Op::InsertRun(Box::new(record.clone()))]))
            .and(kept);
        let held = (owned, permit);
        let run = self.open(program, &record, state, first, held, |slots| Event::Started { slots }).await?;
        if beats {
            parts.lease.confirm(began);
        }
        Ok(run)
    }

    /// Goes on with a run that was claimed for this boot: `record` is what the claim returned.
    ///
    /// # Errors
    /// [`RunError::Restore`] where the rows do not belong to the program; [`RunError::Commit`] where
    /// the store failed or somebody else has claimed the run since; [`RunError::Denied`] by the gate.
    pub async fn resume(
        &self,
        program: Program,
        record: &RunRecord,
        unknown: UnknownNodes,
    ) -> Result<RunHandle, RunError> {
        // One that was submitted and never began is new work, whoever takes it up.
        let fresh = record.state.status == RunStatus::Pending;
        let purpose = if fresh { Purpose::Run } else { Purpose::Resume };
        // A run that is taken up after its time ends as one whose time was up, not as one denied.
        let held = (self.0.parts.lease.own(), self.admit(purpose, None, &program, record).await?);
        let state = self.restore(program.plan(), record).await?;
        let (fresh, deaths) = (state.status() == RunStatus::Pending, record.state.deaths);
        let run = self.open(program, record, state, Batch::default(), held, |slots| {
            if fresh { Event::Started { slots } } else { Event::Resumed { unknown, deaths, slots } }
        });
        let run = run.await?;
        // Somebody may have asked something of it while nobody had it.
        self.0.begun.send_modify(|begun| begun.taken += 1);
        Ok(run)
    }

    pub(super) async fn restore(&self, plan: &Plan, record: &RunRecord) -> Result<State, RunError> {
        let store = &self.0.parts.store;
        let rows = store.nodes(record.id).await?;
        let checkpoints = store.checkpoints(record.id).await?;
        let seq = store.last_seq(record.id).await?;
        State::restore(plan, record, seq, rows, checkpoints)
            .map_err(|source| RunError::Restore { run: record.id, source })
    }

    async fn open(
        &self,
        program: Program,
        record: &RunRecord,
        state: State,
        first: Batch,
        held: (Owned, Permit),
        event: impl FnOnce(u32) -> Event,
    ) -> Result<RunHandle, RunError> {
        if self.0.stop.is_cancelled() {
            return Err(RunError::ShuttingDown);
        }
        let deadline = program.plan().deadline(record, self.0.parts.clock.now());
        let (run, ended) = Run::new(Arc::clone(&self.0), program, state, deadline, record.state.epoch, held);
        if self.0.runs.add(&run) == 1 {
            self.0.begun.send_modify(|begun| begun.bursts += 1);
        }
        if let Err(error) = run.open(first, event).await {
            self.0.runs.remove(run.id);
            return Err(error);
        }
        run.spawn_watch();
        Ok(RunHandle { run, ended })
    }

    async fn admit(
        &self,
        purpose: Purpose,
        deadline: Option<oneiric_core::Timestamp>,
        program: &Program,
        record: &RunRecord,
    ) -> Result<Permit, RunError> {
        let admission = Admission {
            purpose,
            domain: &Domain::WORKFLOW,
            key: program.plan().workflow(),
            descriptor: None,
            run: Some(record.id),
            deadline,
            now: self.0.parts.clock.now(),
        };
        Ok(self.0.parts.gate.admit(&admission).verdict().await?)
    }
}

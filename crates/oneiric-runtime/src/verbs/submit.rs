//! Runs that somebody else carries out.

use oneiric_core::gate::{Admission, Purpose, Wait};
use oneiric_core::{Domain, RunId};
use oneiric_store::{Batch, Checkpoint, Op, Require, RunRecord};

use crate::bind;
use crate::error::Error;
use crate::oneiric::{Oneiric, check_options};
use crate::request::RunRequest;

impl Oneiric {
    /// Accepts a run without carrying it out: a process that serves takes it up, this one where it does.
    /// When this returns, the run is durable; until somebody serves, it waits.
    ///
    /// # Errors
    /// [`Error`] of the workflow and its tasks, or [`Error::Denied`] where the gate says that it never may;
    /// then there is no run.
    pub async fn submit(&self, request: RunRequest) -> Result<RunId, Error> {
        check_options(&request.options)?;
        let provider = request.options.provider.as_ref();
        let catalog = self.catalog();
        bind::check(&self.0.lifecycle, &catalog, &request.workflow, provider)?;
        let (record, with) = self.record(&catalog, request);
        self.put_pending(record, with, Vec::new()).await
    }

    /// Puts a run that nobody owns into the store, and tells those who serve.
    pub(super) async fn put_pending(
        &self,
        record: RunRecord,
        with: Batch,
        carried: Vec<Checkpoint>,
    ) -> Result<RunId, Error> {
        let parts = self.0.executor.parts();
        let admission = Admission {
            purpose: Purpose::Run,
            domain: &Domain::WORKFLOW,
            key: &record.workflow,
            descriptor: None,
            run: Some(record.id),
            deadline: record.deadline,
            now: parts.clock.now(),
        };
        // What may start later waits like everything else that was submitted.
        if let Err(denial) = parts.gate.admit(&admission).verdict().await
            && denial.wait == Wait::Never
        {
            return Err(denial.into());
        }
        let run = record.id;
        let kept = carried.into_iter().map(|checkpoint| Op::PutCheckpoint(Checkpoint { run, ..checkpoint }));
        let batch = with
            .require(Require::RunAbsent(run))
            .and(Batch::of([Op::InsertRun(Box::new(record))]))
            .and(Batch::of(kept));
        parts.store.commit(batch).await?;
        self.offer().await;
        Ok(run)
    }

    /// Tells whoever serves that there is a run that nobody has.
    pub(crate) async fn offer(&self) {
        if self.serves() {
            self.ring();
            return;
        }
        #[cfg(feature = "sqlite")]
        self.ring_others().await;
    }
}

//! Stored runs, as people and programs look at them.

use oneiric_core::RunId;
use oneiric_dag::RunReport;
use oneiric_dag::explain::{Facts, explain};
use oneiric_store::{RunRecord, RunStatus, WhoseCommands};

use crate::activity::InFlight;
use crate::error::Error;
use crate::json::{self, Busy};
use crate::oneiric::Oneiric;

impl Oneiric {
    /// What a run did, whichever process has it, with the nodes that were not reached.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn report_of(&self, record: &RunRecord) -> Result<RunReport, Error> {
        if let Some(handle) = self.find(record.id) {
            return Ok(handle.report());
        }
        let store = self.store();
        let (rows, outputs) = (store.nodes(record.id).await?, store.checkpoints(record.id).await?);
        let mut report = RunReport::of_rows(record, rows, outputs);
        // Rows are worth showing even where the manifests of their plan cannot be read any more.
        if let Ok(plan) = self.plan_of(record).await {
            report.complete(plan.graph());
        }
        Ok(report)
    }

    /// Why a run stands where it stands, the most pressing reason first.
    ///
    /// # Errors
    /// [`Error::UnknownRun`], [`Error::Store`].
    pub async fn why(&self, run: RunId) -> Result<json::Explained, Error> {
        let record = self.row(run).await?;
        let store = self.store();
        let last = store.last_seq(run).await?;
        let last = store.journal(run, last.saturating_sub(1), 1).await?;
        let plan = self.plan_of(&record).await.ok();
        let found = explain(&Facts {
            run: &record,
            nodes: &store.nodes(run).await?,
            plan: plan.as_ref(),
            boots: &store.boots().await?,
            commands: &store.commands(WhoseCommands::Run(run)).await?,
            activities: &store.activities().await?,
            last_event: last.first().map(|entry| entry.at),
            now: self.clock().now(),
        });
        let (id, status) = (run.to_string(), self.standing(&record).await?);
        let line = |told| json::ReasonLine::of(told, run, &id, |command| format!("oneiric {command}"));
        let reasons = found.reasons.iter().map(line).collect();
        Ok(json::Explained { reasons, more: found.more, ..json::Explained::new(&record, status) })
    }

    /// The word for where a run stands: its status, or `interrupted` where whoever carried it out is gone.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn standing(&self, record: &RunRecord) -> Result<&'static str, Error> {
        let running = record.state.status == RunStatus::Running && self.find(record.id).is_none();
        let left = running && json::is_free(record, &self.store().dead().await?);
        Ok(if left { "interrupted" } else { record.state.status.name() })
    }

    /// This process, and what it has in flight.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn busy(&self) -> Result<Busy, Error> {
        let parts = self.executor().parts();
        let boot = parts.store.boot(parts.lease.boot()).await?;
        let since = boot.map_or_else(|| parts.clock.now(), |boot| boot.started_at);
        let in_flight: Vec<InFlight> = self.activities().all_in_flight();
        Ok(Busy::new(std::process::id(), since, in_flight))
    }
}

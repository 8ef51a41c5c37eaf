//! What came of something that was asked of a run.

use oneiric_core::{Key, RunId};
use oneiric_dag::Obeyed;
use oneiric_store::{Command, RunRecord, RunStatus};
use schemars::JsonSchema;
use serde::Serialize;

use super::rfc3339;

/// `{"run_id":"...","workflow":"...","status":"paused","outcome":"done","running":0,"deadline":null}`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Outcome {
    /// The run.
    pub run_id: String,
    /// Its workflow.
    pub workflow: String,
    /// Where it stands now.
    pub status: &'static str,
    /// `done`, or `already` where there was nothing to do.
    pub outcome: &'static str,
    /// How many nodes are still under way.
    pub running: usize,
    /// The time after which nothing of it starts, where somebody changed it.
    pub deadline: Option<String>,
}

impl Outcome {
    /// Of a run as it stands after it was told.
    pub fn of(record: &RunRecord, obeyed: &Obeyed, running: usize) -> Self {
        Self {
            run_id: record.id.to_string(),
            workflow: record.workflow.to_string(),
            status: record.state.status.name(),
            outcome: if *obeyed == Obeyed::Already { "already" } else { "done" },
            running,
            deadline: record.state.deadline.filter(|at| *at != Command::NO_DEADLINE).map(rfc3339),
        }
    }
}

/// A run that was accepted: `{"run_id":"...","workflow":"...","status":"pending"}`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Submitted {
    /// The run.
    pub run_id: String,
    /// Its workflow.
    pub workflow: String,
    /// Where it stands.
    pub status: &'static str,
}

impl Submitted {
    /// A run as it stands.
    pub fn new(run: RunId, workflow: &Key, status: RunStatus) -> Self {
        Self { run_id: run.to_string(), workflow: workflow.to_string(), status: status.name() }
    }
}

//! Why a run stands where it stands.

use oneiric_core::RunId;
use oneiric_dag::explain::Explained as Told;
use oneiric_store::RunRecord;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::rfc3339;
use crate::request::StartedBy;

/// `{"run_id":"...","workflow":"...","status":"running","reasons":[{"reason":"retry","node":"charge",...}]}`,
/// the most pressing reason first.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Explained {
    /// The run.
    pub run_id: String,
    /// Its workflow.
    pub workflow: String,
    /// Where it stands.
    pub status: &'static str,
    /// The event that started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Value>")]
    pub started_by: Option<StartedBy>,
    /// Why.
    pub reasons: Vec<ReasonLine>,
    /// Nodes that were left out because there are too many of their kind.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(default)]
    pub more: usize,
}

/// One reason: what it is, since when, what ends it, and what to type.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ReasonLine {
    /// Its word.
    pub reason: &'static str,
    /// The node that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// For a person.
    pub text: String,
    /// Since when it holds.
    pub since: Option<String>,
    /// What ends it.
    pub ends: &'static str,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// What to type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Explained {
    /// Without a reason yet.
    pub fn new(record: &RunRecord, status: &'static str) -> Self {
        Self {
            run_id: record.id.to_string(),
            workflow: record.workflow.to_string(),
            status,
            started_by: StartedBy::of(record),
            reasons: Vec::new(),
            more: 0,
        }
    }
}

impl ReasonLine {
    /// `named` is how a person names the run; `command` completes what is to be typed.
    pub fn of(told: &Told, run: RunId, named: &str, command: impl Fn(&str) -> String) -> Self {
        Self {
            reason: told.reason.name(),
            node: told.reason.node().map(ToString::to_string),
            text: told.text(),
            since: told.since.map(rfc3339),
            ends: told.ends(),
            until: told.reason.until().map(rfc3339),
            command: told.advice(run, named).map(|advice| command(&advice)),
        }
    }
}

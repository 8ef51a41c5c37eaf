//! The schemas of what becomes of emitted and replayed events. The values themselves are [`crate::EventReport`],
//! [`crate::Accepted`] and [`crate::ReplayReport`], whose parts write themselves.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::fault::FaultShape;

/// The shape of a [`crate::EventReport`].
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EventReport")]
pub struct ReportShape {
    topic: String,
    event_id: Option<String>,
    matched_handlers: usize,
    results: Vec<OutcomeShape>,
    stored: bool,
    duplicate: bool,
    runs: Vec<StartedShape>,
    #[schemars(default)]
    waiting: Vec<WaitingShape>,
    #[schemars(default)]
    unstarted: Vec<UnstartedShape>,
}

/// What became of an event at one handler.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HandlerOutcome")]
struct OutcomeShape {
    handler: String,
    success: bool,
    duration_ms: f64,
    value: Value,
    error: Option<String>,
    attempts: u32,
    /// Whether it is not over.
    #[schemars(default)]
    pending: bool,
}

/// The shape of an [`crate::Accepted`].
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EventAccepted")]
pub struct AcceptedShape {
    event_id: String,
    stored: bool,
    duplicate: bool,
    handlers: usize,
    overflowed: usize,
    #[schemars(default)]
    refused: Vec<RefusedShape>,
    runs: Vec<StartedShape>,
    #[schemars(default)]
    waiting: Vec<WaitingShape>,
    #[schemars(default)]
    unstarted: Vec<UnstartedShape>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Refused")]
struct RefusedShape {
    handler: String,
    fault: FaultShape,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "StartedRun")]
struct StartedShape {
    workflow: String,
    run_id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WaitingRun")]
struct WaitingShape {
    workflow: String,
    key: String,
    due_at: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Unstarted")]
struct UnstartedShape {
    workflow: String,
    reason: String,
}

/// The shape of a [`crate::ReplayReport`].
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReplayReport")]
pub struct ReplayShape {
    dry_run: bool,
    events: u64,
    expired: u64,
    handlers: BTreeMap<String, ReplayedShape>,
    runs: u64,
    unstarted: u64,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Replayed")]
struct ReplayedShape {
    made: u64,
    again: u64,
    there: u64,
    open: u64,
}

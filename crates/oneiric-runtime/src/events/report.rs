//! What became of an event.

use oneiric_core::{Key, RunId};
use oneiric_events::Dispatched;
use serde::Serialize;

/// What became of an event.
///
/// Shape in JSON: upstream's, and beside it `"event_id"`, `"stored"`, `"duplicate"` and
/// `"runs":[{"workflow":"shop.fulfil","run_id":"…"}]`; `"unstarted":[{"workflow":"…","reason":"…"}]` where there are
/// any.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventReport {
    /// Handler by handler.
    #[serde(flatten)]
    pub dispatched: Dispatched,
    /// Whether it is in the store.
    pub stored: bool,
    /// Whether it had been accepted before: the results are those of then, and nothing happened now.
    pub duplicate: bool,
    /// The runs that it started.
    pub runs: Vec<StartedRun>,
    /// Workflows that it would have started.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unstarted: Vec<Unstarted>,
}

impl EventReport {
    /// What has become of an event that was accepted before.
    pub(super) const fn known(dispatched: Dispatched) -> Self {
        Self { dispatched, stored: true, duplicate: true, runs: Vec::new(), unstarted: Vec::new() }
    }
}

/// A run that an event started.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StartedRun {
    /// The workflow.
    pub workflow: Key,
    /// The run. It waits for whoever serves.
    #[serde(rename = "run_id")]
    pub run: RunId,
}

/// A workflow that an event would have started.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unstarted {
    /// The workflow.
    pub workflow: Key,
    /// Why it was not started.
    pub reason: String,
}

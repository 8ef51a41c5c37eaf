//! What became of an event.

use oneiric_core::roles::EventId;
use oneiric_core::{Key, RunId, Timestamp};
use oneiric_events::{Dispatched, Refused, rfc3339};
use serde::{Serialize, Serializer};

/// What became of an event.
///
/// Shape in JSON: upstream's, and beside it `"event_id"`, `"stored"`, `"duplicate"` and
/// `"runs":[{"workflow":"shop.fulfil","run_id":"…"}]`; where there are any, also
/// `"waiting":[{"workflow":"…","key":"ada","due_at":"2026-01-31T09:30:00.000000Z"}]` and
/// `"unstarted":[{"workflow":"…","reason":"…"}]`.
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
    /// The runs that it will start, together with others of its kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingRun>,
    /// Workflows that it would have started.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unstarted: Vec<Unstarted>,
}

impl EventReport {
    /// What has become of an event that was accepted before.
    pub(super) fn known(dispatched: Dispatched) -> Self {
        let (runs, waiting, unstarted) = (Vec::new(), Vec::new(), Vec::new());
        Self { dispatched, stored: true, duplicate: true, runs, waiting, unstarted }
    }
}

/// An event that was accepted, and that nobody waits for.
///
/// Shape in JSON: `{"event_id":"…","stored":false,"duplicate":false,"handlers":2,"overflowed":0,"runs":[]}`, and
/// `"refused":[{"handler":"k:p","fault":{…}}]` and `"unstarted"` where there are any.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accepted {
    /// Its id: what it said, or a new one.
    pub event_id: EventId,
    /// Whether it is in the store.
    pub stored: bool,
    /// Whether it had been accepted before: nothing happened now.
    pub duplicate: bool,
    /// How many handlers have it or will have it.
    pub handlers: usize,
    /// How many had no room for it and dropped it, as their policy says.
    pub overflowed: usize,
    /// Those that did not take it, with why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refused>,
    /// The runs that it started.
    pub runs: Vec<StartedRun>,
    /// The runs that it will start, together with others of its kind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<WaitingRun>,
    /// Workflows that it would have started.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unstarted: Vec<Unstarted>,
}

impl Accepted {
    /// Nothing has come of it yet.
    pub(super) fn nothing(event_id: EventId) -> Self {
        Self {
            event_id,
            stored: false,
            duplicate: false,
            handlers: 0,
            overflowed: 0,
            refused: Vec::new(),
            runs: Vec::new(),
            waiting: Vec::new(),
            unstarted: Vec::new(),
        }
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

/// A run that an event will start. Whoever serves sees to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WaitingRun {
    /// The workflow.
    pub workflow: Key,
    /// The value of the trigger's `key`; empty where it has none.
    pub key: String,
    /// When it starts, unless further events change that.
    #[serde(serialize_with = "at")]
    pub due_at: Timestamp,
}

/// A workflow that an event would have started.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unstarted {
    /// The workflow.
    pub workflow: Key,
    /// Why it was not started.
    pub reason: String,
}

fn at<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&rfc3339(*at))
}

/// A time that there may be, as the headers of events have it.
#[expect(clippy::ref_option, reason = "the signature is serde's")]
pub(super) fn written<S: Serializer>(at: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
    at.map(rfc3339).serialize(to)
}

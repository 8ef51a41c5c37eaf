//! What happened in a run, event by event.

use oneiric_store::{Event, JournalEntry};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::rfc3339;

/// One event of a run: `{"seq":1,"at":"...","epoch":1,"event":{"type":"started","slots":2}}`. A node stands in an
/// event as its place, and beside it as its id.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct JournalLine {
    /// Its place in the run, from 1, without a gap.
    pub seq: u64,
    /// When it happened.
    pub at: String,
    /// The fence under which it was written.
    pub epoch: u64,
    /// The node or the nodes that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// What happened; `type` is its word.
    #[schemars(with = "std::collections::BTreeMap<String, Value>")]
    pub event: Event,
}

impl JournalLine {
    /// With the names of the nodes that it is about.
    pub fn of(entry: JournalEntry, name: impl Fn(u32) -> Option<String>) -> Self {
        let node = match &entry.event {
            Event::Succeeded { node, .. }
            | Event::Failed { node, .. }
            | Event::Due { node, .. }
            | Event::Held { node, .. }
            | Event::Reconciled { node, .. } => name(*node),
            Event::Released { nodes, .. } | Event::Retried { nodes, .. } => {
                let known: Vec<_> = nodes.iter().filter_map(|node| name(*node)).collect();
                Some(known.join(", "))
            }
            Event::Started { .. }
            | Event::Resumed { .. }
            | Event::Granted { .. }
            | Event::PauseRequested { .. }
            | Event::PauseWithdrawn { .. }
            | Event::Extended { .. }
            | Event::CancelRequested { .. }
            | Event::TimedOut => None,
        };
        Self { seq: entry.seq, at: rfc3339(entry.at), epoch: entry.epoch, node, event: entry.event }
    }
}

//! What is stuck: the rows that nothing will move, and those that should be gone.
//!
//! Every run that has not ended has a live owner, or waits for something that will come: a time, a
//! person, a process that serves. So does every delivery of an event. Whatever a crash leaves, this list is empty again once whoever is alive
//! has had the time to take over. Backends answer it from the same rows that everything else is decided
//! by (`oneiric-store`'s SQLite has the view `liveness`); there is no second truth.

use std::collections::BTreeMap;
use std::fmt;

use oneiric_core::roles::EventId;
use oneiric_core::{BootId, NodeId, RunId};
use serde::{Deserialize, Serialize};

/// The code of the fault of a run that is paused because it cannot go on in any process as it is: its
/// component or its manifest is missing, say. Its rows stay as its last owner left them.
pub const CANNOT_RESUME: &str = "cannot-resume";

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The owner of a run or a delivery is dead, and nobody has taken it over.
    OwnerDead,
    /// The owner of a run or a delivery has left, or was never known.
    OwnerEnded,
    /// Nobody owns a run, although somebody serves.
    Unowned,
    /// A run that ended or is paused still has an owner; a delivery that is over or held has one.
    Leaked,
    /// A node counts as running in a run that ended or is paused, but for one that is paused as it was left. A
    /// handler counts as running, and nobody owns the delivery.
    InFlight,
    /// A node waits for a time that is not there.
    NoWake,
    /// A run is paused, and nothing says why.
    NoReason,
    /// A command for a run that has ended.
    StaleCommand,
    /// A delivery is held, and nobody in front of it is under way.
    Stranded,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 9] = [
        Kind::OwnerDead,
        Kind::OwnerEnded,
        Kind::Unowned,
        Kind::Leaked,
        Kind::InFlight,
        Kind::NoWake,
        Kind::NoReason,
        Kind::StaleCommand,
        Kind::Stranded,
    ];

    /// The word in JSON and in the view: `owner_dead`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::OwnerDead => "owner_dead",
            Kind::OwnerEnded => "owner_ended",
            Kind::Unowned => "unowned",
            Kind::Leaked => "leaked",
            Kind::InFlight => "in_flight",
            Kind::NoWake => "no_wake",
            Kind::NoReason => "no_reason",
            Kind::StaleCommand => "stale_command",
            Kind::Stranded => "stranded",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One row that is stuck: of a run, or the delivery of an event to a handler.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Violation {
    /// What is wrong.
    pub kind: Kind,
    /// The run, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The node, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// The boot that owns the run or the delivery, where it is about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootId>,
    /// The event, where it is about a delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// The handler of that delivery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
}

impl Violation {
    /// About a run.
    pub const fn of_run(kind: Kind, run: RunId) -> Self {
        Self { kind, run: Some(run), node: None, boot: None, event: None, handler: None }
    }

    /// About a delivery.
    pub const fn of_delivery(kind: Kind, event: EventId, handler: String) -> Self {
        Self { kind, run: None, node: None, boot: None, event: Some(event), handler: Some(handler) }
    }
}

/// How many rows there are of each kind, those without any included: `{"owner_dead":0,"unowned":2,...}`.
pub fn counts(violations: &[Violation]) -> BTreeMap<Kind, u64> {
    let mut counts: BTreeMap<Kind, u64> = Kind::ALL.into_iter().map(|kind| (kind, 0)).collect();
    for violation in violations {
        *counts.entry(violation.kind).or_default() += 1;
    }
    counts
}

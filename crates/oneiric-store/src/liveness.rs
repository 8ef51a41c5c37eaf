//! What is stuck: the rows that nothing will move, and those that should be gone.
//!
//! Every run that has not ended has a live owner, or waits for something that will come: a time, a
//! person, a process that serves. Whatever a crash leaves, this list is empty again once whoever is alive
//! has had the time to take over. Backends answer it from the same rows that everything else is decided
//! by (`oneiric-store`'s SQLite has the view `liveness`); there is no second truth.

use std::collections::BTreeMap;
use std::fmt;

use oneiric_core::{BootId, NodeId, RunId};
use serde::{Deserialize, Serialize};

/// The code of the fault of a run that is paused because it cannot go on in any process as it is: its
/// component or its manifest is missing, say. Its rows stay as its last owner left them.
pub const CANNOT_RESUME: &str = "cannot-resume";

/// What is wrong with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A run's owner is dead, and nobody has taken it over.
    OwnerDead,
    /// A run's owner has left, or was never known.
    OwnerEnded,
    /// Nobody owns a run, although somebody serves.
    Unowned,
    /// A run that ended or is paused still has an owner.
    Leaked,
    /// A node counts as running in a run that ended or is paused, but for one that is paused as it was left.
    InFlight,
    /// A node waits for a time that is not there.
    NoWake,
    /// A run is paused, and nothing says why.
    NoReason,
    /// A command for a run that has ended.
    StaleCommand,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 8] = [
        Kind::OwnerDead,
        Kind::OwnerEnded,
        Kind::Unowned,
        Kind::Leaked,
        Kind::InFlight,
        Kind::NoWake,
        Kind::NoReason,
        Kind::StaleCommand,
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
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One row that is stuck.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Violation {
    /// What is wrong.
    pub kind: Kind,
    /// The run.
    pub run: RunId,
    /// The node, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// The boot that owns the run, where it is about that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootId>,
}

/// How many rows there are of each kind, those without any included: `{"owner_dead":0,"unowned":2,...}`.
pub fn counts(violations: &[Violation]) -> BTreeMap<Kind, u64> {
    let mut counts: BTreeMap<Kind, u64> = Kind::ALL.into_iter().map(|kind| (kind, 0)).collect();
    for violation in violations {
        *counts.entry(violation.kind).or_default() += 1;
    }
    counts
}

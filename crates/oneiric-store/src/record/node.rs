//! Where one node of a run stands. A node that has not been reached has no row.

use oneiric_core::{Digest, Fault, NodeId, RunId, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    /// Waits for its inputs or for a slot.
    Pending,
    /// Handed to its task.
    Running,
    /// Failed, and will be tried again at its wake-up time.
    Waiting,
    /// Its output is checkpointed.
    Completed,
    /// It will not be tried again.
    Failed,
    /// It will not run in this run; see [`SkipReason`].
    Skipped,
    /// It was running or waiting when the run was cancelled.
    Cancelled,
    /// Nobody knows whether its effect happened; a person decides.
    Unknown,
    /// It may not start now: its component is paused or draining, or its target is known to be down.
    Held,
    /// It was tried often enough, or ended its process too often; a person decides.
    Parked,
}

impl NodeStatus {
    /// Every status.
    pub const ALL: [NodeStatus; 10] = [
        NodeStatus::Pending,
        NodeStatus::Running,
        NodeStatus::Waiting,
        NodeStatus::Completed,
        NodeStatus::Failed,
        NodeStatus::Skipped,
        NodeStatus::Cancelled,
        NodeStatus::Unknown,
        NodeStatus::Held,
        NodeStatus::Parked,
    ];

    /// The word in JSON, in the store and in expressions (`nodes.X.status`).
    pub const fn name(self) -> &'static str {
        match self {
            NodeStatus::Pending => "pending",
            NodeStatus::Running => "running",
            NodeStatus::Waiting => "waiting",
            NodeStatus::Completed => "completed",
            NodeStatus::Failed => "failed",
            NodeStatus::Skipped => "skipped",
            NodeStatus::Cancelled => "cancelled",
            NodeStatus::Unknown => "unknown",
            NodeStatus::Held => "held",
            NodeStatus::Parked => "parked",
        }
    }

    /// Whether it never changes again.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            NodeStatus::Completed | NodeStatus::Failed | NodeStatus::Skipped | NodeStatus::Cancelled
        )
    }
}

/// Why a node was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// Its `when` was false.
    Condition,
    /// Something that it depends on failed or was skipped for that reason.
    Upstream,
}

impl SkipReason {
    /// Every reason.
    pub const ALL: [SkipReason; 2] = [SkipReason::Condition, SkipReason::Upstream];

    /// The word in JSON and in the store.
    pub const fn name(self) -> &'static str {
        match self {
            SkipReason::Condition => "condition",
            SkipReason::Upstream => "upstream",
        }
    }
}

/// Where one node of a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// The run.
    pub run: RunId,
    /// Its place in the plan, from 0.
    pub node: u32,
    /// Its id in the graph.
    pub name: NodeId,
    /// Where it stands.
    pub status: NodeStatus,
    /// The latest try, counted from 1; 0 where it was never tried.
    pub attempt: u32,
    /// How often the process ended while a try was under way; a success forgets it.
    pub deaths: u32,
    /// The fingerprint of the input of the latest try.
    pub input_hash: Option<Digest>,
    /// When the latest try began.
    pub started_at: Option<Timestamp>,
    /// When it became terminal, or when the latest try failed.
    pub ended_at: Option<Timestamp>,
    /// When it is tried again.
    pub wake_at: Option<Timestamp>,
    /// Why it was skipped.
    pub skip: Option<SkipReason>,
    /// Why the latest try failed. Boxed: most rows have none, and rows are what memory is made of.
    pub fault: Option<Box<Fault>>,
}

//! One run of a workflow.

use std::fmt;
use std::str::FromStr;

use oneiric_core::{BootId, Digest, Fault, Key, Payload, RunId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DEFAULT_TENANT, SCHEMA};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Submitted; no owner has begun it.
    Pending,
    /// Begun. It has an owner, or waits for one after a crash.
    Running,
    /// Waits for a person: somebody paused it, a node's outcome is unknown, or a node is parked.
    Paused,
    /// Every node completed or was skipped by its condition.
    Completed,
    /// At least one node failed, or the run's time was up.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
}

impl RunStatus {
    /// Every status, in the order in which a run may pass through them.
    pub const ALL: [RunStatus; 6] = [
        RunStatus::Pending,
        RunStatus::Running,
        RunStatus::Paused,
        RunStatus::Completed,
        RunStatus::Failed,
        RunStatus::Cancelled,
    ];

    /// The word in JSON, in the store and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            RunStatus::Pending => "pending",
            RunStatus::Running => "running",
            RunStatus::Paused => "paused",
            RunStatus::Completed => "completed",
            RunStatus::Failed => "failed",
            RunStatus::Cancelled => "cancelled",
        }
    }

    /// Whether it never changes again.
    pub const fn is_terminal(self) -> bool {
        matches!(self, RunStatus::Completed | RunStatus::Failed | RunStatus::Cancelled)
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The text is not a status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a status; there are pending, running, paused, completed, failed, cancelled")]
pub struct UnknownStatus(pub String);

impl FromStr for RunStatus {
    type Err = UnknownStatus;
    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|s| s.name() == text).ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// The part of a run that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// Where it stands.
    pub status: RunStatus,
    /// The boot that works on it; `None` where nobody does.
    pub owner: Option<BootId>,
    /// The fence: raised by every claim, checked in every commit of the owner.
    pub epoch: u64,
    /// The earliest time at which something in it becomes due; `None` where nothing waits for time.
    pub wake_at: Option<Timestamp>,
    /// The time after which nothing of it starts, since somebody extended it; `None` is what was asked for.
    pub deadline: Option<Timestamp>,
    /// How many of its owners died since one last began or went on with it.
    pub deaths: u32,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it became terminal.
    pub ended_at: Option<Timestamp>,
    /// Why it failed, paused or was cancelled.
    pub fault: Option<Fault>,
}

impl RunState {
    /// A run that nobody has begun.
    pub const PENDING: RunState = RunState {
        status: RunStatus::Pending,
        owner: None,
        epoch: 0,
        wake_at: None,
        deadline: None,
        deaths: 0,
        started_at: None,
        ended_at: None,
        fault: None,
    };
}

/// One run of a workflow: what was asked for, and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its id; version 7, so that runs sort by creation.
    pub id: RunId,
    /// Whose it is.
    pub tenant: String,
    /// The key of the workflow.
    pub workflow: Key,
    /// The blob that names the manifests it was planned from; pinned for its whole life.
    pub bundle: Digest,
    /// The run's context: what its nodes see as `inputs`.
    pub input: Payload,
    /// What was asked for beside the input (limits, timeout), as the engine wrote it.
    pub options: Value,
    /// Higher runs first.
    pub priority: i32,
    /// The time after which nothing of it starts, as it was asked for; [`RunState::deadline`] counts where there is one.
    pub deadline: Option<Timestamp>,
    /// Who asked for it.
    pub actor: Option<String>,
    /// What caused it: `cli`, later `http`, `queue`, `schedule`, `event`.
    pub trigger: String,
    /// Ties it to work elsewhere.
    pub correlation: Option<String>,
    /// W3C trace context of the request that caused it.
    pub traceparent: Option<String>,
    /// The run that started it.
    pub parent: Option<RunId>,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: RunState,
    /// The version of this shape.
    pub schema: u16,
}

impl RunRecord {
    /// A pending run with nothing but the necessary; fill in the public fields as needed.
    pub fn new(id: RunId, workflow: Key, bundle: Digest, input: Payload, created_at: Timestamp) -> Self {
        Self {
            id,
            tenant: DEFAULT_TENANT.to_owned(),
            workflow,
            bundle,
            input,
            options: Value::Null,
            priority: 0,
            deadline: None,
            actor: None,
            trigger: "cli".to_owned(),
            correlation: None,
            traceparent: None,
            parent: None,
            created_at,
            state: RunState::PENDING,
            schema: SCHEMA,
        }
    }
}

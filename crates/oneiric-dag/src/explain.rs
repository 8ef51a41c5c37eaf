//! Why a run stands where it stands, from what is stored of it.
//!
//! [`explain`] is pure: rows in, reasons out, the most pressing first. Every reason says since when it holds,
//! what ends it, and what a person can do about it. What is not in a row is not guessed.

mod find;
mod tell;
#[cfg(test)]
mod tests;

use oneiric_core::{Key, NodeId, Timestamp};
use oneiric_store::{ActivityRecord, BootSeen, CommandRecord, NodeRecord, RunRecord, RunStatus};

use crate::plan::Plan;

pub use find::explain;

/// What is known of a run.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The run.
    pub run: &'a RunRecord,
    /// Its nodes that have a row, by place.
    pub nodes: &'a [NodeRecord],
    /// Its plan; `None` where its manifests cannot be read.
    pub plan: Option<&'a Plan>,
    /// The processes that work on the store.
    pub boots: &'a [BootSeen],
    /// What was asked of it and is not obeyed yet.
    pub commands: &'a [CommandRecord],
    /// What operators said of components.
    pub activities: &'a [ActivityRecord],
    /// When something last happened in it.
    pub last_event: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// One reason. A new one has to be explained: everything here matches exhaustively.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// It has ended.
    Ended {
        /// How.
        status: RunStatus,
        /// Why, where it did not complete.
        why: Option<String>,
    },
    /// Somebody asked something of it that nobody has done yet.
    Command {
        /// What: `pause`.
        verb: &'static str,
        /// Who asked.
        actor: Option<String>,
        /// The process that should.
        pid: Option<u32>,
    },
    /// Nobody has it, and nobody serves.
    NobodyServes,
    /// Nobody has it; a process that serves takes it up.
    TakeoverDue {
        /// Who serves.
        pid: u32,
    },
    /// The process that had it is dead.
    OwnerDead {
        /// Which.
        pid: u32,
        /// Who takes it over; `None` where nobody serves.
        heir: Option<u32>,
    },
    /// The process that has it has given no sign of life for longer than its lease.
    OwnerSilent {
        /// Which.
        pid: u32,
        /// Who takes it over; `None` where nobody serves.
        heir: Option<u32>,
    },
    /// Its manifests, or what they name, are not what they were.
    CannotResume {
        /// Why.
        why: String,
    },
    /// Somebody paused it.
    Paused {
        /// Why.
        why: String,
    },
    /// Somebody paused it, and something still runs.
    Pausing {
        /// Why.
        why: String,
        /// What still runs.
        running: Vec<NodeId>,
    },
    /// It is being stopped, and something still runs.
    Stopping {
        /// Why.
        why: String,
        /// What still runs.
        running: Vec<NodeId>,
    },
    /// Nobody knows whether a try of a node happened.
    UnknownOutcome {
        /// The node.
        node: NodeId,
        /// What is known.
        why: String,
    },
    /// A node was tried as often as it may be.
    Exhausted {
        /// The node.
        node: NodeId,
        /// How often.
        attempts: u32,
        /// Why the last try failed.
        why: String,
    },
    /// The process ended too often while a node ran.
    Deadly {
        /// The node.
        node: NodeId,
        /// How often.
        deaths: u32,
    },
    /// The task of a node is paused.
    TaskPaused {
        /// The node.
        node: NodeId,
        /// Its task.
        task: Key,
        /// What the operator said.
        note: Option<String>,
    },
    /// The task of a node is draining.
    TaskDraining {
        /// The node.
        node: NodeId,
        /// Its task.
        task: Key,
        /// What the operator said.
        note: Option<String>,
    },
    /// What a node calls is known to be down.
    BreakerOpen {
        /// The node.
        node: NodeId,
        /// What was said.
        why: String,
        /// When it is tried.
        until: Option<Timestamp>,
    },
    /// The gate lets a node wait for something else.
    Held {
        /// The node.
        node: NodeId,
        /// What was said.
        why: String,
        /// When it is asked again.
        until: Option<Timestamp>,
    },
    /// A try of a node failed, and there is another one.
    Retry {
        /// The node.
        node: NodeId,
        /// The try that comes.
        attempt: u32,
        /// How many there may be; 0 where that is not known.
        attempts: u32,
        /// When.
        at: Timestamp,
        /// Why the last one failed.
        why: String,
    },
    /// A node runs.
    Running {
        /// The node.
        node: NodeId,
        /// Which try.
        attempt: u32,
    },
    /// Nodes could run, were it not for the run's own limit.
    RunSlots {
        /// Which.
        nodes: Vec<NodeId>,
        /// How many may run at a time.
        limit: u32,
    },
    /// Nodes could run, were it not for what else the process does.
    ProcessSlots {
        /// Which.
        nodes: Vec<NodeId>,
    },
    /// Nodes wait for others.
    Dependencies {
        /// Each with what it waits for.
        nodes: Vec<(NodeId, Vec<NodeId>)>,
        /// How many there are beside those.
        more: usize,
    },
    /// There is a time by which it has to end.
    Deadline {
        /// Which.
        at: Timestamp,
    },
}

/// A reason, told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// The reason.
    pub reason: Reason,
    /// Since when it holds, where a row tells.
    pub since: Option<Timestamp>,
}

/// Why a run stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The reasons, the most pressing first; never none.
    pub reasons: Vec<Explained>,
    /// Nodes that were left out because there are too many of their kind.
    pub more: usize,
}

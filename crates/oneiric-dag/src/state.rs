//! Where a run stands, and the only function that changes it.
//!
//! [`State::step`] is pure: the same state, plan and event give the same state and the same
//! [`Effects`]. The executor, the tests' model and a replay of the journal share it. What it decides
//! is written as store operations in the effects, so that rows, checkpoint and journal entry of one
//! event are one batch.

mod failing;
mod obeying;
mod reconciling;
mod restore;
mod rows;
mod scope;
mod starting;
mod step;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use oneiric_core::{BootId, Digest, Fault, Payload, RunId, Timestamp};
use oneiric_store::{NodeStatus, Op, RunStatus};

use crate::graph::OnFailure;

pub use obeying::Obeyed;
pub use restore::RestoreError;
pub use step::Illegal;

/// Where a run stands.
#[derive(Debug, Clone)]
pub struct State {
    run: RunId,
    owner: Option<BootId>,
    epoch: u64,
    seq: u64,
    context: Payload,
    context_hash: Digest,
    limit: u32,
    on_failure: OnFailure,
    progress: Progress,
    nodes: Vec<NodeState>,
    outputs: Vec<Payload>,
    // Places whose inputs are there and that wait for a slot, first come first served.
    ready: VecDeque<u32>,
    running: u32,
    // Tries of an owner that is gone, until somebody resumes.
    interrupted: u32,
    waiting: u32,
    held: u32,
    unknown: u32,
    // Unknown nodes of which somebody is asked what became of them.
    asking: u32,
    parked: u32,
    failed: u32,
    // The first failure, for the run's own fault.
    first_failure: Option<u32>,
    stopping: Option<Stop>,
    // What runs was told to drop everything.
    aborted: bool,
    // Why nothing further starts until somebody resumes.
    pausing: Option<String>,
    // Why it was paused when it was read back.
    paused: Option<Fault>,
    // Owners that died since the last event.
    deaths: u32,
    deadline: Option<Timestamp>,
    // Outputs that nodes of this run have on these inputs without having run: of the run it was forked from.
    known: HashMap<(u32, Digest), Payload>,
}

/// The run's own status and times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Progress {
    status: RunStatus,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
}

/// One node, as small as a graph of a million of them asks for.
#[derive(Debug, Clone)]
struct NodeState {
    status: NodeStatus,
    attempt: u32,
    deaths: u32,
    // Dependencies that have not ended yet.
    remaining: u32,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    wake_at: Option<Timestamp>,
    input_hash: Option<Digest>,
    detail: Option<Box<Detail>>,
}

/// What few nodes have.
#[derive(Debug, Clone, Default)]
struct Detail {
    fault: Option<Fault>,
    skip: Option<oneiric_store::SkipReason>,
    // Somebody is asked what became of the try.
    asking: bool,
}

/// Why nothing further starts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stop {
    FailFast,
    Cancelled(String),
    TimedOut,
}

/// What the caller has to do, in this order: commit `ops` as one batch; then, once it is durable,
/// the rest.
#[derive(Debug, Default)]
pub struct Effects {
    /// Rows, checkpoint and journal entry of the event.
    pub ops: Vec<Op>,
    /// Tries to begin.
    pub start: Vec<Start>,
    /// Waits to begin: at each time, the machine wants to hear [`oneiric_store::Event::Due`].
    pub timers: Vec<Timer>,
    /// Questions to put to [`crate::Plan::reconcile`]: the machine wants to hear
    /// [`oneiric_store::Event::Reconciled`].
    pub ask: Vec<Ask>,
    /// Slots that were granted and not filled.
    pub returned: u32,
    /// What runs is to be asked to stop.
    pub cancel: bool,
    /// What runs is to be dropped, asked or not.
    pub abort: bool,
    /// The run ended, or paused.
    pub ended: Option<RunStatus>,
}

/// A try to begin.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// The node's place.
    pub node: u32,
    /// Which try, from 1.
    pub attempt: u32,
    /// What it is given.
    pub input: Payload,
    /// The fingerprint of the input.
    pub input_hash: Digest,
}

/// A question to put: what became of a try.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The node's place.
    pub node: u32,
    /// Which try; an answer about an earlier one means nothing any more.
    pub attempt: u32,
    /// What it was given.
    pub input: Payload,
    /// The fingerprint of the input.
    pub input_hash: Digest,
}

/// A wait to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    /// The node's place.
    pub node: u32,
    /// The try that waits for it; an earlier one's timer means nothing any more.
    pub attempt: u32,
    /// When it is tried again.
    pub at: Timestamp,
    /// How long that is from the event on: the most that is waited, however the wall clock is set meanwhile.
    pub wait: Duration,
}

/// One node as a reader sees it.
#[derive(Debug, Clone)]
pub struct NodeView<'a> {
    /// Where it stands.
    pub status: NodeStatus,
    /// The latest try; 0 where there was none.
    pub attempt: u32,
    /// When the latest try began.
    pub started_at: Option<Timestamp>,
    /// When it ended, or when the latest try failed.
    pub ended_at: Option<Timestamp>,
    /// Its output; `null` where it has none.
    pub output: &'a Payload,
    /// Why the latest try failed.
    pub fault: Option<&'a Fault>,
    /// Why it was skipped.
    pub skip: Option<oneiric_store::SkipReason>,
}

impl State {
    /// The run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Where the run stands.
    pub fn status(&self) -> RunStatus {
        self.progress.status
    }

    /// The sequence number of the last event.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// How many tries are under way.
    pub fn running(&self) -> u32 {
        self.running
    }

    /// How many nodes have their inputs and wait for a slot.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The nodes that the gate let wait for a change, by place.
    pub fn held(&self) -> Vec<u32> {
        if self.held == 0 {
            return Vec::new();
        }
        (0u32..)
            .zip(&self.nodes)
            .filter(|(_, node)| node.status == NodeStatus::Held)
            .map(|(place, _)| place)
            .collect()
    }

    /// Whether nothing further starts until somebody resumes.
    pub fn is_pausing(&self) -> bool {
        self.pausing.is_some()
    }

    /// Why the run failed, paused or was cancelled.
    pub fn fault(&self) -> Option<Fault> {
        rows::run_fault(self)
    }

    /// One node.
    pub fn node(&self, place: u32) -> NodeView<'_> {
        let node = &self.nodes[place as usize];
        let detail = node.detail.as_deref();
        NodeView {
            status: node.status,
            attempt: node.attempt,
            started_at: node.started_at,
            ended_at: node.ended_at,
            output: &self.outputs[place as usize],
            fault: detail.and_then(|detail| detail.fault.as_ref()),
            skip: detail.and_then(|detail| detail.skip),
        }
    }

    /// How many slots the run could fill beyond those it has, were `more` nodes to become ready.
    pub(crate) fn appetite(&self, more: usize) -> u32 {
        self.could_fill(more, self.running)
    }

    /// The same once a try has ended, the slot of that try included.
    pub(crate) fn appetite_after_one(&self, more: usize) -> u32 {
        self.could_fill(more, self.running.saturating_sub(1))
    }

    fn could_fill(&self, more: usize, running: u32) -> u32 {
        if self.stopping.is_some() || self.pausing.is_some() {
            return 0;
        }
        let room = self.limit.saturating_sub(running);
        room.min(u32::try_from(self.ready.len() + more).unwrap_or(u32::MAX))
    }
}

impl NodeState {
    const fn waiting_for(dependencies: u32) -> Self {
        Self {
            status: NodeStatus::Pending,
            attempt: 0,
            deaths: 0,
            remaining: dependencies,
            started_at: None,
            ended_at: None,
            wake_at: None,
            input_hash: None,
            detail: None,
        }
    }

    fn detail(&mut self) -> &mut Detail {
        self.detail.get_or_insert_default()
    }
}

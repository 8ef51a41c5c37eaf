//! A state from nothing, and a state from rows.

use std::collections::{HashMap, VecDeque};

use oneiric_core::{Digest, NodeId, Payload};
use oneiric_store::{Checkpoint, NodeRecord, NodeStatus, RunRecord, RunStatus, SkipReason};

use super::{Detail, NodeState, Progress, State, rows};
use crate::graph::OnFailure;
use crate::plan::Plan;

/// Rows that do not belong to the plan, or contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A row of a node that the plan does not have there.
    #[error("the store knows node {place} as `{stored}`, the manifest has {planned} there")]
    OtherPlan {
        /// The place.
        place: u32,
        /// The name in the store.
        stored: NodeId,
        /// What the plan has there.
        planned: String,
    },
    /// A completed node whose output is not there.
    #[error("node `{node}` is completed, but its checkpoint is missing")]
    NoCheckpoint {
        /// The node.
        node: NodeId,
    },
}

impl State {
    /// A run that nobody has begun.
    pub fn fresh(plan: &Plan, record: &RunRecord) -> Self {
        let graph = plan.graph();
        let count = graph.len();
        let nodes = (0..count as u32)
            .map(|place| NodeState::waiting_for(graph.dependencies(place).len() as u32))
            .collect();
        Self {
            run: record.id,
            owner: record.state.owner,
            epoch: record.state.epoch,
            seq: 0,
            context_hash: record.input.digest(),
            context: record.input.clone(),
            limit: plan.limits().max_parallel,
            on_failure: graph.on_failure(),
            progress: Progress {
                status: record.state.status,
                started_at: record.state.started_at,
                ended_at: record.state.ended_at,
            },
            nodes,
            outputs: vec![Payload::NULL; count],
            ready: VecDeque::new(),
            running: 0,
            interrupted: 0,
            waiting: 0,
            held: 0,
            unknown: 0,
            asking: 0,
            parked: 0,
            failed: 0,
            first_failure: None,
            stopping: rows::stop_of(&record.state),
            aborted: false,
            pausing: rows::pause_of(&record.state),
            paused: record.state.fault.clone().filter(|_| record.state.status == RunStatus::Paused),
            deaths: record.state.deaths,
            deadline: record.state.deadline,
            known: HashMap::new(),
        }
    }

    /// A run that nobody has begun, with outputs that nodes of it have without having run: of the run
    /// that it is to repeat.
    pub fn carrying(plan: &Plan, record: &RunRecord, carried: Vec<Checkpoint>) -> Self {
        let mut state = Self::fresh(plan, record);
        state.known = carried.into_iter().map(|c| ((c.node, c.input_hash), c.output)).collect();
        state
    }

    /// A run as its rows tell it. Put [`oneiric_store::Event::Resumed`] to it to go on.
    ///
    /// # Errors
    /// [`RestoreError`] where the rows belong to another plan or a checkpoint is missing.
    pub fn restore(
        plan: &Plan,
        record: &RunRecord,
        seq: u64,
        rows: Vec<NodeRecord>,
        checkpoints: Vec<Checkpoint>,
    ) -> Result<Self, RestoreError> {
        let mut state = Self::fresh(plan, record);
        state.seq = seq;
        let mut outputs: HashMap<(u32, Digest), Payload> =
            checkpoints.into_iter().map(|c| ((c.node, c.input_hash), c.output)).collect();
        for row in rows {
            state.put(plan, row, &mut outputs)?;
        }
        // What no node of this run has produced came with it when it was forked.
        state.known = outputs;
        // Only now: whether a node waits depends on how all of its dependencies ended.
        for place in 0..state.nodes.len() as u32 {
            let ended = |upstream: &&u32| state.has_released(**upstream);
            let open = plan.graph().dependencies(place).iter().filter(|upstream| !ended(upstream)).count();
            let node = &mut state.nodes[place as usize];
            node.remaining = open as u32;
            let begun = state.progress.started_at.is_some() && state.stopping.is_none();
            if open == 0 && node.status == NodeStatus::Pending && begun {
                state.ready.push_back(place);
            }
        }
        Ok(state)
    }

    fn put(
        &mut self,
        plan: &Plan,
        row: NodeRecord,
        outputs: &mut HashMap<(u32, Digest), Payload>,
    ) -> Result<(), RestoreError> {
        let planned = plan.graph().nodes().get(row.node as usize);
        if planned.is_none_or(|node| node.id != row.name) {
            let planned = planned.map_or_else(|| "nothing".to_owned(), |node| format!("`{}`", node.id));
            return Err(RestoreError::OtherPlan { place: row.node, stored: row.name, planned });
        }
        match row.status {
            NodeStatus::Completed => {
                let output = row.input_hash.and_then(|hash| outputs.remove(&(row.node, hash)));
                self.outputs[row.node as usize] =
                    output.ok_or_else(|| RestoreError::NoCheckpoint { node: row.name.clone() })?;
            }
            NodeStatus::Waiting => self.waiting += 1,
            NodeStatus::Held => self.held += 1,
            NodeStatus::Unknown => self.unknown += 1,
            NodeStatus::Parked => self.parked += 1,
            NodeStatus::Failed => {
                self.failed += 1;
                let first = self.first_failure.map(|first| self.nodes[first as usize].ended_at);
                if first.is_none_or(|first| row.ended_at < first) {
                    self.first_failure = Some(row.node);
                }
            }
            NodeStatus::Running => self.interrupted += 1,
            NodeStatus::Pending | NodeStatus::Skipped | NodeStatus::Cancelled => {}
        }
        let detail = Detail { fault: row.fault.map(|fault| *fault), skip: row.skip, asking: false };
        self.nodes[row.node as usize] = NodeState {
            status: row.status,
            attempt: row.attempt,
            deaths: row.deaths,
            remaining: 0,
            started_at: row.started_at,
            ended_at: row.ended_at,
            wake_at: row.wake_at,
            input_hash: row.input_hash,
            detail: (detail.fault.is_some() || detail.skip.is_some()).then(|| Box::new(detail)),
        };
        Ok(())
    }

    fn has_released(&self, place: u32) -> bool {
        let node = &self.nodes[place as usize];
        match node.status {
            NodeStatus::Completed => true,
            NodeStatus::Failed => self.on_failure == OnFailure::Continue,
            NodeStatus::Skipped => {
                node.detail.as_deref().and_then(|detail| detail.skip) == Some(SkipReason::Condition)
            }
            NodeStatus::Pending
            | NodeStatus::Running
            | NodeStatus::Waiting
            | NodeStatus::Held
            | NodeStatus::Cancelled
            | NodeStatus::Unknown
            | NodeStatus::Parked => false,
        }
    }
}

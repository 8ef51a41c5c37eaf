//! What a run did, node by node.

use oneiric_core::{Fault, NodeId, Payload, RunId, Timestamp};
use oneiric_store::{Checkpoint, NodeRecord, NodeStatus, RunRecord, RunStatus, SkipReason};

use crate::graph::Graph;
use crate::plan::Plan;
use crate::state::State;

/// What a run did, from its state or from its rows.
#[derive(Debug, Clone)]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// Where it stands.
    pub status: RunStatus,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it failed, paused or was cancelled.
    pub fault: Option<Fault>,
    /// Its nodes, by place; those that were not reached are pending.
    pub nodes: Vec<NodeReport>,
}

/// What one node did.
#[derive(Debug, Clone)]
pub struct NodeReport {
    /// Its id.
    pub id: NodeId,
    /// Where it stands.
    pub status: NodeStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When the latest try began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Its output; `null` where it has none.
    pub output: Payload,
    /// Why the latest try failed.
    pub fault: Option<Fault>,
    /// Why it was skipped.
    pub skip: Option<SkipReason>,
}

impl NodeReport {
    /// How long the latest try took; `None` where it has not ended or never began.
    pub fn duration(&self) -> Option<std::time::Duration> {
        Some(self.ended_at?.since(self.started_at?))
    }

    /// Whether it has its output from another run: it completed without having been tried.
    pub fn is_kept(&self) -> bool {
        self.status == NodeStatus::Completed && self.attempts == 0
    }

    fn not_reached(id: NodeId) -> Self {
        Self {
            id,
            status: NodeStatus::Pending,
            attempts: 0,
            started_at: None,
            ended_at: None,
            output: Payload::NULL,
            fault: None,
            skip: None,
        }
    }
}

impl RunReport {
    /// From a live run.
    pub fn of_state(plan: &Plan, state: &State) -> Self {
        let row = state.row();
        let nodes = (0u32..).zip(plan.graph().nodes()).map(|(place, node)| {
            let view = state.node(place);
            NodeReport {
                id: node.id.clone(),
                status: view.status,
                attempts: view.attempt,
                started_at: view.started_at,
                ended_at: view.ended_at,
                output: view.output.clone(),
                fault: view.fault.cloned(),
                skip: view.skip,
            }
        });
        Self {
            run: state.run(),
            status: row.status,
            started_at: row.started_at,
            ended_at: row.ended_at,
            fault: row.fault,
            nodes: nodes.collect(),
        }
    }

    /// From the store; nodes without a row are missing where the plan is not at hand to name them.
    pub fn of_rows(run: &RunRecord, rows: Vec<NodeRecord>, checkpoints: Vec<Checkpoint>) -> Self {
        let mut outputs: std::collections::HashMap<_, _> =
            checkpoints.into_iter().map(|c| ((c.node, c.input_hash), c.output)).collect();
        let nodes = rows.into_iter().map(|row| NodeReport {
            output: row.input_hash.and_then(|hash| outputs.remove(&(row.node, hash))).unwrap_or_default(),
            id: row.name,
            status: row.status,
            attempts: row.attempt,
            started_at: row.started_at,
            ended_at: row.ended_at,
            fault: row.fault.map(|fault| *fault),
            skip: row.skip,
        });
        Self {
            run: run.id,
            status: run.state.status,
            started_at: run.state.started_at,
            ended_at: run.state.ended_at,
            fault: run.state.fault.clone(),
            nodes: nodes.collect(),
        }
    }

    /// Adds the nodes that have no row because they were not reached, in the order of the plan.
    pub fn complete(&mut self, graph: &Graph) {
        let mut known: std::collections::HashMap<_, _> =
            std::mem::take(&mut self.nodes).into_iter().map(|node| (node.id.clone(), node)).collect();
        let nodes = graph
            .nodes()
            .iter()
            .map(|node| known.remove(&node.id).unwrap_or_else(|| NodeReport::not_reached(node.id.clone())));
        self.nodes = nodes.collect();
    }
}

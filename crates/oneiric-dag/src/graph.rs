//! The graph of a workflow: built checked, then immutable.
//!
//! Nodes are places from 0 in the order in which they were written; edges are kept as two flat
//! arrays, so that a finishing node finds its successors without a pointer chase. Conditions,
//! payloads and policies stand beside the shape, in [`Node`].

mod build;
mod error;

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::expr::{Expr, Template};
use oneiric_core::retry::RetryPolicy;
use oneiric_core::{Digest, Key, NodeId, Payload};

pub use build::{Draft, DraftNode};
pub use error::GraphError;
pub use oneiric_core::manifest::OnFailure;

/// What a node is given.
#[derive(Debug, Clone)]
pub enum Input {
    /// The run's context: upstream's rule where a node has no payload.
    Context,
    /// Always the same value. Its fingerprint is taken once, when the graph is built.
    Literal(Payload, Digest),
    /// A payload with expressions in it, rendered when the node starts.
    Template(Arc<Template>),
}

/// One node: what runs, on what, and how patiently.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its id, unique in the graph.
    pub id: NodeId,
    /// Which of [`Graph::tasks`] it runs.
    pub task: u32,
    /// What it is given.
    pub input: Input,
    /// It is skipped where this is false.
    pub when: Option<Arc<Expr>>,
    /// What the node says of patience; shared, because most nodes say nothing.
    pub policy: Arc<Policy>,
}

/// How patiently a node is run. `None` leaves it to the component and its manifest entry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// When to try again.
    pub retry: Option<RetryPolicy>,
    /// The longest time one try may take.
    pub timeout: Option<Duration>,
    /// Whether running twice under one idempotency key is as good as once.
    pub idempotent: Option<bool>,
    /// The longest time a try may be silent.
    pub heartbeat: Option<Duration>,
    /// Who finds out what became of a try.
    pub reconcile: Option<Hook>,
}

/// Who finds out what became of a try whose outcome is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hook {
    /// The task itself.
    Own,
    /// A task that is called with what the try was given, and answers a
    /// [`Reconciled`](oneiric_core::roles::Reconciled).
    Task(Key),
}

/// A directed acyclic graph of nodes.
#[derive(Debug, Clone)]
pub struct Graph {
    nodes: Vec<Node>,
    tasks: Vec<Key>,
    // Compressed rows: the successors of node `n` are `successors[starts[n]..starts[n + 1]]`.
    starts: Vec<u32>,
    successors: Vec<u32>,
    dependency_starts: Vec<u32>,
    dependencies: Vec<u32>,
    levels: Vec<u32>,
    on_failure: OnFailure,
}

impl Graph {
    /// The nodes, by place.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node at a place that this graph handed out.
    pub fn node(&self, place: u32) -> &Node {
        &self.nodes[place as usize]
    }

    /// The place of a node.
    pub fn find(&self, id: &str) -> Option<u32> {
        let place = self.nodes.iter().position(|node| node.id.as_str() == id)?;
        u32::try_from(place).ok()
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// How many edges there are.
    pub fn edges(&self) -> usize {
        self.successors.len()
    }

    /// The keys of the tasks that nodes run, each once.
    pub fn tasks(&self) -> &[Key] {
        &self.tasks
    }

    /// Who waits for `place`, ascending.
    pub fn successors(&self, place: u32) -> &[u32] {
        let place = place as usize;
        &self.successors[self.starts[place] as usize..self.starts[place + 1] as usize]
    }

    /// Whom `place` waits for, in the order in which they were written.
    pub fn dependencies(&self, place: u32) -> &[u32] {
        let place = place as usize;
        &self.dependencies[self.dependency_starts[place] as usize..self.dependency_starts[place + 1] as usize]
    }

    /// The length of the longest path that leads to `place`: 0 for an entry. For display only, a node
    /// starts when its own inputs are there.
    pub fn level(&self, place: u32) -> u32 {
        self.levels[place as usize]
    }

    /// The nodes that wait for nothing.
    pub fn entries(&self) -> impl Iterator<Item = u32> {
        (0u32..).zip(&self.nodes).map(|(place, _)| place).filter(|place| self.dependencies(*place).is_empty())
    }

    /// What a run does when a node has failed for good.
    pub fn on_failure(&self) -> OnFailure {
        self.on_failure
    }
}

//! Why a draft is not a graph.

use oneiric_core::NodeId;
use oneiric_core::expr::ExprError;

/// Why a draft is not a graph. Every variant names the nodes and their places in the draft, so that
/// whoever read the draft can point at the line.
#[derive(Debug, Clone, thiserror::Error)]
pub enum GraphError {
    /// Two nodes bear one id.
    #[error("two nodes bear the id `{id}`")]
    DuplicateId {
        /// The id.
        id: NodeId,
        /// The place of the first.
        first: usize,
        /// The place of the second.
        second: usize,
    },
    /// A node waits for one that is not there.
    #[error("node `{node}` depends on `{dependency}`, which is not in the graph")]
    UnknownDependency {
        /// The waiting node.
        node: NodeId,
        /// Its place.
        place: usize,
        /// What it names.
        dependency: NodeId,
        /// Which of its dependencies that is, from 0.
        position: usize,
        /// What it may have meant.
        nearest: Option<String>,
    },
    /// A node waits for itself.
    #[error("node `{node}` depends on itself")]
    SelfDependency {
        /// The node.
        node: NodeId,
        /// Its place.
        place: usize,
        /// Which of its dependencies that is, from 0.
        position: usize,
    },
    /// A node names one dependency twice.
    #[error("node `{node}` depends on `{dependency}` twice")]
    RepeatedDependency {
        /// The node.
        node: NodeId,
        /// Its place.
        place: usize,
        /// What it names twice.
        dependency: NodeId,
        /// Which of its dependencies is the second, from 0.
        position: usize,
    },
    /// Nodes wait for each other in a circle.
    #[error("nodes wait for each other in a circle: {}", circle(nodes))]
    Cycle {
        /// The circle: each waits for the next, the last for the first.
        nodes: Vec<NodeId>,
        /// Their places.
        places: Vec<usize>,
    },
    /// A condition or a payload does not compile.
    #[error("node `{node}`: {what}: {error}")]
    Expression {
        /// The node.
        node: NodeId,
        /// Its place.
        place: usize,
        /// `when` or `payload`.
        what: &'static str,
        /// What is wrong with it.
        error: Box<ExprError>,
    },
    /// An expression reads a node that need not have ended by then.
    #[error("node `{node}`: {what} reads `nodes.{other}`, which it does not depend on")]
    NotUpstream {
        /// The node.
        node: NodeId,
        /// Its place.
        place: usize,
        /// `when` or `payload`.
        what: &'static str,
        /// What it reads.
        other: String,
        /// What it may have meant.
        nearest: Option<String>,
    },
    /// A graph without nodes.
    #[error("the graph has no nodes")]
    Empty,
    /// More nodes or edges than the executor can number.
    #[error("the graph has {found} {what}, at most {most} are possible")]
    TooLarge {
        /// `nodes` or `edges`.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// How many it may have.
        most: usize,
    },
}

impl GraphError {
    /// The code of spec §4, which upstream's planner uses for the same findings.
    pub const fn code(&self) -> &'static str {
        match self {
            GraphError::DuplicateId { .. } => "workflow-orchestrate-duplicate-step",
            GraphError::SelfDependency { .. } => "workflow-orchestrate-self-dependency",
            GraphError::UnknownDependency { .. } => "workflow-orchestrate-missing-dependency",
            GraphError::Cycle { .. } => "workflow-orchestrate-cycle-detected",
            GraphError::Empty => "workflow-orchestrate-steps-required",
            GraphError::RepeatedDependency { .. }
            | GraphError::Expression { .. }
            | GraphError::NotUpstream { .. }
            | GraphError::TooLarge { .. } => "workflow-orchestrate-invalid-payload",
        }
    }

    /// The place in the draft that a message should point at, and which of that node's dependencies
    /// is meant where it is one.
    pub fn place(&self) -> Option<(usize, Option<usize>)> {
        match self {
            GraphError::DuplicateId { second, .. } => Some((*second, None)),
            GraphError::UnknownDependency { place, position, .. }
            | GraphError::SelfDependency { place, position, .. }
            | GraphError::RepeatedDependency { place, position, .. } => Some((*place, Some(*position))),
            GraphError::Cycle { places, .. } => places.first().map(|place| (*place, None)),
            GraphError::Expression { place, .. } | GraphError::NotUpstream { place, .. } => {
                Some((*place, None))
            }
            GraphError::Empty | GraphError::TooLarge { .. } => None,
        }
    }

    /// The way out, where there is an obvious one.
    pub fn help(&self) -> Option<String> {
        match self {
            GraphError::UnknownDependency { nearest, .. } | GraphError::NotUpstream { nearest, .. } => {
                nearest.as_ref().map(|name| format!("did you mean `{name}`?"))
            }
            GraphError::Cycle { .. } => Some("remove one of these dependencies".to_owned()),
            GraphError::DuplicateId { .. } => Some("give one of them another id".to_owned()),
            GraphError::SelfDependency { .. } | GraphError::RepeatedDependency { .. } => {
                Some("remove that dependency".to_owned())
            }
            GraphError::Expression { .. } | GraphError::Empty | GraphError::TooLarge { .. } => None,
        }
    }
}

fn circle(nodes: &[NodeId]) -> String {
    // A circle of thousands would bury the message; its first nodes are enough to find it.
    const SHOWN: usize = 8;
    let mut text = nodes.iter().take(SHOWN).map(|id| format!("`{id}`")).collect::<Vec<_>>().join(" -> ");
    if nodes.len() > SHOWN {
        text.push_str(&format!(" -> ... ({} more)", nodes.len() - SHOWN));
    }
    if let Some(first) = nodes.first() {
        text.push_str(&format!(" -> `{first}`"));
    }
    text
}

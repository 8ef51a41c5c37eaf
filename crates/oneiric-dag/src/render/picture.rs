//! What is to be drawn: a title and an acyclic list of nodes.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use super::NodeLook;

/// More nodes than this are refused: nobody reads such a drawing, and it would cost seconds.
const MAX_NODES: usize = 100_000;
/// More edges than this are refused, for the same reason.
const MAX_EDGES: usize = 1_000_000;

/// One box of a [`Picture`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureNode {
    /// The node's id as people know it: `charge_card`.
    pub id: String,
    /// What it does, typically the key of its task; empty for nothing.
    pub label: String,
    /// Its state in a run; `None` where the graph is drawn without one.
    pub state: Option<NodeLook>,
    /// A short remark: `1.84s try 2`.
    pub detail: Option<String>,
    /// Positions in [`Picture::nodes`] of the nodes this one waits for.
    pub depends_on: Vec<usize>,
}

impl PictureNode {
    /// A node without state and detail.
    pub fn new(id: impl Into<String>, label: impl Into<String>, depends_on: &[usize]) -> Self {
        Self {
            id: id.into(),
            label: label.into(),
            state: None,
            detail: None,
            depends_on: depends_on.to_vec(),
        }
    }
}

/// Why nodes cannot be drawn. Trying again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// A dependency points outside the list.
    #[error("node `{id}` depends on node number {index}, but there are {count} nodes")]
    Index {
        /// Who depends.
        id: String,
        /// The position it names, counted from zero.
        index: usize,
        /// How many nodes there are.
        count: usize,
    },
    /// The nodes wait for each other.
    #[error("node `{id}` waits for itself, directly or through others")]
    Cycle {
        /// One node on the cycle.
        id: String,
    },
    /// The graph is larger than any drawing of it would be useful.
    #[error(
        "a graph of {nodes} nodes and {edges} edges is too large to draw (at most {MAX_NODES} and {MAX_EDGES})"
    )]
    TooLarge {
        /// How many nodes were given.
        nodes: usize,
        /// How many dependencies were given.
        edges: usize,
    },
}

/// A graph that can be drawn: every dependency exists and none leads back to where it started.
///
/// Holds the consequences of the check (an order, the reverse edges), so that a renderer walks along
/// them and can neither panic nor loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    title: String,
    nodes: Vec<PictureNode>,
    order: Vec<usize>,
    dependants: Vec<Vec<usize>>,
}

impl Picture {
    /// Checks `nodes` and keeps them in the given sequence.
    ///
    /// A dependency that is named twice counts once. Ids are not required to differ.
    pub fn new(title: impl Into<String>, mut nodes: Vec<PictureNode>) -> Result<Self, PictureError> {
        let (count, edges) = (nodes.len(), nodes.iter().map(|node| node.depends_on.len()).sum());
        if count > MAX_NODES || edges > MAX_EDGES {
            return Err(PictureError::TooLarge { nodes: count, edges });
        }
        let mut dependants = vec![Vec::new(); count];
        for (to, node) in nodes.iter_mut().enumerate() {
            let mut seen = HashSet::new();
            node.depends_on.retain(|from| seen.insert(*from));
            for from in &node.depends_on {
                let Some(list) = dependants.get_mut(*from) else {
                    return Err(PictureError::Index { id: node.id.clone(), index: *from, count });
                };
                list.push(to);
            }
        }
        let order = topological(&nodes, &dependants)?;
        Ok(Self { title: title.into(), nodes, order, dependants })
    }

    /// What stands above the drawing; may be empty.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The nodes as they were given.
    pub fn nodes(&self) -> &[PictureNode] {
        &self.nodes
    }

    /// Positions of all nodes, each after what it depends on, otherwise as they were given.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Positions of the nodes that depend on the one at `index`, ascending; empty past the end.
    pub fn dependants(&self, index: usize) -> &[usize] {
        self.dependants.get(index).map_or(&[], Vec::as_slice)
    }

    /// Every edge as `(from, to)`, where `to` depends on `from`.
    pub fn edges(&self) -> impl Iterator<Item = (usize, usize)> {
        self.nodes
            .iter()
            .enumerate()
            .flat_map(|(to, node)| node.depends_on.iter().map(move |from| (*from, to)))
    }

    /// The states that occur, with the number of nodes in each, in the order of [`NodeLook::ALL`].
    pub fn tally(&self) -> Vec<(NodeLook, usize)> {
        let count = |look| self.nodes.iter().filter(|node| node.state == Some(look)).count();
        NodeLook::ALL.into_iter().map(|look| (look, count(look))).filter(|(_, count)| *count > 0).collect()
    }
}

fn topological(nodes: &[PictureNode], dependants: &[Vec<usize>]) -> Result<Vec<usize>, PictureError> {
    let mut missing: Vec<usize> = nodes.iter().map(|node| node.depends_on.len()).collect();
    let mut free: BinaryHeap<Reverse<usize>> =
        (0..nodes.len()).filter(|index| missing[*index] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(Reverse(index)) = free.pop() {
        order.push(index);
        for &next in &dependants[index] {
            missing[next] -= 1;
            if missing[next] == 0 {
                free.push(Reverse(next));
            }
        }
    }
    match (0..nodes.len()).find(|index| missing[*index] > 0) {
        None => Ok(order),
        Some(stuck) => Err(PictureError::Cycle { id: nodes[on_a_cycle(nodes, &missing, stuck)].id.clone() }),
    }
}

/// Walks backwards among the nodes that never became free until one is met again: `stuck` itself may
/// only lie behind the cycle.
fn on_a_cycle(nodes: &[PictureNode], missing: &[usize], stuck: usize) -> usize {
    let mut met = HashSet::new();
    let mut at = stuck;
    while met.insert(at) {
        at = nodes[at].depends_on.iter().copied().find(|from| missing[*from] > 0).unwrap_or(at);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(depends_on: &[&[usize]], expected: Result<&[usize], &str>) {
        let nodes = depends_on.iter().enumerate().map(|(i, d)| PictureNode::new(format!("n{i}"), "", d));
        let made = Picture::new("", nodes.collect());
        let order = made.as_ref().map(Picture::order).map_err(ToString::to_string);
        assert_eq!(order, expected.map_err(str::to_owned), "{depends_on:?}");
    }

    #[test]
    fn the_order_respects_dependencies_and_otherwise_the_given_sequence() {
        check(&[], Ok(&[]));
        check(&[&[], &[], &[]], Ok(&[0, 1, 2]));
        check(&[&[2], &[], &[1]], Ok(&[1, 2, 0]));
        check(&[&[], &[0, 0], &[0, 1]], Ok(&[0, 1, 2]));
    }

    #[test]
    fn a_bad_index_is_refused() {
        check(&[&[], &[7]], Err("node `n1` depends on node number 7, but there are 2 nodes"));
    }

    #[test]
    fn a_cycle_is_refused_and_a_node_on_it_is_named() {
        let itself = |id: &str| format!("node `{id}` waits for itself, directly or through others");
        check(&[&[0]], Err(&itself("n0")));
        check(&[&[1], &[2], &[1]], Err(&itself("n1")));
    }

    #[test]
    fn more_than_anyone_could_read_is_refused() {
        let nodes = vec![PictureNode::new("n", "", &[]); MAX_NODES + 1];
        let error = Picture::new("", nodes).unwrap_err();
        assert_eq!(error, PictureError::TooLarge { nodes: MAX_NODES + 1, edges: 0 });
    }

    #[test]
    fn the_tally_lists_only_states_that_occur() {
        let state = |state| PictureNode { state, ..PictureNode::new("n", "", &[]) };
        let (failed, ready) = (Some(NodeLook::Failed), Some(NodeLook::Ready));
        let picture =
            Picture::new("", vec![state(failed), state(None), state(ready), state(failed)]).unwrap();
        assert_eq!(picture.tally(), [(NodeLook::Ready, 1), (NodeLook::Failed, 2)]);
    }
}

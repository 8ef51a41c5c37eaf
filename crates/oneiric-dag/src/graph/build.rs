//! From a draft, as somebody wrote it, to a checked graph.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use oneiric_core::expr::{Expr, Nodes, References, Template};
use oneiric_core::nearest::nearest;
use oneiric_core::{Key, NodeId, Payload};
use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};

use super::{Graph, GraphError, Input, Node, OnFailure, Policy};

/// The most nodes, and the most edges: places are `u32`, and a count must fit beside them.
const MOST: usize = u32::MAX as usize - 1;

/// A graph as somebody wrote it, not checked yet.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    /// The nodes, in the order in which they were written.
    pub nodes: Vec<DraftNode>,
    /// What a run does when a node has failed for good.
    pub on_failure: OnFailure,
}

/// A node as somebody wrote it.
#[derive(Debug, Clone)]
pub struct DraftNode {
    /// Its id.
    pub id: NodeId,
    /// The key of the task that it runs.
    pub task: Key,
    /// Whom it waits for.
    pub depends_on: Vec<NodeId>,
    /// What it is given instead of the run's context; strings in it may hold `${{ expressions }}`.
    /// `null` is none.
    pub payload: Payload,
    /// A CEL condition; the node is skipped where it is false.
    pub when: Option<String>,
    /// How patiently it is run.
    pub policy: Policy,
}

impl DraftNode {
    /// A node with nothing but an id and a task; fill in the public fields as needed.
    pub fn new(id: NodeId, task: Key) -> Self {
        Self {
            id,
            task,
            depends_on: Vec::new(),
            payload: Payload::NULL,
            when: None,
            policy: Policy::default(),
        }
    }

    /// Waits for these as well.
    #[must_use]
    pub fn after(mut self, ids: impl IntoIterator<Item = NodeId>) -> Self {
        self.depends_on.extend(ids);
        self
    }
}

impl Draft {
    /// Checks the draft and builds the graph.
    ///
    /// # Errors
    /// [`GraphError`]: the first defect, in the order duplicate id, dependency, cycle, expression.
    pub fn build(self) -> Result<Graph, GraphError> {
        Shape::of(&self.nodes)?.graph(self)
    }
}

/// Places and edges, before anything else of the nodes is looked at.
struct Shape {
    edges: DiGraph<(), (), u32>,
    // Flat, in the order in which they were written.
    dependency_starts: Vec<u32>,
    dependencies: Vec<u32>,
    order: Vec<u32>,
}

impl Shape {
    fn of(nodes: &[DraftNode]) -> Result<Self, GraphError> {
        let edge_count = nodes.iter().map(|node| node.depends_on.len()).sum();
        for (what, found) in [("nodes", nodes.len()), ("edges", edge_count)] {
            if found > MOST {
                return Err(GraphError::TooLarge { what, found, most: MOST });
            }
        }
        if nodes.is_empty() {
            return Err(GraphError::Empty);
        }
        let places = places(nodes)?;
        let mut edges = DiGraph::with_capacity(nodes.len(), edge_count);
        for _ in nodes {
            edges.add_node(());
        }
        let mut dependency_starts = Vec::with_capacity(nodes.len() + 1);
        let mut dependencies = Vec::with_capacity(edge_count);
        // Which node last named this dependency: finds repeats without a set per node.
        let mut named_by = vec![u32::MAX; nodes.len()];
        for (node, place) in nodes.iter().zip(0u32..) {
            dependency_starts.push(dependencies.len() as u32);
            for (position, dependency) in node.depends_on.iter().enumerate() {
                let upstream = dependency_place(node, place, position, dependency, &places)?;
                if std::mem::replace(&mut named_by[upstream as usize], place) == place {
                    return Err(GraphError::RepeatedDependency {
                        node: node.id.clone(),
                        place: place as usize,
                        dependency: dependency.clone(),
                        position,
                    });
                }
                dependencies.push(upstream);
                edges.add_edge(NodeIndex::new(upstream as usize), NodeIndex::new(place as usize), ());
            }
        }
        dependency_starts.push(dependencies.len() as u32);
        let order = match toposort(&edges, None) {
            Ok(order) => order.into_iter().map(|index| index.index() as u32).collect(),
            Err(_) => return Err(cycle(nodes, &edges)),
        };
        Ok(Self { edges, dependency_starts, dependencies, order })
    }

    fn graph(self, draft: Draft) -> Result<Graph, GraphError> {
        let count = draft.nodes.len();
        let mut starts = Vec::with_capacity(count + 1);
        let mut successors = Vec::with_capacity(self.dependencies.len());
        for place in 0..count {
            starts.push(successors.len() as u32);
            let from = successors.len();
            successors.extend(self.edges.neighbors(NodeIndex::new(place)).map(|index| index.index() as u32));
            // Released in the order in which they were written, whatever order the library keeps.
            successors[from..].sort_unstable();
        }
        starts.push(successors.len() as u32);
        let mut levels = vec![0u32; count];
        for place in &self.order {
            let next = levels[*place as usize] + 1;
            let place = *place as usize;
            for successor in &successors[starts[place] as usize..starts[place + 1] as usize] {
                let level = &mut levels[*successor as usize];
                *level = (*level).max(next);
            }
        }
        let ids: Vec<NodeId> = draft.nodes.iter().map(|node| node.id.clone()).collect();
        let mut tasks = Tasks::default();
        let plain = Arc::new(Policy::default());
        let mut nodes = Vec::with_capacity(count);
        for (node, place) in draft.nodes.into_iter().zip(0usize..) {
            let (when, input) = compile(&node, place, &self, &ids)?;
            nodes.push(Node {
                task: tasks.place(node.task),
                id: node.id,
                input,
                when,
                policy: if node.policy == *plain { Arc::clone(&plain) } else { Arc::new(node.policy) },
            });
        }
        Ok(Graph {
            nodes,
            tasks: tasks.keys,
            starts,
            successors,
            dependency_starts: self.dependency_starts,
            dependencies: self.dependencies,
            levels,
            on_failure: draft.on_failure,
        })
    }

    fn upstream(&self, place: usize) -> &[u32] {
        &self.dependencies[self.dependency_starts[place] as usize..self.dependency_starts[place + 1] as usize]
    }

    /// Everything that has ended when `place` starts: its dependencies and theirs.
    fn ancestors(&self, place: usize) -> HashSet<u32> {
        let mut found = HashSet::new();
        let mut open: Vec<u32> = self.upstream(place).to_vec();
        while let Some(place) = open.pop() {
            if found.insert(place) {
                open.extend(self.upstream(place as usize));
            }
        }
        found
    }
}

/// Numbers task keys in the order of their first use.
#[derive(Default)]
struct Tasks {
    keys: Vec<Key>,
    places: HashMap<Key, u32>,
}

impl Tasks {
    fn place(&mut self, key: Key) -> u32 {
        *self.places.entry(key).or_insert_with_key(|key| {
            self.keys.push(key.clone());
            (self.keys.len() - 1) as u32
        })
    }
}

fn places(nodes: &[DraftNode]) -> Result<HashMap<&NodeId, u32>, GraphError> {
    let mut places = HashMap::with_capacity(nodes.len());
    for (node, place) in nodes.iter().zip(0u32..) {
        if let Some(first) = places.insert(&node.id, place) {
            return Err(GraphError::DuplicateId {
                id: node.id.clone(),
                first: first as usize,
                second: place as usize,
            });
        }
    }
    Ok(places)
}

fn dependency_place(
    node: &DraftNode,
    place: u32,
    position: usize,
    dependency: &NodeId,
    places: &HashMap<&NodeId, u32>,
) -> Result<u32, GraphError> {
    match places.get(dependency) {
        Some(upstream) if *upstream == place => {
            Err(GraphError::SelfDependency { node: node.id.clone(), place: place as usize, position })
        }
        Some(upstream) => Ok(*upstream),
        None => Err(GraphError::UnknownDependency {
            node: node.id.clone(),
            place: place as usize,
            dependency: dependency.clone(),
            position,
            nearest: nearest(dependency.as_str(), places.keys().map(|id| id.as_str())).map(str::to_owned),
        }),
    }
}

/// Names one circle: a walk inside of one strongly connected component until a node comes again.
fn cycle(nodes: &[DraftNode], edges: &DiGraph<(), (), u32>) -> GraphError {
    // Kosaraju's is iterative in petgraph; Tarjan's recursion would end a hostile graph's stack.
    let components = kosaraju_scc(edges);
    let component = components.into_iter().filter(|c| c.len() > 1).min_by_key(Vec::len).unwrap_or_default();
    let inside: HashSet<_> = component.iter().copied().collect();
    let mut walk: Vec<NodeIndex<u32>> = Vec::new();
    let mut seen = HashMap::new();
    let mut next = component.iter().min().copied();
    while let Some(index) = next {
        if let Some(from) = seen.insert(index, walk.len()) {
            walk.drain(..from);
            break;
        }
        walk.push(index);
        // Upstream, so that each one waits for the next.
        next = edges.neighbors_directed(index, petgraph::Incoming).filter(|n| inside.contains(n)).min();
    }
    let places: Vec<usize> = walk.iter().map(|index| index.index()).collect();
    GraphError::Cycle { nodes: places.iter().map(|place| nodes[*place].id.clone()).collect(), places }
}

fn compile(
    node: &DraftNode,
    place: usize,
    shape: &Shape,
    ids: &[NodeId],
) -> Result<(Option<Arc<Expr>>, Input), GraphError> {
    let wrong = |what| {
        move |error| GraphError::Expression { node: node.id.clone(), place, what, error: Box::new(error) }
    };
    let reads = |what, references: &References| {
        let Nodes::Named(names) = &references.nodes else { return Ok(()) };
        if names.is_empty() {
            return Ok(());
        }
        let known: HashSet<&str> =
            shape.ancestors(place).into_iter().map(|place| ids[place as usize].as_str()).collect();
        match names.iter().find(|name| !known.contains(name.as_str())) {
            None => Ok(()),
            Some(other) => Err(GraphError::NotUpstream {
                node: node.id.clone(),
                place,
                what,
                other: other.clone(),
                nearest: nearest(other, known).map(str::to_owned),
            }),
        }
    };
    let when = match &node.when {
        None => None,
        Some(text) => {
            let expr = Expr::compile(text).map_err(wrong("when"))?;
            reads("when", expr.references())?;
            Some(Arc::new(expr))
        }
    };
    let input = if node.payload.is_null() {
        Input::Context
    } else {
        match Template::compile(node.payload.value()).map_err(wrong("payload"))? {
            None => Input::Literal(node.payload.clone(), node.payload.digest()),
            Some(template) => {
                reads("payload", template.references())?;
                Input::Template(Arc::new(template))
            }
        }
    };
    Ok((when, input))
}

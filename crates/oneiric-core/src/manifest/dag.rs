//! The graph of a workflow as it was written. Duplicate ids, unknown dependencies and cycles are
//! `oneiric-dag`'s to find; the positions here let it point at them.

use serde_json::{Map, Value as Json};

use super::MAX_NODES;
use super::read::{Fields, Shape};
use super::values::{choice, flag, list, map, parsed, payload, retry, text, timeout, whole};
use crate::retry::RetryPolicy;
use crate::text::problem::Position;
use crate::text::reader::Reader;
use crate::text::tree::{Tree, Value};
use crate::{Key, NodeId, Payload};

/// What happens to the rest of a run when a node has failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// What does not depend on the failed node is still done.
    #[default]
    FinishIndependent,
    /// Nothing new is started and what runs is cancelled.
    FailFast,
    /// What depends on the failed node is started as well.
    Continue,
}

impl OnFailure {
    pub(super) const WORDS: &[(&str, OnFailure)] = &[
        ("finish_independent", OnFailure::FinishIndependent),
        ("fail_fast", OnFailure::FailFast),
        ("continue", OnFailure::Continue),
    ];
}

/// The graph of a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Dag {
    /// In the order in which they were written; `tasks` is a second name of the key.
    pub nodes: Vec<Node>,
    /// The queue that `enqueue` uses unless told otherwise.
    pub queue_category: Option<String>,
    /// For nodes that state none.
    pub retry_policy: Option<RetryPolicy>,
    /// `{queue_category, provider}`; documented upstream inside the graph, kept as written.
    pub scheduler: Option<Map<String, Json>>,
    /// Whom to tell; kept as written.
    pub notifications: Option<Map<String, Json>>,
    /// What a failed node means for the others.
    pub on_failure: OnFailure,
    /// How many nodes may run at once; at least 1, `None` leaves it to the executor.
    pub max_parallel: Option<u32>,
    /// Seconds that the whole run may take, more than 0.
    pub timeout_seconds: Option<f64>,
}

/// One node of a graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its id; `key` is a second name of the key.
    pub id: NodeId,
    /// The task that it runs.
    pub task: Key,
    /// What has to be finished before; empty starts at once.
    pub depends_on: Vec<Dependency>,
    /// What the task gets; `null` is unsaid, and then it gets the run's context.
    pub payload: Payload,
    /// When to try again; goes before the graph's and the entry's.
    pub retry_policy: Option<RetryPolicy>,
    /// Kept as written; upstream shows it in `plan` and does nothing else with it.
    pub checkpoint: Payload,
    /// A CEL expression; the node is skipped where it yields false.
    pub when: Option<String>,
    /// Seconds that one try may take, more than 0.
    pub timeout_seconds: Option<f64>,
    /// Whether running it twice under one idempotency key is as good as once; `None` is unsaid.
    pub idempotent: Option<bool>,
    /// Seconds that a try may be silent, more than 0.
    pub heartbeat_timeout: Option<f64>,
    /// The task that finds out what became of a try whose outcome is unknown.
    pub reconcile: Option<Key>,
    /// Where the id stands.
    pub position: Position,
    /// Where the task stands.
    pub task_position: Position,
}

/// One item of `depends_on`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependency {
    /// The node that has to be finished before.
    pub id: NodeId,
    /// Where it is named.
    pub position: Position,
}

pub(super) const DAG: Shape = Shape {
    what: "dag",
    names: &[
        "nodes",
        "queue_category",
        "retry_policy",
        "scheduler",
        "notifications",
        "on_failure",
        "max_parallel",
        "timeout_seconds",
    ],
    aliases: &[("tasks", "nodes")],
};

pub(super) const NODE: Shape = Shape {
    what: "node",
    names: &[
        "id",
        "task",
        "depends_on",
        "payload",
        "retry_policy",
        "checkpoint",
        "when",
        "timeout_seconds",
        "idempotent",
        "heartbeat_timeout",
        "reconcile",
    ],
    aliases: &[("key", "id")],
};

pub(super) fn dag<'t>(reader: &mut Reader<'t>, _: &'static str, tree: Tree<'t>) -> Option<Dag> {
    let mut fields = Fields::open(reader, &DAG, tree)?;
    let nodes = fields.required(reader, "nodes", nodes);
    Some(Dag {
        queue_category: fields.optional(reader, "queue_category", text),
        retry_policy: fields.optional(reader, "retry_policy", retry),
        scheduler: fields.optional(reader, "scheduler", map),
        notifications: fields.optional(reader, "notifications", map),
        on_failure: fields.optional(reader, "on_failure", choice(OnFailure::WORDS)).unwrap_or_default(),
        max_parallel: fields.optional(reader, "max_parallel", whole(1..=i64::from(u32::MAX))),
        timeout_seconds: fields.optional(reader, "timeout_seconds", timeout),
        nodes: nodes?,
    })
}

fn nodes<'t>(reader: &mut Reader<'t>, name: &'static str, tree: Tree<'t>) -> Option<Vec<Node>> {
    let span = tree.span;
    if let Value::List(items) = &tree.value {
        reader.nodes += items.len();
        if reader.nodes > MAX_NODES {
            reader.problem(span, format!("more than {MAX_NODES} nodes in one file"), None);
            return None;
        }
    }
    list(node)(reader, name, tree)
}

fn node<'t>(reader: &mut Reader<'t>, _: &'static str, tree: Tree<'t>) -> Option<Node> {
    let mut fields = Fields::open(reader, &NODE, tree)?;
    let id = fields.required(reader, "id", placed(str::parse::<NodeId>));
    let task = fields.required(reader, "task", placed(str::parse::<Key>));
    let depends_on = fields.optional(reader, "depends_on", list(dependency)).unwrap_or_default();
    let input = fields.optional(reader, "payload", payload).unwrap_or_default();
    let retry_policy = fields.optional(reader, "retry_policy", retry);
    let checkpoint = fields.optional(reader, "checkpoint", payload).unwrap_or_default();
    let when = fields.optional(reader, "when", text);
    let timeout_seconds = fields.optional(reader, "timeout_seconds", timeout);
    let idempotent = fields.optional(reader, "idempotent", flag);
    let heartbeat_timeout = fields.optional(reader, "heartbeat_timeout", timeout);
    let reconcile = fields.optional(reader, "reconcile", parsed(str::parse::<Key>));
    let ((id, position), (task, task_position)) = (id?, task?);
    Some(Node {
        id,
        task,
        depends_on,
        payload: input,
        retry_policy,
        checkpoint,
        when,
        timeout_seconds,
        idempotent,
        heartbeat_timeout,
        reconcile,
        position,
        task_position,
    })
}

fn dependency<'t>(reader: &mut Reader<'t>, name: &'static str, tree: Tree<'t>) -> Option<Dependency> {
    let (id, position) = placed(str::parse::<NodeId>)(reader, name, tree)?;
    Some(Dependency { id, position })
}

/// A checked name and where it stands.
pub(super) fn placed<'t, T, E: std::fmt::Display>(
    parse: impl Fn(&str) -> Result<T, E>,
) -> impl Fn(&mut Reader<'t>, &'static str, Tree<'t>) -> Option<(T, Position)> {
    move |reader, name, tree| {
        let position = reader.position(tree.span);
        parsed(&parse)(reader, name, tree).map(|value| (value, position))
    }
}

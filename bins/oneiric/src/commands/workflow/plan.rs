//! `workflow plan`: nodes and how they depend on each other.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use oneiric_core::manifest::{Node, OnFailure};
use oneiric_core::retry::RetryPolicy;
use oneiric_core::{Descriptor, Domain, Key, Payload};
use oneiric_runtime::{Catalog, Workflow};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::args::PlanArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::Screen;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::{clean, count};
use crate::session::Session;

/// The queue that upstream names where a graph names none.
const DEFAULT_QUEUE: &str = "queue";

/// Upstream's shape: `{"workflows":{key: plan},"missing":[key]}`.
#[derive(Serialize)]
pub(in crate::commands) struct Plans<'a> {
    pub(in crate::commands) workflows: BTreeMap<&'a str, PlanOf<'a>>,
    pub(in crate::commands) missing: Vec<&'a str>,
}

/// One workflow. What stands behind `nodes` and is not upstream's is left out where it is not said.
#[derive(Serialize)]
pub(in crate::commands) struct PlanOf<'a> {
    node_count: usize,
    edge_count: usize,
    entry_nodes: Vec<&'a str>,
    queue_category: &'a str,
    nodes: Vec<NodeOf<'a>>,
    scheduler: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notifications: Option<&'a Map<String, Value>>,
    levels: u32,
    on_failure: OnFailure,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_parallel: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_policy: Option<RetryPolicy>,
}

/// One node.
#[derive(Serialize)]
struct NodeOf<'a> {
    id: &'a str,
    task: &'a str,
    depends_on: Vec<&'a str>,
    #[serde(skip_serializing_if = "is_falsy")]
    payload: &'a Payload,
    #[serde(skip_serializing_if = "is_falsy")]
    checkpoint: &'a Payload,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_policy: Option<RetryPolicy>,
    level: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotent: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_timeout: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reconcile: Option<&'a str>,
}

/// What Python takes for false: upstream leaves it out.
fn is_falsy(payload: &&Payload) -> bool {
    match payload.value() {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

impl<'a> PlanOf<'a> {
    pub(in crate::commands) fn new(descriptor: &'a Descriptor, workflow: &'a Workflow) -> Self {
        let (dag, graph) = (workflow.dag(), &workflow.graph);
        let queue_category = dag.queue_category.as_deref().unwrap_or(DEFAULT_QUEUE);
        let of_metadata = |name| descriptor.metadata.get(name).and_then(Value::as_object);
        let mut scheduler = of_metadata("scheduler").or(dag.scheduler.as_ref()).cloned().unwrap_or_default();
        scheduler.entry("queue_category").or_insert_with(|| queue_category.into());
        let levels = (0u32..).zip(graph.nodes()).map(|(place, _)| graph.level(place) + 1).max();
        Self {
            node_count: graph.len(),
            edge_count: graph.edges(),
            entry_nodes: graph.entries().map(|place| graph.node(place).id.as_str()).collect(),
            queue_category,
            nodes: (0u32..)
                .zip(&dag.nodes)
                .map(|(place, node)| NodeOf::new(node, graph.level(place)))
                .collect(),
            scheduler,
            notifications: of_metadata("notifications").or(dag.notifications.as_ref()),
            levels: levels.unwrap_or(0),
            on_failure: dag.on_failure,
            max_parallel: dag.max_parallel,
            timeout_seconds: dag.timeout_seconds,
            retry_policy: dag.retry_policy,
        }
    }
}

impl<'a> NodeOf<'a> {
    fn new(node: &'a Node, level: u32) -> Self {
        Self {
            id: node.id.as_str(),
            task: node.task.as_str(),
            depends_on: node.depends_on.iter().map(|dependency| dependency.id.as_str()).collect(),
            payload: &node.payload,
            checkpoint: &node.checkpoint,
            retry_policy: node.retry_policy,
            level,
            when: node.when.as_deref(),
            timeout_seconds: node.timeout_seconds,
            idempotent: node.idempotent,
            heartbeat_timeout: node.heartbeat_timeout,
            reconcile: node.reconcile.as_ref().map(Key::as_str),
        }
    }

    fn note(&self) -> String {
        let mut notes = Vec::new();
        if let Some(when) = self.when {
            notes.push(format!("when {}", clean(when)));
        }
        if let Some(policy) = self.retry_policy {
            notes.push(count(policy.attempts as usize, "attempt"));
        }
        if let Some(seconds) = self.timeout_seconds {
            notes.push(format!("timeout {seconds}s"));
        }
        if !is_falsy(&self.payload) {
            notes.push(format!("payload {}", clean(&self.payload.value().to_string())));
        }
        notes.join(", ")
    }
}

/// Shows them. Exits with 3 where one that was asked for is missing.
pub(in crate::commands) fn plan(session: &mut Session, args: &PlanArgs) -> Result<Code, Failure> {
    let catalog = session.catalog()?;
    let plans = Plans::of(&catalog, &args.workflows);
    session.screen.emit(&plans, |screen| plans.print(screen))?;
    plans.judge(&catalog)
}

impl<'a> Plans<'a> {
    /// The plans of these workflows; of all where none, `all` or `*` is said.
    pub(in crate::commands) fn of(catalog: &'a Catalog, workflows: &'a [String]) -> Self {
        let all = |name: &String| matches!(name.to_lowercase().as_str(), "all" | "*");
        let named: Vec<&str> = workflows.iter().filter(|name| !all(name)).map(String::as_str).collect();
        let mut plans = Plans { workflows: BTreeMap::new(), missing: Vec::new() };
        for name in &named {
            match found(catalog, name) {
                Some((descriptor, workflow)) => {
                    plans.workflows.insert(name, PlanOf::new(descriptor, workflow));
                }
                None if !plans.missing.contains(name) => plans.missing.push(name),
                None => {}
            }
        }
        if named.len() < workflows.len() || named.is_empty() {
            for candidate in catalog.registry().active(&Domain::WORKFLOW) {
                // Without a graph there is nothing to show of it.
                if let Ok((descriptor, workflow)) = catalog.workflow(&candidate.descriptor().key, None) {
                    plans.workflows.insert(descriptor.key.as_str(), PlanOf::new(descriptor, workflow));
                }
            }
        }
        plans
    }

    /// Prints them for people.
    pub(in crate::commands) fn print(&self, screen: &mut Screen) -> io::Result<()> {
        print(screen, self)
    }

    /// Fails where one that was asked for is missing.
    pub(in crate::commands) fn judge(&self, catalog: &Catalog) -> Result<Code, Failure> {
        let Some(first) = self.missing.first() else { return Ok(Code::Ok) };
        let key: Key = first
            .parse()
            .map_err(|error| Failure::said(Code::Resolution, format!("workflow `{first}`: {error}")))?;
        match catalog.workflow(&key, None) {
            Err(error) => Err(error.into()),
            Ok(_) => Ok(Code::Ok),
        }
    }
}

fn found<'a>(catalog: &'a Catalog, name: &str) -> Option<(&'a Descriptor, &'a Workflow)> {
    let (descriptor, workflow) = catalog.workflow(&name.parse().ok()?, None).ok()?;
    Some((descriptor, workflow))
}

fn print(screen: &mut Screen, plans: &Plans<'_>) -> io::Result<()> {
    if plans.workflows.is_empty() {
        return writeln!(screen, "(none)");
    }
    for (index, (key, plan)) in plans.workflows.iter().enumerate() {
        if index > 0 {
            writeln!(screen)?;
        }
        plan.print(screen, key)?;
    }
    Ok(())
}

impl PlanOf<'_> {
    /// Prints one for people.
    pub(in crate::commands) fn print(&self, screen: &mut Screen, key: &str) -> io::Result<()> {
        let facts = format!(
            "{}, {}, {}",
            count(self.node_count, "node"),
            count(self.edge_count, "edge"),
            count(self.levels as usize, "level")
        );
        writeln!(screen, "{}  {facts}", screen.palette.paint(Tone::Strong, key))?;
        for (name, fields) in [("scheduler", Some(&self.scheduler)), ("notifications", self.notifications)] {
            if let Some(fields) = fields {
                let fields: Vec<_> =
                    fields.iter().map(|(name, value)| format!("{name}={}", bare(value))).collect();
                let line = clean(&format!("  {name}: {}", fields.join(" ")));
                let line = crate::output::text::cut(&line, screen.width);
                writeln!(screen, "{}", screen.palette.paint(Tone::Faint, &line))?;
            }
        }
        let mut table = Table::new([
            Column::new("node", Room::Middle),
            Column::new("task", Room::Middle),
            Column::new("after", Room::End),
            Column::new("", Room::End),
        ]);
        for node in &self.nodes {
            let after = if node.depends_on.is_empty() { "-".to_owned() } else { node.depends_on.join(", ") };
            table.row([plain(node.id), plain(node.task), plain(after), (node.note(), Tone::Faint)]);
        }
        table.print(screen)
    }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

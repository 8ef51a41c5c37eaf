//! A run, alone and in lists.

use std::collections::BTreeMap;

use oneiric_core::{BootId, NodeId};
use oneiric_dag::{NodeProgress, NodeReport, RunReport};
use oneiric_store::{NodeStatus, RunRecord, RunStatus};
use schemars::JsonSchema;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use super::fault::FaultShape;
use super::rfc3339;

/// Whether nobody works on a run that has not ended and does not wait for a person.
pub fn is_free(run: &RunRecord, dead: &[BootId]) -> bool {
    let state = &run.state;
    let under_way = !state.status.is_terminal() && state.status != RunStatus::Paused;
    under_way && state.owner.is_none_or(|owner| dead.contains(&owner))
}

/// What a run did, node by node. Upstream's shape is `{"workflow","run_id","results":{node: value,
/// node__duration: seconds, node__attempts: n}}`.
#[derive(Debug, Clone, serde::Serialize, JsonSchema)]
pub struct Run<'a> {
    workflow: &'a str,
    run_id: String,
    /// Outputs of the nodes that completed; beside each, `node__duration` in seconds and `node__attempts`.
    #[schemars(with = "BTreeMap<String, Value>")]
    results: Results<'a>,
    /// Where it stands: a status, or a word that says more (`interrupted`, `suspended`).
    status: &'a str,
    /// Seconds from its beginning to its end.
    duration: Option<f64>,
    started_at: Option<String>,
    ended_at: Option<String>,
    fault: Option<FaultShape>,
    #[serde(flatten)]
    asked: Option<Asked<'a>>,
    /// The run that it repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<String>,
    /// Where every node stands, by id.
    #[schemars(with = "BTreeMap<String, Node<'a>>")]
    nodes: Nodes<'a>,
}

/// What was asked for.
#[derive(Debug, Clone, serde::Serialize, JsonSchema)]
struct Asked<'a> {
    created_at: String,
    /// What caused it: `cli`, `http`, `callback`, `event`, ...
    trigger: &'a str,
    actor: Option<&'a str>,
    /// Its context.
    input: &'a Value,
    options: &'a Value,
}

impl<'a> Run<'a> {
    /// A run by its report. `status` is the word for where it stands; `record` adds what was asked for; of
    /// `progress` that of the tries that are under way is shown; `log` gives the last lines of a node that failed.
    pub fn new(
        workflow: &'a str,
        report: &'a RunReport,
        status: &'a str,
        record: Option<&'a RunRecord>,
        progress: &'a [NodeProgress],
        log: impl Fn(&NodeId) -> Option<Vec<&'a str>> + 'a,
    ) -> Self {
        let took = report.ended_at.zip(report.started_at).map(|(end, start)| end.since(start));
        let node = |node: &'a NodeReport| {
            let lines = (node.status == NodeStatus::Failed).then(|| log(&node.id)).flatten();
            (node.id.as_str(), Node::new(node, progress, lines))
        };
        Self {
            workflow,
            run_id: report.run.to_string(),
            results: Results(&report.nodes),
            status,
            duration: took.map(|took| took.as_secs_f64()),
            started_at: report.started_at.map(rfc3339),
            ended_at: report.ended_at.map(rfc3339),
            fault: report.fault.as_ref().map(FaultShape::from),
            asked: record.map(|record| Asked {
                created_at: rfc3339(record.created_at),
                trigger: &record.trigger,
                actor: record.actor.as_deref(),
                input: record.input.value(),
                options: &record.options,
            }),
            parent: record.and_then(|record| record.parent).map(|parent| parent.to_string()),
            nodes: Nodes(report.nodes.iter().map(node).collect()),
        }
    }

    /// The same as a repetition of another run.
    #[must_use]
    pub fn repeating(mut self, parent: Option<oneiric_core::RunId>) -> Self {
        self.parent = parent.map(|parent| parent.to_string());
        self
    }
}

/// Outputs and figures of the nodes that completed: `{node: value, node__duration: seconds, node__attempts: n}`.
#[derive(Debug, Clone)]
pub struct Results<'a>(pub &'a [NodeReport]);

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for node in self.0.iter().filter(|node| node.status == NodeStatus::Completed) {
            map.serialize_entry(node.id.as_str(), node.output.value())?;
            map.serialize_entry(&format!("{}__duration", node.id), &seconds(node).unwrap_or(0.0))?;
            map.serialize_entry(&format!("{}__attempts", node.id), &node.attempts)?;
        }
        map.end()
    }
}

/// In the order of the plan, which a sorted map would lose.
#[derive(Debug, Clone)]
struct Nodes<'a>(Vec<(&'a str, Node<'a>)>);

impl Serialize for Nodes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(id, node)| (id, node)))
    }
}

/// One node.
#[derive(Debug, Clone, serde::Serialize, JsonSchema)]
struct Node<'a> {
    status: &'static str,
    attempts: u32,
    /// Seconds of the latest try.
    duration: Option<f64>,
    started_at: Option<String>,
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<FaultShape>,
    /// Why it was skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    skip: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress<'a>>,
    /// Whether it has its output from the run that this one repeats.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    kept: bool,
    /// Its last lines, where it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Vec<&'a str>>,
}

/// `{"fraction":0.4,"text":"page 2 of 5","at":"2026-01-31T09:30:00.123456Z"}`.
#[derive(Debug, Clone, serde::Serialize, JsonSchema)]
struct Progress<'a> {
    fraction: Option<f64>,
    text: Option<&'a str>,
    at: String,
}

impl<'a> Node<'a> {
    fn new(node: &'a NodeReport, progress: &'a [NodeProgress], log: Option<Vec<&'a str>>) -> Self {
        // Only of the try that its row speaks of.
        let said = |said: &&NodeProgress| {
            node.status == NodeStatus::Running && said.node == node.id && said.attempt == node.attempts
        };
        let progress = progress.iter().find(said).map(|said| Progress {
            fraction: said.progress.fraction,
            text: said.progress.text.as_deref(),
            at: rfc3339(said.at),
        });
        Self {
            status: node.status.name(),
            attempts: node.attempts,
            duration: seconds(node),
            started_at: node.started_at.map(rfc3339),
            ended_at: node.ended_at.map(rfc3339),
            fault: node.fault.as_ref().map(FaultShape::from),
            skip: node.skip.map(|skip| skip.name()),
            progress,
            kept: node.is_kept(),
            log,
        }
    }
}

fn seconds(node: &NodeReport) -> Option<f64> {
    node.duration().map(|duration| duration.as_secs_f64())
}

/// A run in a list.
#[derive(Debug, Clone, serde::Serialize, JsonSchema)]
pub struct RunLine {
    /// Its id.
    pub run_id: String,
    /// Its workflow.
    pub workflow: String,
    /// Where it stands.
    pub status: &'static str,
    /// Whether it is under way and nobody works on it: whoever did is gone, or nobody has begun.
    pub interrupted: bool,
    /// When it was submitted.
    pub created_at: String,
    /// When it began.
    pub started_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// Seconds from its beginning to its end.
    pub duration: Option<f64>,
    /// What caused it.
    pub trigger: String,
    /// Who asked for it.
    pub actor: Option<String>,
    /// Why it failed, paused or was cancelled.
    pub fault: Option<FaultShape>,
}

impl RunLine {
    /// A stored run; `dead` are the boots that are.
    pub fn of(run: &RunRecord, dead: &[BootId]) -> Self {
        let state = &run.state;
        Self {
            run_id: run.id.to_string(),
            workflow: run.workflow.to_string(),
            status: state.status.name(),
            interrupted: is_free(run, dead),
            created_at: rfc3339(run.created_at),
            started_at: state.started_at.map(rfc3339),
            ended_at: state.ended_at.map(rfc3339),
            duration: state.ended_at.zip(state.started_at).map(|(end, start)| end.since(start).as_secs_f64()),
            trigger: run.trigger.clone(),
            actor: run.actor.clone(),
            fault: state.fault.as_ref().map(FaultShape::from),
        }
    }
}

//! The report for programs. Upstream's shape is `{"workflow","run_id","results":{node: value,
//! node__duration: seconds, node__attempts: n}}`; everything else is an addition.

use oneiric_core::Fault;
use oneiric_dag::{NodeProgress, NodeReport};
use oneiric_store::NodeStatus;
use serde::ser::{Serialize, SerializeMap, SerializeStruct, Serializer};

use super::{Report, is_kept};
use crate::output::time::rfc3339;

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("workflow", self.workflow)?;
        map.serialize_entry("run_id", &self.run.run)?;
        map.serialize_entry("results", &Results(&self.run.nodes))?;
        map.serialize_entry("status", self.standing.word())?;
        map.serialize_entry("duration", &self.took().map(|took| took.as_secs_f64()))?;
        map.serialize_entry("started_at", &self.run.started_at.map(rfc3339))?;
        map.serialize_entry("ended_at", &self.run.ended_at.map(rfc3339))?;
        map.serialize_entry("fault", &self.run.fault)?;
        if let Some(record) = self.record {
            map.serialize_entry("created_at", &rfc3339(record.created_at))?;
            map.serialize_entry("trigger", &record.trigger)?;
            map.serialize_entry("actor", &record.actor)?;
            map.serialize_entry("input", &record.input)?;
            map.serialize_entry("options", &record.options)?;
        }
        if let Some(parent) = self.parent {
            map.serialize_entry("parent", &parent)?;
        }
        map.serialize_entry("nodes", &Nodes(self))?;
        map.end()
    }
}

/// Outputs and figures of the nodes that completed.
struct Results<'a>(&'a [NodeReport]);

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

/// Where every node stands, by id.
struct Nodes<'a>(&'a Report<'a>);

impl Serialize for Nodes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = self.0;
        let mut map = serializer.serialize_map(Some(report.run.nodes.len()))?;
        for node in &report.run.nodes {
            let log = report.tails.get(&(report.run.run, node.id.clone()));
            let log = log.filter(|_| node.status == NodeStatus::Failed);
            let progress = report.progress_of(node);
            let node =
                Node { node, progress, log: log.map(|lines| lines.iter().map(String::as_str).collect()) };
            map.serialize_entry(node.node.id.as_str(), &node)?;
        }
        map.end()
    }
}

struct Node<'a> {
    node: &'a NodeReport,
    progress: Option<&'a NodeProgress>,
    log: Option<Vec<&'a str>>,
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let node = self.node;
        let fault: Option<&Fault> = node.fault.as_ref();
        let mut out = serializer.serialize_struct("Node", 8)?;
        out.serialize_field("status", node.status.name())?;
        out.serialize_field("attempts", &node.attempts)?;
        out.serialize_field("duration", &seconds(node))?;
        out.serialize_field("started_at", &node.started_at.map(rfc3339))?;
        out.serialize_field("ended_at", &node.ended_at.map(rfc3339))?;
        if let Some(fault) = fault {
            out.serialize_field("fault", fault)?;
        }
        if let Some(skip) = node.skip {
            out.serialize_field("skip", skip.name())?;
        }
        if let Some(said) = self.progress {
            let at = rfc3339(said.at);
            let text = said.progress.text.as_deref();
            out.serialize_field("progress", &Progress { fraction: said.progress.fraction, text, at })?;
        }
        if is_kept(node) {
            out.serialize_field("kept", &true)?;
        }
        if let Some(log) = &self.log {
            out.serialize_field("log", log)?;
        }
        out.end()
    }
}

/// `{"fraction":0.4,"text":"page 2 of 5","at":"2026-01-31T09:30:00.123456Z"}`.
#[derive(serde::Serialize)]
struct Progress<'a> {
    fraction: Option<f64>,
    text: Option<&'a str>,
    at: String,
}

fn seconds(node: &NodeReport) -> Option<f64> {
    node.duration().map(|duration| duration.as_secs_f64())
}

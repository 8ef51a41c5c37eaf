//! `orchestrate --print-dag`: the nodes of workflows, and how each ran last.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use oneiric_core::Key;
use oneiric_runtime::Catalog;
use oneiric_store::{NodeRecord, RunFilter, RunRecord, RunStatus, SqliteStore, Store as _};
use serde::Serialize;
use serde_json::Value;

use crate::commands::workflow::{PlanOf, Plans};
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::{Screen, time};
use crate::wait::wait;

/// Upstream's shape: `{"summary":{key: plan with "last_run"},"missing":[key]}`.
#[derive(Serialize)]
pub(super) struct Dags<'a> {
    summary: BTreeMap<&'a str, Summary<'a>>,
    missing: Vec<&'a str>,
}

#[derive(Serialize)]
struct Summary<'a> {
    #[serde(flatten)]
    plan: PlanOf<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_run: Option<LastRun>,
}

/// The newest run of a workflow in the store, in the shape of upstream's telemetry.
#[derive(Debug, Serialize)]
struct LastRun {
    workflow: String,
    run_id: String,
    status: RunStatus,
    node_count: usize,
    entry_nodes: Vec<String>,
    nodes: Vec<LastNode>,
    total_duration_ms: Option<f64>,
    recorded_at: String,
}

#[derive(Debug, Serialize)]
struct LastNode {
    node: String,
    task: Option<String>,
    depends_on: Value,
    duration_ms: Option<f64>,
    attempts: u32,
    retry_policy: Value,
}

/// What there is to see of workflows; of all where none is named.
pub(super) fn dags<'a>(
    catalog: &'a Catalog,
    workflows: &'a [String],
    store: Option<&SqliteStore>,
) -> Result<(Dags<'a>, Result<Code, Failure>), Failure> {
    let plans = Plans::of(catalog, workflows);
    let verdict = plans.judge(catalog);
    let mut summary = BTreeMap::new();
    for (key, plan) in plans.workflows {
        let last_run = store.map(|store| last(store, key, &plan)).transpose()?.flatten();
        summary.insert(key, Summary { plan, last_run });
    }
    Ok((Dags { summary, missing: plans.missing }, verdict))
}

fn last(store: &SqliteStore, key: &str, plan: &PlanOf<'_>) -> Result<Option<LastRun>, Failure> {
    let Ok(workflow) = key.parse::<Key>() else { return Ok(None) };
    let filter = RunFilter { workflow: Some(workflow), ..RunFilter::newest(1) };
    let Some(run) = wait(store.runs(filter))?.pop() else { return Ok(None) };
    let nodes = wait(store.nodes(run.id))?;
    // What the manifest says of nodes now; a node that it no longer has is shown without.
    let plan = serde_json::to_value(plan).unwrap_or_default();
    Ok(Some(LastRun::new(&run, &nodes, &plan)))
}

impl LastRun {
    fn new(run: &RunRecord, nodes: &[NodeRecord], plan: &Value) -> Self {
        let said = |node: &NodeRecord| {
            let all = plan["nodes"].as_array().into_iter().flatten();
            all.into_iter().find(|said| said["id"] == node.name.as_str()).cloned().unwrap_or_default()
        };
        let nodes: Vec<LastNode> = nodes
            .iter()
            .map(|node| {
                let said = said(node);
                LastNode {
                    node: node.name.to_string(),
                    task: said["task"].as_str().map(str::to_owned),
                    depends_on: match &said["depends_on"] {
                        Value::Null => Value::Array(Vec::new()),
                        list => list.clone(),
                    },
                    duration_ms: millis(node.started_at, node.ended_at),
                    attempts: node.attempt,
                    retry_policy: said["retry_policy"].clone(),
                }
            })
            .collect();
        let free = |node: &&LastNode| node.depends_on.as_array().is_none_or(Vec::is_empty);
        let (began, ended) = (run.state.started_at, run.state.ended_at);
        Self {
            workflow: run.workflow.to_string(),
            run_id: run.id.to_string(),
            status: run.state.status,
            node_count: nodes.len(),
            entry_nodes: nodes.iter().filter(free).map(|node| node.node.clone()).collect(),
            total_duration_ms: millis(began, ended),
            recorded_at: time::rfc3339(ended.or(began).unwrap_or(run.created_at)),
            nodes,
        }
    }
}

fn millis(from: Option<oneiric_core::Timestamp>, to: Option<oneiric_core::Timestamp>) -> Option<f64> {
    let micros = to?.as_micros().saturating_sub(from?.as_micros());
    #[expect(clippy::cast_precision_loss, reason = "a duration for people")]
    Some(micros.max(0) as f64 / 1000.0)
}

impl Dags<'_> {
    /// Prints them for people: the plans, each followed by how it ran last.
    pub(super) fn print(&self, screen: &mut Screen) -> io::Result<()> {
        if self.summary.is_empty() {
            return writeln!(screen, "no workflows");
        }
        for (index, (key, one)) in self.summary.iter().enumerate() {
            if index > 0 {
                writeln!(screen)?;
            }
            one.plan.print(screen, key)?;
            let text = match &one.last_run {
                None => "  never ran here".to_owned(),
                Some(run) => {
                    let took =
                        run.total_duration_ms.map(|took| format!(" in {took:.1} ms")).unwrap_or_default();
                    format!("  last run {} {}{took} at {}", run.run_id, run.status.name(), run.recorded_at)
                }
            };
            let text = crate::output::text::cut(&text, screen.width);
            writeln!(screen, "{}", screen.palette.paint(Tone::Faint, &text))?;
        }
        Ok(())
    }
}

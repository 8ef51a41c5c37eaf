//! What an executor has counted of its nodes and runs, under upstream's names.
//!
//! Nothing is measured for it: a node's row says when its latest try began and ended.

use std::sync::atomic::{AtomicU64, Ordering};

use oneiric_core::Key;
use oneiric_core::metrics::{Family, Kind, OTHER, Series, Timing, Value};
use oneiric_store::{NodeRecord, NodeStatus, RunStatus};

/// Counts of an executor.
#[derive(Debug)]
pub(super) struct Tally {
    /// By workflow, node and outcome.
    nodes: Series<(String, String, &'static str), NodeCounts>,
    /// By workflow and how they ended.
    runs: Series<(String, &'static str), AtomicU64>,
}

#[derive(Debug, Default)]
struct NodeCounts {
    timing: Timing,
    /// Tries beyond the first of each.
    further: AtomicU64,
    /// Nodes that were tried more than once.
    again: AtomicU64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            nodes: Series::new((OTHER.to_owned(), OTHER.to_owned(), OTHER)),
            runs: Series::new((OTHER.to_owned(), OTHER)),
        }
    }
}

/// Upstream's two words.
const fn outcome(status: NodeStatus) -> Option<&'static str> {
    match status {
        NodeStatus::Completed => Some("success"),
        NodeStatus::Failed => Some("failed"),
        // Not at its end, or never tried.
        NodeStatus::Pending
        | NodeStatus::Running
        | NodeStatus::Waiting
        | NodeStatus::Skipped
        | NodeStatus::Cancelled
        | NodeStatus::Unknown
        | NodeStatus::Held
        | NodeStatus::Parked => None,
    }
}

impl Tally {
    /// A node's row changed.
    pub(super) fn node(&self, workflow: &Key, row: &NodeRecord) {
        let (Some(outcome), Some(began), Some(ended)) = (outcome(row.status), row.started_at, row.ended_at)
        else {
            return;
        };
        let counts = self.nodes.at(&(workflow.to_string(), row.name.to_string(), outcome));
        counts.timing.add(ended.since(began));
        if row.attempt > 1 {
            counts.further.fetch_add(u64::from(row.attempt) - 1, Ordering::Relaxed);
            counts.again.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A run has ended.
    pub(super) fn run(&self, workflow: &Key, status: RunStatus) {
        self.runs.at(&(workflow.to_string(), status.name())).fetch_add(1, Ordering::Relaxed);
    }

    /// All of it.
    pub(super) fn families(&self) -> Vec<Family> {
        let mut took = Family::new(
            "oneiric_workflow_node_duration_ms",
            Kind::Histogram,
            "How long the last tries of nodes took.",
        );
        let mut attempts =
            Family::new("oneiric_workflow_node_attempts", Kind::Summary, "How many tries nodes needed.");
        let mut failures =
            Family::new("oneiric_workflow_node_failures_total", Kind::Counter, "Nodes that failed for good.");
        let retries = |name, help| Family::new(name, Kind::Counter, help);
        let mut tried = retries("oneiric_retry_attempts_total", "Tries beyond the first.");
        let mut recovered = retries("oneiric_retry_success_total", "What succeeded after more than one try.");
        let mut exhausted =
            retries("oneiric_retry_exhausted_total", "What failed for good after more than one try.");
        let (mut further, mut again) = (0, [0; 2]);
        for ((workflow, node, outcome), counts) in self.nodes.all() {
            let labels = [("workflow", &*workflow), ("node", &*node), ("outcome", outcome)];
            let (timing, more) = (counts.timing.read(), counts.further.load(Ordering::Relaxed));
            let (count, failed) = (timing.count(), outcome == "failed");
            took.put(labels, timing.in_millis());
            attempts.put(labels, Value::Summary { count, sum: number(count + more) });
            if failed {
                failures.push(labels, number(count));
            }
            further += more;
            again[usize::from(failed)] += counts.again.load(Ordering::Relaxed);
        }
        let operation = [("operation", "workflow.node")];
        tried.push(operation, number(further));
        recovered.push(operation, number(again[0]));
        exhausted.push(operation, number(again[1]));
        let mut runs =
            Family::new("oneiric_workflow_runs_total", Kind::Counter, "Runs that ended in this process.");
        for ((workflow, status), count) in self.runs.all() {
            runs.push([("workflow", &*workflow), ("status", status)], number(count.load(Ordering::Relaxed)));
        }
        vec![took, attempts, failures, tried, recovered, exhausted, runs]
    }
}

#[expect(clippy::cast_precision_loss, reason = "nothing is counted to 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use oneiric_core::metrics::prometheus;
    use oneiric_core::{NodeId, RunId, Timestamp};

    use super::*;

    fn row(name: &str, status: NodeStatus, attempt: u32, millis: i64) -> NodeRecord {
        let at = |millis: i64| Some(Timestamp::from_micros(millis * 1000));
        NodeRecord {
            run: RunId::from_bytes([1; 16]),
            node: 0,
            name: NodeId::new(name).unwrap(),
            status,
            attempt,
            deaths: 0,
            input_hash: None,
            started_at: at(1000),
            ended_at: at(1000 + millis),
            wake_at: None,
            skip: None,
            fault: None,
        }
    }

    #[test]
    fn a_node_is_counted_at_its_end_with_all_its_tries() {
        let tally = Tally::default();
        let workflow = Key::new("shop").unwrap();
        for row in [
            row("a", NodeStatus::Running, 1, 0),
            row("a", NodeStatus::Waiting, 1, 0),
            row("a", NodeStatus::Completed, 3, 7),
            row("b", NodeStatus::Failed, 2, 20_000),
            row("c", NodeStatus::Skipped, 0, 0),
        ] {
            tally.node(&workflow, &row);
        }
        tally.run(&workflow, RunStatus::Failed);
        let text = prometheus(&tally.families());
        for line in [
            "oneiric_workflow_node_duration_ms_bucket{workflow=\"shop\",node=\"a\",outcome=\"success\",le=\"10\"} 1",
            "oneiric_workflow_node_duration_ms_sum{workflow=\"shop\",node=\"b\",outcome=\"failed\"} 20000",
            "oneiric_workflow_node_attempts_sum{workflow=\"shop\",node=\"a\",outcome=\"success\"} 3",
            "oneiric_workflow_node_failures_total{workflow=\"shop\",node=\"b\",outcome=\"failed\"} 1",
            "oneiric_retry_attempts_total{operation=\"workflow.node\"} 3",
            "oneiric_retry_success_total{operation=\"workflow.node\"} 1",
            "oneiric_retry_exhausted_total{operation=\"workflow.node\"} 1",
            "oneiric_workflow_runs_total{workflow=\"shop\",status=\"failed\"} 1",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("node=\"c\""), "{text}");
    }
}

//! A graph with the policies that its runs obey.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use oneiric_core::retry::{Exhausted, RetryPolicy};
use oneiric_core::{Key, Timestamp};
use oneiric_store::RunRecord;

use crate::graph::{Graph, Hook, Policy};

/// What bounds a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most nodes of one run at a time; `u32::MAX` leaves it to the process.
    pub max_parallel: u32,
    /// The longest time from the start of a run to its end.
    pub timeout: Option<Duration>,
    /// How long a cancelled try may take to stop before it is dropped.
    pub grace: Duration,
    /// How often in a row the process may die while a node runs before the node is parked for a person.
    /// Sidekiq calls a job poison after three; here the innocent that ran beside it count as well.
    pub max_deliveries: u32,
}

impl Default for Limits {
    /// No limit of the run's own, and Kubernetes' third of thirty seconds to stop: a drain has to fit
    /// into Cloud Run's ten.
    fn default() -> Self {
        Self { max_parallel: u32::MAX, timeout: None, grace: Duration::from_secs(8), max_deliveries: 5 }
    }
}

/// A graph with the policies that its runs obey: everything [`crate::State::step`] may look at
/// beside the state.
#[derive(Debug)]
pub struct Plan {
    workflow: Key,
    graph: Arc<Graph>,
    // By task place: what the component and its manifest entry say.
    tasks: Vec<Policy>,
    retry: Option<RetryPolicy>,
    limits: Limits,
    places: OnceLock<HashMap<String, u32>>,
}

impl Plan {
    /// Puts a plan together. `tasks` says for each of [`Graph::tasks`] what its component says of
    /// patience; missing ones say nothing. `retry` is the graph's own policy, for nodes that state none.
    pub fn new(
        workflow: Key,
        graph: Arc<Graph>,
        tasks: Vec<Policy>,
        retry: Option<RetryPolicy>,
        limits: Limits,
    ) -> Self {
        Self { workflow, graph, tasks, retry, limits, places: OnceLock::new() }
    }

    /// The key of the workflow.
    pub fn workflow(&self) -> &Key {
        &self.workflow
    }

    /// Nodes and edges.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// What bounds a run.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The place of a node, without a search.
    pub fn place(&self, id: &str) -> Option<u32> {
        let places = self.places.get_or_init(|| {
            (0u32..)
                .zip(self.graph.nodes())
                .map(|(place, node)| (node.id.as_str().to_owned(), place))
                .collect()
        });
        places.get(id).copied()
    }

    /// When a failed try of a node is repeated: the node's word, the graph's, the component's.
    pub fn retry(&self, place: u32) -> Option<&RetryPolicy> {
        let node = self.graph.node(place);
        node.policy.retry.as_ref().or(self.retry.as_ref()).or_else(|| self.task(node.task)?.retry.as_ref())
    }

    /// When the time of a run is up: what somebody extended it to, else the earlier of what was asked for and
    /// of what the plan allows from its beginning, which is `now` where it has not begun.
    pub fn deadline(&self, run: &RunRecord, now: Timestamp) -> Option<Timestamp> {
        let started_at = run.state.started_at.unwrap_or(now);
        let allowed = self.limits.timeout.map(|limit| started_at.after(limit));
        run.state.deadline.or_else(|| [allowed, run.deadline].into_iter().flatten().min())
    }

    /// Whether a node whose tries are exhausted waits for a person instead of failing.
    pub fn parks(&self, place: u32) -> bool {
        self.retry(place).is_some_and(|policy| policy.on_exhausted == Exhausted::Pause)
    }

    /// Whether running a node twice is as good as once: the node's word, else the component's.
    pub fn idempotent(&self, place: u32) -> Option<bool> {
        let node = self.graph.node(place);
        node.policy.idempotent.or_else(|| self.task(node.task)?.idempotent)
    }

    /// The longest time one try may take: the node's word, else the component's.
    pub fn timeout(&self, place: u32) -> Option<Duration> {
        let node = self.graph.node(place);
        node.policy.timeout.or_else(|| self.task(node.task)?.timeout)
    }

    /// The longest time one try may be silent: the node's word, else the component's.
    pub fn heartbeat(&self, place: u32) -> Option<Duration> {
        let node = self.graph.node(place);
        node.policy.heartbeat.or_else(|| self.task(node.task)?.heartbeat)
    }

    /// Who finds out what became of a try of a node: the node's word, else the component's.
    pub fn reconcile(&self, place: u32) -> Option<&Hook> {
        let node = self.graph.node(place);
        node.policy.reconcile.as_ref().or_else(|| self.task(node.task)?.reconcile.as_ref())
    }

    /// The keys of the tasks that find out what became of others, each once.
    pub fn hooks(&self) -> Vec<&Key> {
        let of_nodes = self.graph.nodes().iter().filter_map(|node| node.policy.reconcile.as_ref());
        let of_tasks = self.tasks.iter().filter_map(|task| task.reconcile.as_ref());
        let keys = of_nodes.chain(of_tasks).filter_map(|hook| match hook {
            Hook::Own => None,
            Hook::Task(key) => Some(key),
        });
        keys.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// How many tries of a node may ask what became of them; with more, a person decides. A component that
    /// keeps losing its own outcome would be tried for ever otherwise.
    pub fn most_reconciled(&self, place: u32) -> u32 {
        let stated = self.retry(place).map_or(1, |policy| policy.attempts);
        stated.max(self.limits.max_deliveries)
    }

    fn task(&self, task: u32) -> Option<&Policy> {
        self.tasks.get(task as usize)
    }
}

//! What the model's runs are made of: small graphs with every kind of policy.

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::retry::{Exhausted, RetryPolicy};
use oneiric_core::rng::SeededRng;
use oneiric_core::{Key, Rng};
use oneiric_dag::{Limits, OnFailure, Plan, Policy};

use crate::graphs;

/// How many shapes there are: enough for every mixture of policies to come up.
pub const SHAPES: usize = 96;

/// The seconds that the first wait before a further try takes; each further one doubles, once.
const DELAY: i64 = 1;

/// One workflow, as the model knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// The nodes, by place.
    pub nodes: Vec<NodeShape>,
    /// What a failed node means for the rest.
    pub on_failure: OnFailure,
    /// The most tries at a time.
    pub limit: u32,
    /// How often the process may die while a node runs.
    pub deliveries: u32,
}

/// One node of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeShape {
    /// The places it waits for.
    pub after: Vec<usize>,
    /// What is said of running it twice.
    pub idempotent: Option<bool>,
    /// Tries in all; 0 states no policy, which is one try.
    pub tries: u32,
    /// Whether it waits between them.
    pub waits: bool,
    /// Whether it is parked instead of failing when they are exhausted.
    pub parks: bool,
    /// Whether its condition is false.
    pub skipped: bool,
}

impl NodeShape {
    /// The wait in microseconds after a try that failed; `None` where it was the last one.
    pub(super) fn wait_after(&self, attempt: u32) -> Option<i64> {
        let seconds = if !self.waits {
            0
        } else if attempt == 1 {
            DELAY
        } else {
            2 * DELAY
        };
        (attempt < self.tries).then_some(seconds * 1_000_000)
    }
}

impl Shape {
    /// The shape of that number, always the same.
    pub fn of(number: usize) -> Self {
        let rng = SeededRng::new(number as u64);
        let one_of = |n: u64| rng.next_u64() % n;
        let count = 1 + one_of(5) as usize;
        let upstream = graphs::random_shape(&rng, count, 3);
        let nodes = upstream
            .into_iter()
            .map(|after| NodeShape {
                after,
                idempotent: [None, Some(true), Some(false)][one_of(3) as usize],
                tries: one_of(4) as u32,
                waits: one_of(2) == 0,
                parks: one_of(3) == 0,
                skipped: one_of(8) == 0,
            })
            .collect();
        let on_failure = [OnFailure::FinishIndependent, OnFailure::FailFast, OnFailure::Continue];
        Self {
            nodes,
            on_failure: on_failure[one_of(3) as usize],
            limit: [u32::MAX, 1, 2][one_of(3) as usize],
            deliveries: 1 + one_of(3) as u32,
        }
    }

    /// Who waits for `place`, ascending.
    pub(super) fn successors(&self, place: usize) -> impl Iterator<Item = usize> + use<'_> {
        self.nodes.iter().enumerate().filter(move |(_, node)| node.after.contains(&place)).map(|(n, _)| n)
    }

    /// The plan that says the same to the real machine. Conditions read `inputs.go`, which is false.
    pub(super) fn plan(&self, task: &Key) -> Plan {
        let edges = self.nodes.iter().map(|node| node.after.clone()).collect();
        let mut draft = graphs::draft(&edges, task);
        draft.on_failure = self.on_failure;
        for (node, shape) in draft.nodes.iter_mut().zip(&self.nodes) {
            node.when = shape.skipped.then(|| "inputs.go".to_owned());
            let on_exhausted = if shape.parks { Exhausted::Pause } else { Exhausted::Fail };
            let retry = RetryPolicy {
                attempts: shape.tries.max(1),
                base_delay: if shape.waits { DELAY as f64 } else { 0.0 },
                max_delay: Some(2.0 * DELAY as f64),
                jitter: 0.0,
                on_exhausted,
            };
            let retry = (shape.tries > 0).then_some(retry);
            node.policy = Policy { retry, idempotent: shape.idempotent, ..Policy::default() };
        }
        let graph = draft.build().expect("a shape is acyclic and its names are different");
        let limits = Limits {
            max_parallel: self.limit,
            timeout: None,
            grace: Duration::from_secs(8),
            max_deliveries: self.deliveries,
        };
        Plan::new(task.clone(), Arc::new(graph), Vec::new(), None, limits)
    }
}

//! Random workflows whose outputs can be computed without running them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::retry::{Exhausted, RetryPolicy};
use oneiric_core::roles::Task;
use oneiric_core::{Digest, Key, Payload};
use oneiric_dag::{Bound, Draft, DraftNode, Limits, OnFailure, Plan, Policy, Program};
use oneiric_store::{NodeRecord, NodeStatus};
use serde_json::{Value, json};

use super::dice::Dice;
use crate::graphs;

/// What a node is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    /// The run's context.
    Context,
    /// Always the same.
    Literal(u64),
    /// The sum of what its dependencies gave.
    Sum,
}

/// When a node runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Always,
    /// The seed of the run is even.
    EvenSeed,
    /// What this dependency gave is even.
    EvenOutput(usize),
}

/// How a node's task behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Behaviour {
    /// Of a thousand tries, how many fail for now.
    pub(super) flaky: u64,
    /// It fails for good.
    pub(super) broken: bool,
    /// Of a thousand tries, how many end without anybody knowing how.
    pub(super) unknown: u64,
    /// Of a thousand tries, how many panic.
    pub(super) panics: u64,
    /// Of a thousand tries, how many take longer than a lease.
    pub(super) slow: u64,
    /// What it gives differs from try to try.
    pub(super) fresh: bool,
    /// It stops when it is asked to.
    pub(super) listens: bool,
}

#[derive(Debug, Clone)]
struct Step {
    upstream: Vec<usize>,
    given: Given,
    when: When,
    behaviour: Behaviour,
}

/// A workflow, and what it would give if nothing ever failed.
#[derive(Debug)]
pub(super) struct Workflow {
    steps: Vec<Step>,
    plan: Arc<Plan>,
    /// Whether every node that runs succeeds sooner or later, with an output that follows from the input.
    clean: bool,
}

impl Workflow {
    /// A random workflow. `calm` ones are `clean`.
    pub(super) fn random(dice: &Dice, number: usize, calm: bool) -> Self {
        let count = count(dice);
        let window = dice.between(1, 12) as usize;
        let rng = oneiric_core::rng::SeededRng::new(dice.bits());
        let shape = graphs::random_shape(&rng, count, window);
        let steps: Vec<Step> = shape.into_iter().map(|upstream| step(dice, upstream, calm)).collect();
        let key = key(&format!("wf{number}"));
        let mut draft = Draft::default();
        for (place, step) in steps.iter().enumerate() {
            draft.nodes.push(node(dice, place, step, calm));
        }
        draft.on_failure = match dice.below(3) {
            0 => OnFailure::FinishIndependent,
            1 => OnFailure::FailFast,
            _ => OnFailure::Continue,
        };
        let limits = Limits {
            max_parallel: if dice.chance(300) { u32::MAX } else { dice.between(1, 8) as u32 },
            timeout: (!calm && dice.chance(100)).then(|| dice.millis(2_000, 60_000)),
            grace: dice.millis(100, 3_000),
            max_deliveries: if calm { u32::MAX } else { dice.between(2, 6) as u32 },
        };
        let graph = Arc::new(draft.build().expect("a random shape has no cycle and no unknown name"));
        let tasks = vec![Policy { idempotent: Some(true), ..Policy::default() }; graph.tasks().len()];
        let plan = Arc::new(Plan::new(key, graph, tasks, None, limits));
        Self { steps, plan, clean: calm }
    }

    pub(super) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    pub(super) fn is_clean(&self) -> bool {
        self.clean
    }

    pub(super) fn behaviour(&self, place: u32) -> Behaviour {
        self.steps[place as usize].behaviour
    }

    /// The workflow with its tasks.
    pub(super) fn program(&self, task: &Arc<dyn Task>) -> Program {
        let bound = |key: &Key| Ok::<_, std::convert::Infallible>(Bound::linked(key, Arc::clone(task)));
        match Program::bind(Arc::clone(&self.plan), bound) {
            Ok(program) => program,
            Err(never) => match never {},
        }
    }

    /// The fingerprint of the input that a node must have had, from how its dependencies ended.
    pub(super) fn input(&self, place: u32, seed: u64, rows: &Ends<'_>) -> Digest {
        let step = &self.steps[place as usize];
        let value = match step.given {
            Given::Context => context(seed),
            Given::Literal(value) => json!({ "sum": value }),
            Given::Sum => {
                json!({ "sum": step.upstream.iter().map(|upstream| rows.value(*upstream)).sum::<u64>() })
            }
        };
        Payload::from(value).digest()
    }

    /// What each node gives in a run in which nothing fails; `None` where its condition is false.
    pub(super) fn reference(&self, seed: u64) -> Vec<Option<u64>> {
        let mut values: Vec<Option<u64>> = Vec::with_capacity(self.steps.len());
        for (place, step) in self.steps.iter().enumerate() {
            let of = |upstream: &usize| values[*upstream].unwrap_or(0);
            let runs = match step.when {
                When::Always => true,
                When::EvenSeed => seed.is_multiple_of(2),
                When::EvenOutput(upstream) => of(&upstream) % 2 == 0,
            };
            let input = match step.given {
                Given::Context => seed,
                Given::Literal(value) => value,
                Given::Sum => step.upstream.iter().map(of).sum(),
            };
            values.push(runs.then(|| value(place as u32, input)));
        }
        values
    }
}

/// How the nodes of a run ended, as their successors see it.
#[derive(Debug)]
pub(super) struct Ends<'a> {
    pub(super) rows: &'a BTreeMap<u32, NodeRecord>,
    pub(super) outputs: &'a BTreeMap<(u32, Digest), Payload>,
}

impl Ends<'_> {
    /// The output of a node that completed.
    pub(super) fn output(&self, place: u32) -> Option<&Payload> {
        let row = self.rows.get(&place).filter(|row| row.status == NodeStatus::Completed)?;
        self.outputs.get(&(place, row.input_hash?))
    }

    fn value(&self, place: usize) -> u64 {
        self.output(place as u32).and_then(|output| output.value()["v"].as_u64()).unwrap_or(0)
    }
}

/// The context of a run.
pub(super) fn context(seed: u64) -> Value {
    json!({ "seed": seed })
}

/// What a node gives for its input, where nothing differs from try to try. Small, so that a sum of many
/// stays one.
pub(super) fn value(place: u32, input: u64) -> u64 {
    (input * 31 + u64::from(place) * 7 + 1) % 100_003
}

/// The number in an input.
pub(super) fn number(input: &Payload) -> u64 {
    let input = input.value();
    input["sum"].as_u64().or_else(|| input["seed"].as_u64()).unwrap_or(0)
}

pub(super) fn key(text: &str) -> Key {
    Key::new(text).expect("letters and digits are a key")
}

/// Mostly small: what goes wrong between ten nodes goes wrong between two hundred, in more time.
fn count(dice: &Dice) -> usize {
    let most = match dice.below(100) {
        0..70 => 8,
        70..95 => 24,
        95..99 => 60,
        _ => 200,
    };
    dice.between(2, most) as usize
}

fn step(dice: &Dice, upstream: Vec<usize>, calm: bool) -> Step {
    let given = match dice.below(10) {
        0 => Given::Context,
        1 => Given::Literal(dice.below(1000)),
        _ if upstream.is_empty() => Given::Context,
        _ => Given::Sum,
    };
    let when = match dice.below(12) {
        0 => When::EvenSeed,
        1 => dice.pick(&upstream).map_or(When::Always, |upstream| When::EvenOutput(*upstream)),
        _ => When::Always,
    };
    let behaviour = Behaviour {
        flaky: if calm { 0 } else { *dice.pick(&[0, 0, 100, 500]).unwrap_or(&0) },
        broken: !calm && dice.chance(15),
        unknown: if calm { 0 } else { *dice.pick(&[0, 0, 0, 60]).unwrap_or(&0) },
        panics: if calm { 0 } else { *dice.pick(&[0, 0, 0, 30]).unwrap_or(&0) },
        slow: *dice.pick(&[0, 0, 20, 100]).unwrap_or(&0),
        fresh: !calm && dice.chance(300),
        listens: dice.chance(700),
    };
    Step { upstream, given, when, behaviour }
}

fn node(dice: &Dice, place: usize, step: &Step, calm: bool) -> DraftNode {
    let mut node = DraftNode::new(graphs::id(place), key(&format!("t{}", place % 3)))
        .after(step.upstream.iter().map(|upstream| graphs::id(*upstream)));
    node.payload = match step.given {
        Given::Context => Payload::NULL,
        Given::Literal(value) => json!({ "sum": value }).into(),
        Given::Sum => {
            let terms: Vec<String> = step.upstream.iter().map(|upstream| term(*upstream)).collect();
            json!({ "sum": format!("${{{{ {} }}}}", terms.join(" + ")) }).into()
        }
    };
    node.when = match step.when {
        When::Always => None,
        When::EvenSeed => Some("inputs.seed % 2 == 0".to_owned()),
        When::EvenOutput(upstream) => Some(format!("{} % 2 == 0", term(upstream))),
    };
    let idempotent = match dice.below(10) {
        0..2 if !calm => Some(false),
        2..5 => Some(true),
        _ => None,
    };
    let stated = calm || dice.chance(600);
    let retry = stated.then(|| RetryPolicy {
        attempts: if calm { 1000 } else { dice.between(1, 5) as u32 },
        base_delay: dice.below(800) as f64 / 1000.0,
        max_delay: Some(2.0),
        jitter: dice.below(300) as f64 / 1000.0,
        on_exhausted: if !calm && dice.chance(300) { Exhausted::Pause } else { Exhausted::Fail },
    });
    let timeout = (!calm && dice.chance(150)).then(|| dice.millis(200, 4_000));
    node.policy = Policy { retry, timeout, idempotent, ..Policy::default() };
    node
}

/// What a dependency gave; one that was skipped or failed gave nothing.
fn term(upstream: usize) -> String {
    let id = graphs::id(upstream);
    format!("(nodes.{id}.status == 'completed' ? nodes.{id}.output.v : 0)")
}

/// How long a try of a task takes before and after its effect.
pub(super) fn durations(dice: &Dice, behaviour: &Behaviour) -> (Duration, Duration) {
    let part = || match dice.below(10) {
        0..4 => Duration::ZERO,
        4..9 => dice.millis(0, 40),
        _ => dice.millis(100, 900),
    };
    let (before, after) = (part(), part());
    if dice.chance(behaviour.slow) { (before, dice.millis(3_000, 15_000)) } else { (before, after) }
}

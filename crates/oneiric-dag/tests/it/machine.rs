//! The state machine under random graphs, failures and limits: what must hold for all of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use oneiric_core::retry::RetryPolicy;
use oneiric_core::rng::SeededRng;
use oneiric_core::roles::Task;
use oneiric_core::{Fault, Payload, Rng};
use oneiric_dag::{Draft, Effects, Ended, Limits, OnFailure, Policy, Program, State};
use oneiric_store::{Event, MemoryStore, NodeRecord, NodeStatus, Op, RunState, RunStatus, Store};
use oneiric_testkit::graphs::{self, Shape};
use oneiric_testkit::{FnTask, virtual_time};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{RUN, World, boot, key, launch, program, record};

#[derive(Debug, Clone)]
struct Case {
    seed: u64,
    count: usize,
    window: usize,
    failing_percent: u64,
    on_failure: OnFailure,
    attempts: u32,
    max_parallel: u32,
    conditions: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let on_failure =
        prop_oneof![Just(OnFailure::FinishIndependent), Just(OnFailure::FailFast), Just(OnFailure::Continue)];
    let shape = (any::<u64>(), 1..40usize, 1..12usize, prop_oneof![Just(0u64), 1..40u64]);
    (shape, on_failure, 1..4u32, 1..10u32, any::<bool>()).prop_map(
        |((seed, count, window, failing_percent), on_failure, attempts, max_parallel, conditions)| Case {
            seed,
            count,
            window,
            failing_percent,
            on_failure,
            attempts,
            max_parallel,
            conditions,
        },
    )
}

/// Chance that belongs to a node and a try, whatever order they come in.
fn roll(seed: u64, node: &str, attempt: u32) -> u64 {
    let place: u64 = node[1..].parse().unwrap();
    SeededRng::new(seed ^ (place << 20) ^ u64::from(attempt)).next_u64() % 100
}

impl Case {
    fn shape(&self) -> Shape {
        graphs::random_shape(&SeededRng::new(self.seed), self.count, self.window)
    }

    fn draft(&self) -> Draft {
        let mut draft = graphs::draft(&self.shape(), &key("t"));
        draft.on_failure = self.on_failure;
        if self.conditions {
            for (place, node) in draft.nodes.iter_mut().enumerate().filter(|(place, _)| place % 5 == 3) {
                node.when = Some(format!("inputs.bound > {}", place % 7));
            }
        }
        draft
    }

    fn program(&self) -> Program {
        let (seed, failing) = (self.seed, self.failing_percent);
        let task: Arc<dyn Task> = FnTask::new(move |cx| match roll(seed, cx.node.as_str(), cx.attempt) {
            chance if chance < failing / 2 => Err(Fault::permanent("broken", "for good")),
            chance if chance < failing => Err(Fault::transient("flaky", "for now")),
            chance => Ok(json!({"chance": chance}).into()),
        });
        let retry =
            RetryPolicy { attempts: self.attempts, base_delay: 0.5, jitter: 1.0, ..RetryPolicy::ONCE };
        let policy = Policy { retry: Some(retry), ..Policy::default() };
        program(self.draft(), task, policy, Limits { max_parallel: self.max_parallel, ..Limits::default() })
    }
}

const INPUT: fn() -> Value = || json!({"bound": 3});

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn every_run_ends_and_its_journal_replays_to_its_rows(case in cases()) {
        let world = World::new();
        let program = case.program();
        let status = virtual_time(&world.clock, async {
            let run = launch(&world.plain(), program.clone(), INPUT()).await.unwrap();
            match run.ended().await {
                Ended::Reached(status) => status,
                other => panic!("{other:?}"),
            }
        });
        prop_assert!(status.is_terminal());
        virtual_time(&world.clock, audit(&world.store, &program, status));
    }
}

/// What must hold of a run that has ended, its journal included.
async fn audit(store: &MemoryStore, program: &Program, status: RunStatus) {
    audit_rows(store, program, status).await;
    let (replayed, state) = replay(store, program).await;
    assert_eq!(replayed.into_values().collect::<Vec<_>>(), store.nodes(RUN).await.unwrap());
    assert_eq!(RunState { owner: None, ..state }, store.run(RUN).await.unwrap().unwrap().state);
}

/// What must hold of the rows of a run that has ended.
pub async fn audit_rows(store: &MemoryStore, program: &Program, status: RunStatus) {
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
    let run = store.run(RUN).await.unwrap().unwrap();
    assert_eq!((run.state.status, run.state.owner), (status, None));
    let rows = store.nodes(RUN).await.unwrap();
    let graph = program.plan().graph();
    let by_place: HashMap<u32, &NodeRecord> = rows.iter().map(|row| (row.node, row)).collect();
    for row in &rows {
        assert!(row.status.is_terminal(), "{row:?} in a run that is {status}");
        for upstream in graph.dependencies(row.node) {
            let ended = by_place.get(upstream).and_then(|upstream| upstream.ended_at);
            if row.attempt > 0 {
                assert!(
                    ended.is_some_and(|ended| ended <= row.started_at.unwrap()),
                    "{row:?} began too early"
                );
            }
        }
    }
    if status == RunStatus::Completed {
        assert_eq!(rows.len(), graph.len());
        assert!(rows.iter().all(|row| matches!(row.status, NodeStatus::Completed | NodeStatus::Skipped)));
    }
}

/// Puts a run's journal to a fresh machine and gives the rows that come out.
async fn replay(store: &MemoryStore, program: &Program) -> (BTreeMap<u32, NodeRecord>, RunState) {
    let mut outputs: HashMap<u32, Payload> =
        store.checkpoints(RUN).await.unwrap().into_iter().map(|c| (c.node, c.output)).collect();
    let mut fresh = record(INPUT());
    fresh.state.owner = Some(boot(1));
    fresh.state.epoch = 1;
    let mut state = State::fresh(program.plan(), &fresh);
    let (mut rows, mut last) = (BTreeMap::new(), fresh.state.clone());
    for entry in store.journal(RUN, 0, usize::MAX).await.unwrap() {
        let event = match entry.event {
            Event::Succeeded { node, attempt, slots, .. } => {
                Event::Succeeded { node, attempt, slots, output: outputs.remove(&node).unwrap() }
            }
            event => event,
        };
        let mut fx = Effects::default();
        state.step(program.plan(), entry.at, event, &mut fx).unwrap();
        assert_eq!(state.seq(), entry.seq);
        for op in fx.ops {
            match op {
                Op::SetNode(row) => drop(rows.insert(row.node, row)),
                Op::SetRun { state, .. } => last = *state,
                _ => {}
            }
        }
    }
    (rows, last)
}

#[test]
fn an_event_that_does_not_belong_changes_nothing() {
    let case = Case {
        seed: 1,
        count: 3,
        window: 1,
        failing_percent: 0,
        on_failure: OnFailure::FailFast,
        attempts: 1,
        max_parallel: 9,
        conditions: false,
    };
    let program = case.program();
    let mut state = State::fresh(program.plan(), &record(INPUT()));
    let mut fx = Effects::default();
    let at = oneiric_core::Timestamp::default();
    let early = Event::Succeeded { node: 0, attempt: 1, output: Payload::NULL, slots: 1 };
    assert!(state.step(program.plan(), at, early, &mut fx).is_err());
    assert!(state.step(program.plan(), at, Event::Granted { slots: 1 }, &mut fx).is_err());
    state.step(program.plan(), at, Event::Started { slots: 9 }, &mut fx).unwrap();
    let before = format!("{state:?}");
    for event in [
        Event::Started { slots: 1 },
        Event::Succeeded { node: 0, attempt: 2, output: Payload::NULL, slots: 1 },
        Event::Succeeded { node: 99, attempt: 1, output: Payload::NULL, slots: 1 },
        Event::Due { node: 0, attempt: None, slots: 1 },
        Event::Resumed { unknown: oneiric_store::UnknownNodes::Keep, deaths: 0, slots: 1 },
    ] {
        let illegal = state.step(program.plan(), at, event.clone(), &mut Effects::default());
        assert!(illegal.is_err(), "{event:?}");
        assert_eq!(format!("{state:?}"), before);
    }
}

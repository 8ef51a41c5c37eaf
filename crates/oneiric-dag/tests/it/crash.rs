//! A process that dies at its n-th store call, for every n: what the next one makes of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use oneiric_core::rng::SeededRng;
use oneiric_core::roles::Task;
use oneiric_core::{Fault, NodeId, Rng, Timestamp};
use oneiric_dag::{Ended, Executor, Limits, Policy, Program, Then};
use oneiric_store::{Claim, Command, CommandRecord, NodeStatus, RunStatus, Store, StoreError, UnknownNodes};
use oneiric_testkit::graphs;
use oneiric_testkit::{CrashingStore, FnTask, Side, virtual_time};
use serde_json::{Value, json};

use crate::support::{RUN, World, key, launch, program};

/// How often each node's effect happened, outside of everything that can crash.
type Effects = Arc<Mutex<HashMap<NodeId, u32>>>;

/// Twenty nodes that add up what their dependencies gave.
fn summing(effects: &Effects, policy: Policy) -> Program {
    let shape = graphs::random_shape(&SeededRng::new(20), 20, 6);
    let mut draft = graphs::draft(&shape, &key("t"));
    for (place, upstream) in shape.iter().enumerate() {
        let terms: Vec<_> = upstream.iter().map(|place| format!("nodes.n{place}.output")).collect();
        let sum = if terms.is_empty() { "inputs.seed".to_owned() } else { terms.join(" + ") };
        draft.nodes[place].payload = json!({"sum": format!("${{{{ {sum} }}}}")}).into();
    }
    let effects = Arc::clone(effects);
    let task: Arc<dyn Task> = FnTask::new(move |cx| {
        *effects.lock().unwrap().entry(cx.node.clone()).or_default() += 1;
        let sum = cx.input.value()["sum"].as_i64().ok_or_else(|| Fault::permanent("sum", "no number"))?;
        Ok(json!(sum + 1).into())
    });
    program(draft, task, policy, Limits { max_parallel: 3, max_deliveries: u32::MAX, ..Limits::default() })
}

fn input() -> Value {
    json!({"seed": 3})
}

/// Takes over the run and works on it until it ends or this process dies too.
async fn take_over(executor: &Executor, program: &Program, unknown: UnknownNodes) -> Option<RunStatus> {
    let store = &executor.parts().store;
    let claim = Claim {
        dead: store.dead().await.ok()?,
        run: Some(RUN),
        ..Claim::any(executor.parts().lease.boot(), 1)
    };
    let claimed = store.claim(claim).await.ok()?;
    let Some(record) = claimed.first() else {
        // Killed before the run was durable: whoever asked was never told that it was accepted.
        return match store.run(RUN).await.ok()? {
            None => match launch(executor, program.clone(), input()).await.ok()?.ended().await {
                Ended::Reached(status) => Some(status),
                _ => None,
            },
            Some(run) => Some(run.state.status),
        };
    };
    match executor.resume(program.clone(), record, unknown).await.ok()?.ended().await {
        Ended::Reached(status) => Some(status),
        Ended::Suspended | Ended::Lost(_) => None,
    }
}

async fn outputs(world: &World) -> Vec<(u32, Value)> {
    let checkpoints = world.store.checkpoints(RUN).await.unwrap();
    checkpoints.into_iter().map(|checkpoint| (checkpoint.node, checkpoint.output.into())).collect()
}

/// The run that is never killed: its outputs, and how many commits it takes.
fn undisturbed() -> (Vec<(u32, Value)>, u64) {
    let world = World::new();
    let program = summing(&Effects::default(), Policy::default());
    virtual_time(&world.clock, async {
        let store = Arc::new(CrashingStore::new(Arc::new(world.store.clone()), 0, Side::Before));
        let executor = world.process(store.clone(), 1024);
        let run = launch(&executor, program, input()).await.unwrap();
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)));
        (outputs(&world).await, store.commits())
    })
}

/// Kills a process at each of `kills` in turn, then lets one finish. Nothing that was checkpointed at a
/// death may run again.
fn killed(kills: &[(u64, Side)], expected: &[(u32, Value)]) {
    let world = World::new();
    let effects = Effects::default();
    let program = summing(&effects, Policy::default());
    virtual_time(&world.clock, async {
        for (number, (at, side)) in kills.iter().enumerate() {
            let store = Arc::new(CrashingStore::new(Arc::new(world.store.clone()), *at, *side));
            let executor = world.process(store, 1024);
            if number == 0 {
                if let Ok(run) = launch(&executor, program.clone(), input()).await {
                    run.ended().await;
                }
            } else {
                take_over(&executor, &program, UnknownNodes::Keep).await;
            }
            world.bury();
        }
        let before = effects.lock().unwrap().clone();
        let kept = world.store.nodes(RUN).await.unwrap();
        let kept: Vec<_> = kept.into_iter().filter(|row| row.status == NodeStatus::Completed).collect();
        let status = take_over(&world.plain(), &program, UnknownNodes::Keep).await;
        assert_eq!(status, Some(RunStatus::Completed), "{kills:?}");
        assert_eq!(outputs(&world).await, expected, "{kills:?}");
        for row in kept {
            let (before, now) = (before.get(&row.name), effects.lock().unwrap().get(&row.name).copied());
            assert_eq!(before.copied(), now, "`{}` ran again after {kills:?}", row.name);
        }
        assert_eq!(world.store.check().await.unwrap().problems, Vec::<String>::new());
        crate::machine::audit_rows(&world.store, &program, RunStatus::Completed).await;
    });
}

#[test]
fn a_kill_at_every_store_call_changes_no_output() {
    let (expected, commits) = undisturbed();
    assert!(commits > 20);
    for at in 1..=commits {
        for side in [Side::Before, Side::After] {
            killed(&[(at, side)], &expected);
        }
    }
}

#[test]
fn a_series_of_kills_changes_no_output() {
    let (expected, commits) = undisturbed();
    let seed = 4711;
    println!("seed {seed}");
    let rng = SeededRng::new(seed);
    for _ in 0..200 {
        let kills: Vec<_> = (0..1 + rng.next_u64() % 6)
            .map(|_| {
                let side = if rng.next_u64().is_multiple_of(2) { Side::Before } else { Side::After };
                (1 + rng.next_u64() % commits, side)
            })
            .collect();
        killed(&kills, &expected);
    }
}

#[test]
fn a_node_that_must_not_repeat_pauses_its_run_until_a_person_decides() {
    let check = |unknown, status, effect| {
        let world = World::new();
        let effects = Effects::default();
        let policy = Policy { idempotent: Some(false), ..Policy::default() };
        let program = summing(&effects, policy);
        virtual_time(&world.clock, async {
            // The second commit is the first node's end: its effect has happened, nobody knows.
            let store = Arc::new(CrashingStore::new(Arc::new(world.store.clone()), 2, Side::Before));
            launch(&world.process(store, 1), program.clone(), input()).await.unwrap().ended().await;
            world.bury();
            let first = take_over(&world.plain(), &program, UnknownNodes::Keep).await;
            assert_eq!(first, Some(RunStatus::Paused));
            let run = world.store.run(RUN).await.unwrap().unwrap();
            assert_eq!((run.state.owner, run.state.fault.unwrap().code.as_str()), (None, "unknown-nodes"));
            assert_eq!(take_over(&world.plain(), &program, unknown).await, Some(status));
            assert_eq!(effects.lock().unwrap()[&graphs::id(0)], effect);
        });
    };
    check(UnknownNodes::Keep, RunStatus::Paused, 1);
    check(UnknownNodes::Retry, RunStatus::Completed, 2);
    check(UnknownNodes::Fail, RunStatus::Failed, 1);
}

#[test]
fn an_owner_that_was_overtaken_is_refused_and_acts_on_nothing() {
    let world = World::new();
    let effects = Effects::default();
    let program = summing(&effects, Policy::default());
    virtual_time(&world.clock, async {
        let executor = world.plain();
        let run = launch(&executor, program.clone(), input()).await.unwrap();
        // Nothing has been polled since: somebody else takes the run now.
        world.bury();
        let thief = world.plain();
        assert_eq!(take_over(&thief, &program, UnknownNodes::Keep).await, Some(RunStatus::Completed));
        let Ended::Lost(fault) = run.ended().await else { panic!("it was overtaken") };
        assert_eq!(fault.code, "fenced");
    });
    // The slots of the first owner were three; it learned of its loss at its first commit.
    let twice = effects.lock().unwrap().values().filter(|count| **count > 1).count();
    assert!(twice <= 3, "{twice}");
}

#[test]
fn a_cancel_survives_the_death_of_its_process() {
    let (_, commits) = undisturbed();
    for at in 2..commits {
        let world = World::new();
        let program = summing(&Effects::default(), Policy::default());
        virtual_time(&world.clock, async {
            let store = Arc::new(CrashingStore::new(Arc::new(world.store.clone()), at, Side::After));
            let run = launch(&world.process(store.clone(), 1024), program.clone(), input()).await.unwrap();
            let asked = run.cancel("enough").await;
            run.ended().await;
            world.bury();
            let status = take_over(&world.plain(), &program, UnknownNodes::Keep).await;
            // A cancel that was answered with success is never forgotten.
            if asked.is_ok() {
                assert_eq!(status, Some(RunStatus::Cancelled), "killed at {at}");
            }
        });
    }
}

#[test]
fn a_cancel_of_an_interrupted_run_leaves_no_node_in_flight() {
    let world = World::new();
    let program = summing(&Effects::default(), Policy::default());
    virtual_time(&world.clock, async {
        let store = Arc::new(CrashingStore::new(Arc::new(world.store.clone()), 3, Side::Before));
        launch(&world.process(store, 4), program.clone(), input()).await.unwrap().ended().await;
        world.bury();
        let interrupted = world.store.nodes(RUN).await.unwrap();
        assert!(interrupted.iter().any(|node| node.status == NodeStatus::Running));
        let next = world.plain();
        let dead = world.store.dead().await.unwrap();
        let claim = Claim { dead, run: Some(RUN), ..Claim::any(next.parts().lease.boot(), 1) };
        let claimed = world.store.claim(claim).await.unwrap();
        let command = Command::Cancel { reason: "enough".to_owned(), hard: false };
        let at = Timestamp::default();
        let asked = CommandRecord { run: RUN, id: 1, at, actor: None, command };
        next.obey(program.plan(), &claimed[0], &[asked], Then::GiveBack).await.unwrap();
        let nodes = world.store.nodes(RUN).await.unwrap();
        assert!(nodes.iter().all(|node| node.status != NodeStatus::Running), "{nodes:?}");
        assert_eq!(world.store.run(RUN).await.unwrap().unwrap().state.status, RunStatus::Cancelled);
        assert_eq!(world.store.violations().await.unwrap(), []);
    });
}

#[test]
fn a_closed_store_ends_the_run_with_that_reason() {
    let world = World::new();
    let program = summing(&Effects::default(), Policy::default());
    virtual_time(&world.clock, async {
        let run = launch(&world.plain(), program, input()).await.unwrap();
        world.store.close().await.unwrap();
        let Ended::Lost(fault) = run.ended().await else { panic!("the store is closed") };
        assert_eq!(fault.message, StoreError::Closed.to_string());
    });
}

//! What people ask of runs: of those under way, of those that nobody has, and across a death.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::retry::{Exhausted, RetryPolicy};
use oneiric_core::rng::SeededRng;
use oneiric_core::roles::{Task, TaskContext};
use oneiric_core::{Clock, Digest, Fault, Payload, Rng as _, Timestamp};
use oneiric_dag::{Ended, Executor, Launch, Limits, Obeyed, Policy, Program, RunHandle, Then};
use oneiric_store::{
    Batch, Blob, Checkpoint, Claim, Command, CommandRecord, Event, NodeStatus, Op, Require, RunStatus, Store,
    UnknownNodes, WhoseCommands,
};
use oneiric_testkit::{CrashingStore, FnTask, ManualClock, Side, graphs, virtual_time};
use serde_json::{Value, json};

use crate::support::{RUN, World, key, launch, program, record};

/// Takes a second, and stops when it is asked to; `deaf` never hears.
#[derive(Debug)]
struct Second {
    clock: ManualClock,
    deaf: bool,
}

#[async_trait]
impl Task for Second {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        tokio::select! {
            () = self.clock.sleep(Duration::from_secs(1)) => Ok(json!(cx.node.as_str()).into()),
            () = cx.cancel.cancelled(), if !self.deaf => Err(Fault::transient("stopped", "stopped when asked")),
        }
    }
}

/// `n0` to `n3`, one after the other, a second each.
fn chain(world: &World, deaf: bool) -> Program {
    let draft = graphs::draft(&vec![vec![], vec![0], vec![1], vec![2]], &key("t"));
    let task = Arc::new(Second { clock: world.clock.clone(), deaf });
    program(draft, task, Policy::default(), Limits::default())
}

fn pause() -> Command {
    Command::Pause { reason: "lunch".to_owned() }
}

fn resume(unknown: UnknownNodes) -> Command {
    Command::Resume { unknown }
}

fn cancel(hard: bool) -> Command {
    Command::Cancel { reason: "enough".to_owned(), hard }
}

fn extend(seconds: i64) -> Command {
    Command::Extend { deadline: Timestamp::from_micros(seconds * 1_000_000) }
}

fn asked(id: u128, command: Command) -> CommandRecord {
    CommandRecord { run: RUN, id, at: Timestamp::default(), actor: None, command }
}

async fn put(world: &World, command: CommandRecord) {
    let batch = Batch::of([Op::PutCommand(command)]).require(Require::RunOpen(RUN));
    world.store.commit(batch).await.unwrap();
}

async fn claim(executor: &Executor) -> Option<oneiric_store::RunRecord> {
    let parts = executor.parts();
    let dead = parts.store.dead().await.ok()?;
    let claim = Claim { dead, run: Some(RUN), ..Claim::any(parts.lease.boot(), 1) };
    parts.store.claim(claim).await.ok()?.pop()
}

async fn status(world: &World) -> RunStatus {
    world.store.run(RUN).await.unwrap().unwrap().state.status
}

async fn events(world: &World, wanted: fn(&Event) -> bool) -> usize {
    let journal = world.store.journal(RUN, 0, 1000).await.unwrap();
    journal.iter().filter(|entry| wanted(&entry.event)).count()
}

async fn nothing_is_stuck(world: &World) {
    assert_eq!(world.store.violations().await.unwrap(), []);
    assert_eq!(world.store.check().await.unwrap().problems, Vec::<String>::new());
}

#[test]
fn what_is_asked_twice_is_done_once() {
    let world = World::new();
    let program = chain(&world, true);
    virtual_time(&world.clock, async {
        let run = launch(&world.plain(), program, Value::Null).await.unwrap();
        let check = async |command: Command, events: usize| {
            let before = world.store.last_seq(RUN).await.unwrap();
            assert_eq!(run.obey(&command, None).await, Some(Obeyed::Done), "{command:?}");
            assert_eq!(run.obey(&command, None).await, Some(Obeyed::Already), "{command:?}");
            assert_eq!(world.store.last_seq(RUN).await.unwrap(), before + events as u64, "{command:?}");
        };
        check(extend(60), 1).await;
        check(pause(), 1).await;
        // It asks for its slot by itself, once it has one.
        check(resume(UnknownNodes::Keep), 1).await;
        check(cancel(false), 1).await;
        let stale = run.obey(&extend(70), None).await;
        assert_eq!(stale, Some(Obeyed::Stale("is being stopped".to_owned())));
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Cancelled)));
        assert_eq!(run.obey(&cancel(true), None).await, None, "it is not under way any more");
        nothing_is_stuck(&world).await;
    });
}

#[test]
fn a_paused_run_finishes_what_runs_and_goes_on_elsewhere() {
    let world = World::new();
    let program = chain(&world, false);
    virtual_time(&world.clock, async {
        let run = launch(&world.plain(), program.clone(), Value::Null).await.unwrap();
        run.obey(&pause(), None).await;
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Paused)));
        assert_eq!(run.report().nodes[0].status, NodeStatus::Completed);
        assert_eq!(world.clock.monotonic(), Duration::from_secs(1));
        nothing_is_stuck(&world).await;
        let other = world.plain();
        let record = claim(&other).await.unwrap();
        let run = other.resume(program, &record, UnknownNodes::Keep).await.unwrap();
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)));
        assert_eq!(world.clock.monotonic(), Duration::from_secs(4));
    });
}

#[test]
fn a_second_cancel_does_not_wait_for_who_does_not_hear() {
    let world = World::new();
    let program = chain(&world, true);
    virtual_time(&world.clock, async {
        let run = launch(&world.plain(), program, Value::Null).await.unwrap();
        assert_eq!(run.obey(&cancel(false), None).await, Some(Obeyed::Done));
        assert_eq!(run.obey(&cancel(true), None).await, Some(Obeyed::Done));
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Cancelled)));
        assert_eq!(world.clock.monotonic(), Duration::ZERO);
    });
}

#[test]
fn a_deadline_that_moves_counts_from_then_on() {
    let check = |commands: &[i64], expected: RunStatus, seconds: u64| {
        let world = World::new();
        let program = chain(&world, false);
        virtual_time(&world.clock, async {
            let run = launch(&world.plain(), program, Value::Null).await.unwrap();
            let began = world.clock.now().as_micros() / 1_000_000;
            for from_now in commands {
                run.obey(&extend(began + from_now), None).await;
            }
            let Ended::Reached(status) = run.ended().await else { panic!("it was not ours to the end") };
            assert_eq!((status, world.clock.monotonic().as_secs()), (expected, seconds), "{commands:?}");
        });
    };
    check(&[2], RunStatus::Failed, 2);
    check(&[2, 60], RunStatus::Completed, 4);
    check(&[60, 3], RunStatus::Failed, 3);
}

/// What nobody has is claimed, told, and given back: nothing of it runs meanwhile.
#[test]
fn a_run_that_nobody_has_is_told_without_going_on() {
    let check = |command: Command, expected: RunStatus, first: NodeStatus| {
        let world = World::new();
        let program = chain(&world, false);
        virtual_time(&world.clock, async {
            let executor = world.plain();
            launch(&executor, program.clone(), Value::Null).await.unwrap();
            world.bury();
            let other = world.plain();
            let record = claim(&other).await.unwrap();
            let obeyed =
                other.obey(program.plan(), &record, &[asked(1, command.clone())], Then::GiveBack).await;
            assert_eq!(obeyed.unwrap(), [Obeyed::Done], "{command:?}");
            assert_eq!(status(&world).await, expected, "{command:?}");
            assert_eq!(world.store.nodes(RUN).await.unwrap()[0].status, first, "{command:?}");
            assert_eq!(world.store.run(RUN).await.unwrap().unwrap().state.owner, None);
            nothing_is_stuck(&world).await;
            if !expected.is_terminal() {
                let record = claim(&other).await.unwrap();
                let run = other.resume(program, &record, UnknownNodes::Keep).await.unwrap();
                assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)), "{command:?}");
            }
        });
    };
    check(pause(), RunStatus::Paused, NodeStatus::Pending);
    check(cancel(false), RunStatus::Cancelled, NodeStatus::Cancelled);
    check(extend(1_000_000_000), RunStatus::Running, NodeStatus::Pending);
}

/// One node that always fails for now, and is parked after two tries.
fn parking() -> Program {
    let draft = graphs::draft(&vec![vec![], vec![0]], &key("t"));
    let task: Arc<dyn Task> = FnTask::new(|cx| match (cx.node.as_str(), cx.attempt) {
        ("n0", 1..=2) => Err(Fault::transient("down", "not yet")),
        _ => Ok(json!(cx.attempt).into()),
    });
    let retry =
        RetryPolicy { attempts: 2, base_delay: 100.0, on_exhausted: Exhausted::Pause, ..RetryPolicy::ONCE };
    program(draft, task, Policy { retry: Some(retry), ..Policy::default() }, Limits::default())
}

#[test]
fn a_node_that_waits_or_is_parked_is_tried_at_once() {
    let world = World::new();
    let program = parking();
    let retry = |nodes: &[u32]| Command::RetryNow { nodes: nodes.to_vec() };
    virtual_time(&world.clock, async {
        let executor = world.plain();
        let run = launch(&executor, program.clone(), Value::Null).await.unwrap();
        world.clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(run.report().nodes[0].status, NodeStatus::Waiting);
        let stale = Obeyed::Stale("has no such node that waits".to_owned());
        assert_eq!(run.obey(&retry(&[1]), None).await, Some(stale));
        assert_eq!(run.obey(&retry(&[]), None).await, Some(Obeyed::Done));
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Paused)));
        assert_eq!(run.report().nodes[0].status, NodeStatus::Parked);
        assert_eq!(world.clock.monotonic(), Duration::from_secs(1));
        let record = claim(&executor).await.unwrap();
        let obeyed = executor.obey(program.plan(), &record, &[asked(1, retry(&[0]))], Then::Keep).await;
        assert_eq!(obeyed.unwrap(), [Obeyed::Done]);
        let record = world.store.run(RUN).await.unwrap().unwrap();
        assert_eq!(record.state.owner, Some(executor.parts().lease.boot()));
        let run = executor.resume(program, &record, UnknownNodes::Keep).await.unwrap();
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)));
        assert_eq!(run.report().nodes[0].attempts, 3);
    });
}

/// The owner, as far as it gets: reads what was asked whenever it has a run, and works on it.
async fn work(world: &World, store: Arc<dyn Store>, program: &Program, first: bool) -> Option<RunStatus> {
    let executor = world.process(Arc::clone(&store), 8);
    let run: RunHandle = if first {
        let run = launch(&executor, program.clone(), Value::Null).await.ok()?;
        // Somebody else asks, whatever becomes of the owner.
        put(world, asked(1, extend(1_000_000_000))).await;
        put(world, asked(2, pause())).await;
        run
    } else {
        let record = claim(&executor).await?;
        executor.resume(program.clone(), &record, UnknownNodes::Keep).await.ok()?
    };
    let whose = WhoseCommands::Owner(executor.parts().lease.boot());
    for command in store.commands(whose).await.ok()? {
        run.obey(&command.command, Some(command.id)).await?;
    }
    match run.ended().await {
        Ended::Reached(status) => Some(status),
        Ended::Suspended | Ended::Lost(_) => None,
    }
}

#[test]
fn a_command_is_obeyed_once_wherever_its_owner_dies() {
    let commits = 8;
    for (at, side) in (1..=commits).flat_map(|at| [(at, Side::Before), (at, Side::After)]) {
        let world = World::new();
        let program = chain(&world, false);
        virtual_time(&world.clock, async {
            let crashing = Arc::new(CrashingStore::new(Arc::new(world.store.clone()), at, side));
            let told = format!("killed at {at}, {side:?}");
            if let Some(ended) = work(&world, crashing.clone(), &program, true).await {
                assert!(!crashing.is_dead() && ended == RunStatus::Paused, "{told}");
            } else if world.store.run(RUN).await.unwrap().is_none() {
                return;
            }
            world.bury();
            let asked_at_all = world.store.commands(WhoseCommands::Run(RUN)).await.unwrap().len()
                + events(&world, |event| matches!(event, Event::Extended { .. })).await
                > 0;
            while !status(&world).await.is_terminal() {
                work(&world, Arc::new(world.store.clone()), &program, false).await;
            }
            let extended = events(&world, |event| matches!(event, Event::Extended { .. })).await;
            let paused = events(&world, |event| matches!(event, Event::PauseRequested { .. })).await;
            let expected = usize::from(asked_at_all);
            assert_eq!((extended, paused), (expected, expected), "{told}");
            assert_eq!(world.store.commands(WhoseCommands::Run(RUN)).await.unwrap(), [], "{told}");
            assert_eq!(status(&world).await, RunStatus::Completed, "{told}");
            nothing_is_stuck(&world).await;
        });
    }
}

#[test]
fn a_run_that_begins_with_outputs_runs_only_the_rest() {
    let world = World::new();
    let program = chain(&world, false);
    virtual_time(&world.clock, async {
        let input = Payload::NULL;
        let kept = |node, input_hash: Digest| Checkpoint {
            run: oneiric_core::RunId::from_bytes([1; 16]),
            node,
            input_hash,
            output: json!("kept").into(),
            at: Timestamp::default(),
        };
        let bundle = Blob::new(b"test".to_vec());
        let launch = Launch {
            program,
            record: record(Value::Null),
            with: Batch::of([Op::Blob(bundle)]),
            // The last is of another input, and of no use.
            carried: vec![kept(0, input.digest()), kept(1, input.digest()), kept(2, Digest::of(b"other"))],
        };
        let run = world.plain().launch(launch).await.unwrap();
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)));
        let report = run.report();
        let tries: Vec<u32> = report.nodes.iter().map(|node| node.attempts).collect();
        assert_eq!(tries, [0, 0, 1, 1]);
        assert_eq!(report.nodes[1].output.value(), &json!("kept"));
        assert_eq!(world.clock.monotonic(), Duration::from_secs(2));
        nothing_is_stuck(&world).await;
    });
}

/// What somebody may ask, at random.
fn any_command(rng: &SeededRng) -> Command {
    match rng.next_u64() % 8 {
        0 | 1 => pause(),
        2 | 3 => resume(UnknownNodes::Keep),
        4 => resume(UnknownNodes::Retry),
        5 => Command::RetryNow { nodes: Vec::new() },
        6 => extend(1_000_000_000 + i64::try_from(rng.next_u64() % 3).unwrap()),
        _ => Command::RetryNow { nodes: vec![u32::try_from(rng.next_u64() % 12).unwrap()] },
    }
}

/// Whatever is asked, whenever, and whoever has the run: it gets to its end, every node that it completes
/// completes once, and nothing is stuck on the way.
#[test]
fn whatever_is_asked_a_run_gets_to_its_end() {
    for seed in 0..100 {
        let rng = SeededRng::new(seed);
        let world = World::new();
        let draft = graphs::draft(&graphs::random_shape(&rng, 12, 4), &key("t"));
        let flaky: Arc<dyn Task> = FnTask::new(move |cx| {
            match SeededRng::new(seed ^ (u64::from(cx.attempt) << 32) ^ cx.node.as_str().len() as u64)
                .next_u64()
                % 3
            {
                0 => Err(Fault::transient("flaky", "not yet")),
                _ => Ok(json!(cx.attempt).into()),
            }
        });
        let retry =
            RetryPolicy { attempts: 3, base_delay: 5.0, on_exhausted: Exhausted::Pause, ..RetryPolicy::ONCE };
        let policy = Policy { retry: Some(retry), ..Policy::default() };
        let program = program(draft, flaky, policy, Limits { max_parallel: 2, ..Limits::default() });
        virtual_time(&world.clock, async {
            let executor = world.plain();
            let mut run = Some(launch(&executor, program.clone(), Value::Null).await.unwrap());
            for round in 0u128.. {
                // In the end somebody wants it done.
                let command = if round < 20 { any_command(&rng) } else { resume(UnknownNodes::Retry) };
                match run.take_if(|run| executor.find(run.id()).is_none()) {
                    None if run.is_some() => drop(run.as_ref().unwrap().obey(&command, None).await),
                    _ => {
                        let Some(record) = claim(&executor).await else { break };
                        let then = if round % 2 == 0 { Then::GiveBack } else { Then::Keep };
                        let commands = [asked(round, command)];
                        executor.obey(program.plan(), &record, &commands, then).await.unwrap();
                        let record = world.store.run(RUN).await.unwrap().unwrap();
                        if then == Then::Keep && record.state.owner.is_some() {
                            run = executor.resume(program.clone(), &record, UnknownNodes::Keep).await.ok();
                        }
                    }
                }
                world.clock.sleep(Duration::from_secs(rng.next_u64() % 4)).await;
                assert!(round < 1000, "seed {seed}: it gets nowhere");
            }
            assert_eq!(status(&world).await, RunStatus::Completed, "seed {seed}");
            let completed = world.store.checkpoints(RUN).await.unwrap().len();
            let succeeded = events(&world, |event| matches!(event, Event::Succeeded { .. })).await;
            assert_eq!((completed, succeeded), (12, 12), "seed {seed}");
            nothing_is_stuck(&world).await;
        });
    }
}

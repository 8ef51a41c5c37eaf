//! Outcomes that nobody knows: whoever can find out is asked before a person is.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::gate::{Admission, Check, No, Permit, Pipeline, Step};
use oneiric_core::roles::{Reconciled, Task, TaskContext};
use oneiric_core::{Clock, Fault, Payload};
use oneiric_dag::{Bound, Ended, Executor, Hook, Limits, Parts, Plan, Policy, Program, RunReport};
use oneiric_store::{Claim, Event, RunStatus, Store, UnknownNodes};
use oneiric_testkit::graphs::{self, Shape};
use oneiric_testkit::{CrashingStore, ManualClock, Side, virtual_time};
use serde_json::{Value, json};

use crate::support::{RUN, World, key, launch};

type Answer = Box<dyn Fn(u32) -> Result<Reconciled, Fault> + Send + Sync>;

/// A task of which the first `lost` tries have an unknown outcome, and that can be asked.
struct Ledger {
    clock: ManualClock,
    lost: u32,
    tries: AtomicU32,
    asked: AtomicU32,
    takes: Duration,
    answer: Answer,
    keys: Mutex<Vec<String>>,
}

impl Ledger {
    fn new(
        clock: &ManualClock,
        lost: u32,
        answer: impl Fn(u32) -> Result<Reconciled, Fault> + Send + Sync + 'static,
    ) -> Self {
        Self {
            clock: clock.clone(),
            lost,
            tries: AtomicU32::new(0),
            asked: AtomicU32::new(0),
            takes: Duration::ZERO,
            answer: Box::new(answer),
            keys: Mutex::default(),
        }
    }

    fn tries(&self) -> u32 {
        self.tries.load(Ordering::SeqCst)
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Task for Ledger {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        self.keys.lock().unwrap().push(cx.idempotency_key());
        if self.tries.fetch_add(1, Ordering::SeqCst) < self.lost {
            return Err(Fault::unknown_outcome("connection-lost", "the connection was lost"));
        }
        Ok(json!("by the task").into())
    }

    fn reconciles(&self) -> bool {
        true
    }

    async fn reconcile(&self, cx: TaskContext<'_>) -> Result<Reconciled, Fault> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        assert_eq!(self.keys.lock().unwrap().last(), Some(&cx.idempotency_key()));
        self.clock.sleep(self.takes).await;
        (self.answer)(number)
    }
}

fn done() -> Reconciled {
    Reconciled::Done { output: json!("by the hook").into() }
}

fn of(shape: &Shape, task: &Arc<Ledger>) -> Program {
    let policy = Policy { idempotent: Some(false), reconcile: Some(Hook::Own), ..Policy::default() };
    crate::support::program(graphs::draft(shape, &key("t")), task.clone(), policy, Limits::default())
}

fn one() -> Shape {
    vec![vec![]]
}

fn run(world: &World, task: &Arc<Ledger>) -> RunReport {
    virtual_time(&world.clock, async {
        let run = launch(&world.plain(), of(&vec![vec![], vec![0]], task), Value::Null).await.unwrap();
        assert!(matches!(run.ended().await, Ended::Reached(_)));
        run.report()
    })
}

#[test]
fn what_has_happened_is_not_done_again() {
    let world = World::new();
    let task = Arc::new(Ledger::new(&world.clock, 1, |_| Ok(done())));
    let report = run(&world, &task);
    assert_eq!(report.status, RunStatus::Completed);
    assert_eq!(report.nodes[0].output.value(), &json!("by the hook"));
    // The second node is the second try there was.
    assert_eq!((task.tries(), task.asked(), report.nodes[0].attempts), (2, 1, 1));
    let journal = virtual_time(&world.clock, world.store.journal(RUN, 0, 99)).unwrap();
    assert!(journal.iter().any(|entry| matches!(entry.event, Event::Reconciled { node: 0, .. })));
}

#[test]
fn what_has_not_happened_is_tried_again() {
    let world = World::new();
    let task = Arc::new(Ledger::new(&world.clock, 1, |_| Ok(Reconciled::NotDone)));
    let report = run(&world, &task);
    assert_eq!(report.status, RunStatus::Completed);
    assert_eq!(report.nodes[0].output.value(), &json!("by the task"));
    assert_eq!((task.tries(), task.asked(), report.nodes[0].attempts), (3, 1, 2));
}

#[test]
fn a_hook_that_cannot_say_leaves_it_to_a_person() {
    let world = World::new();
    let task = Arc::new(Ledger::new(&world.clock, 1, |_| Ok(Reconciled::Unknown)));
    let report = run(&world, &task);
    assert_eq!((report.status, task.asked()), (RunStatus::Paused, 1));
    assert_eq!(report.fault.unwrap().code, "unknown-nodes");
}

#[test]
fn a_question_is_put_a_few_times_and_then_given_up() {
    let world = World::new();
    let failing = |_| Err(Fault::transient("down", "nobody answers"));
    let task = Arc::new(Ledger::new(&world.clock, 1, failing));
    assert_eq!((run(&world, &task).status, task.asked()), (RunStatus::Paused, 3));

    let world = World::new();
    let late = |number| if number < 3 { Err(Fault::transient("down", "not yet")) } else { Ok(done()) };
    let task = Arc::new(Ledger::new(&world.clock, 1, late));
    assert_eq!((run(&world, &task).status, task.asked()), (RunStatus::Completed, 3));

    let world = World::new();
    let task = Arc::new(Ledger::new(&world.clock, 1, |_| Err(Fault::permanent("gone", "no such ledger"))));
    assert_eq!((run(&world, &task).status, task.asked()), (RunStatus::Paused, 1));

    let world = World::new();
    let task = Arc::new(Ledger::new(&world.clock, 1, |_| panic!("the ledger is torn")));
    assert_eq!(run(&world, &task).status, RunStatus::Paused);
}

#[test]
fn a_question_that_is_never_answered_ends() {
    let world = World::new();
    let mut task = Ledger::new(&world.clock, 1, |_| Ok(done()));
    task.takes = Duration::from_secs(100_000);
    let task = Arc::new(task);
    let report = run(&world, &task);
    assert_eq!((report.status, task.asked()), (RunStatus::Paused, 3));
    assert!(world.clock.monotonic() < Duration::from_secs(120), "{:?}", world.clock.monotonic());
}

#[test]
fn a_node_that_loses_every_outcome_is_not_tried_for_ever() {
    let world = World::new();
    let task = Arc::new(Ledger::new(&world.clock, u32::MAX, |_| Ok(Reconciled::NotDone)));
    let report = run(&world, &task);
    assert_eq!((report.status, task.tries()), (RunStatus::Paused, Limits::default().max_deliveries));
}

#[test]
fn a_cancel_ends_a_run_whose_outcome_is_being_found_out() {
    let world = World::new();
    let mut task = Ledger::new(&world.clock, 1, |_| Ok(done()));
    task.takes = Duration::from_secs(20);
    let task = Arc::new(task);
    virtual_time(&world.clock, async {
        let run = launch(&world.plain(), of(&one(), &task), Value::Null).await.unwrap();
        world.clock.sleep(Duration::from_secs(5)).await;
        assert_eq!(run.report().status, RunStatus::Running, "it waits for the answer");
        run.cancel("enough").await.unwrap();
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Cancelled)));
        assert_eq!(world.clock.monotonic(), Duration::from_secs(5));
    });
}

async fn take_over(world: &World, program: &Program, unknown: UnknownNodes) -> RunStatus {
    let executor = world.plain();
    let claim = Claim {
        dead: world.store.dead().await.unwrap(),
        run: Some(RUN),
        ..Claim::any(executor.parts().lease.boot(), 1)
    };
    let record = world.store.claim(claim).await.unwrap().pop().unwrap();
    let run = executor.resume(program.clone(), &record, unknown).await.unwrap();
    match run.ended().await {
        Ended::Reached(status) => status,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_crash_while_somebody_is_asked_asks_again() {
    // The commits: begun, failed, answered, ...; each is lost in turn, before and after it was made.
    for at in 2..=4 {
        for side in [Side::Before, Side::After] {
            let world = World::new();
            let task = Arc::new(Ledger::new(&world.clock, 1, |_| Ok(done())));
            let program = of(&one(), &task);
            virtual_time(&world.clock, async {
                let store = Arc::new(CrashingStore::new(Arc::new(world.store.clone()), at, side));
                let run = launch(&world.process(store, 9), program.clone(), Value::Null).await.unwrap();
                run.ended().await;
                world.bury();
                let record = world.store.run(RUN).await.unwrap().unwrap();
                if record.state.status.is_terminal() {
                    assert_eq!(record.state.status, RunStatus::Completed, "{at} {side:?}");
                } else {
                    let status = take_over(&world, &program, UnknownNodes::Keep).await;
                    assert_eq!(status, RunStatus::Completed, "{at} {side:?}");
                }
            });
            assert_eq!(task.tries(), 1, "it has happened once: {at} {side:?}");
            let output = virtual_time(&world.clock, world.store.checkpoints(RUN)).unwrap().remove(0).output;
            assert_eq!(output.value(), &json!("by the hook"), "{at} {side:?}");
        }
    }
}

#[test]
fn a_person_may_still_decide_and_a_resume_asks_once_more() {
    let check = |unknown, status, tries| {
        let world = World::new();
        let says = |number| Ok(if number == 1 { Reconciled::Unknown } else { done() });
        let task = Arc::new(Ledger::new(&world.clock, 1, says));
        let program = of(&one(), &task);
        virtual_time(&world.clock, async {
            let run = launch(&world.plain(), program.clone(), Value::Null).await.unwrap();
            assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Paused)));
            assert_eq!(take_over(&world, &program, unknown).await, status);
        });
        assert_eq!(task.tries(), tries);
    };
    check(UnknownNodes::Keep, RunStatus::Completed, 1);
    check(UnknownNodes::Retry, RunStatus::Completed, 2);
    check(UnknownNodes::Fail, RunStatus::Failed, 1);
}

/// Refuses the hook until a time.
#[derive(Debug)]
struct Shut(u64);

impl Check for Shut {
    fn step(&self) -> Step {
        Step::Activity
    }

    fn ask(&self, admission: &Admission<'_>) -> Result<Permit, No> {
        let opens = oneiric_core::Timestamp::default().after(Duration::from_secs(self.0));
        if admission.key.as_str() == "look" && admission.now < opens {
            return Err(No::until(opens, "the ledger is closed"));
        }
        Ok(Permit::none())
    }
}

/// Answers as a task that a manifest names.
struct Looks(Value);

#[async_trait]
impl Task for Looks {
    async fn run(&self, _: TaskContext<'_>) -> Result<Payload, Fault> {
        Ok(self.0.clone().into())
    }
}

#[test]
fn a_task_that_a_manifest_names_is_asked_through_the_gate() {
    let check = |answer: Value, status| {
        let world = World::new();
        let task: Arc<dyn Task> = Arc::new(Ledger::new(&world.clock, 1, |_| Ok(Reconciled::Unknown)));
        let policy = Policy { reconcile: Some(Hook::Task(key("look"))), ..Policy::default() };
        let graph = Arc::new(graphs::draft(&one(), &key("t")).build().unwrap());
        let plan = Arc::new(Plan::new(key("wf"), graph, vec![policy], None, Limits::default()));
        let looks: Arc<dyn Task> = Arc::new(Looks(answer));
        let program = Program::bind::<()>(plan, |wanted| {
            let found = if wanted.as_str() == "look" { &looks } else { &task };
            Ok(Bound::linked(wanted, Arc::clone(found)))
        });
        let start = world.clock.monotonic();
        virtual_time(&world.clock, async {
            let parts = world.plain().parts().clone();
            let executor =
                Executor::new(Parts { gate: Arc::new(Pipeline::standard().with(Shut(7))), ..parts });
            let run = launch(&executor, program.unwrap(), Value::Null).await.unwrap();
            let Ended::Reached(found) = run.ended().await else { panic!("it ends") };
            assert_eq!(found, status);
        });
        assert_eq!(world.clock.monotonic() - start, Duration::from_secs(7));
    };
    check(json!({"outcome": "done", "output": 5}), RunStatus::Completed);
    check(json!({"outcome": "not_done"}), RunStatus::Completed);
    check(json!({"outcome": "unknown"}), RunStatus::Paused);
    check(json!("what?"), RunStatus::Paused);
}

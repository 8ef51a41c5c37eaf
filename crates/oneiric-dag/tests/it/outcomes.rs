//! How runs end: failures, retries, timeouts, conditions, cancels, panics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::retry::RetryPolicy;
use oneiric_core::roles::{Progress, Task, TaskContext};
use oneiric_core::{Clock, Fault, Payload};
use oneiric_dag::{Draft, Ended, Limits, OnFailure, Policy, RunReport};
use oneiric_store::{NodeStatus, RunStatus, SkipReason};
use oneiric_testkit::graphs::{self, Shape};
use oneiric_testkit::{FnTask, ManualClock, virtual_time};
use serde_json::{Value, json};

use crate::support::{World, key, launch, program};

/// Runs a draft to its end in virtual time.
fn run(
    draft: Draft,
    task: Arc<dyn Task>,
    policy: Policy,
    limits: Limits,
    input: Value,
) -> (RunReport, Duration) {
    let world = World::new();
    run_in(&world, draft, task, policy, limits, input)
}

fn run_in(
    world: &World,
    draft: Draft,
    task: Arc<dyn Task>,
    policy: Policy,
    limits: Limits,
    input: Value,
) -> (RunReport, Duration) {
    let program = program(draft, task, policy, limits);
    virtual_time(&world.clock, async {
        let run = launch(&world.plain(), program, input).await.unwrap();
        assert!(matches!(run.ended().await, Ended::Reached(_)));
        (run.report(), world.clock.monotonic())
    })
}

fn statuses(report: &RunReport) -> Vec<NodeStatus> {
    report.nodes.iter().map(|node| node.status).collect()
}

/// `n1` fails; `n2` waits for it, `n3` for `n2`, `n4` for nothing that failed.
fn broken() -> Shape {
    vec![vec![], vec![0], vec![1], vec![2], vec![0]]
}

fn failing(name: &'static str) -> Arc<dyn Task> {
    FnTask::new(move |cx| {
        if cx.node.as_str() == name { Err(Fault::permanent("broken", "broken")) } else { Ok(json!(1).into()) }
    })
}

#[test]
fn by_default_what_does_not_depend_on_a_failure_runs_on() {
    use NodeStatus::{Completed, Failed, Skipped};
    let draft = graphs::draft(&broken(), &key("t"));
    let (report, _) = run(draft, failing("n1"), Policy::default(), Limits::default(), Value::Null);
    assert_eq!(report.status, RunStatus::Failed);
    assert_eq!(statuses(&report), [Completed, Failed, Skipped, Skipped, Completed]);
    assert_eq!(report.nodes[2].skip, Some(SkipReason::Upstream));
    assert_eq!(report.fault.unwrap().code, "broken");
}

#[test]
fn continuing_runs_what_depends_on_a_failure_with_null() {
    use NodeStatus::{Completed, Failed};
    let mut draft = graphs::draft(&broken(), &key("t"));
    draft.on_failure = OnFailure::Continue;
    draft.nodes[2].payload =
        json!({"seen": "${{ nodes.n1.output }}", "status": "${{ nodes.n1.status }}"}).into();
    let echo = FnTask::new(|cx| match cx.node.as_str() {
        "n1" => Err(Fault::permanent("broken", "broken")),
        _ => Ok(cx.input.clone()),
    });
    let (report, _) = run(draft, echo, Policy::default(), Limits::default(), Value::Null);
    assert_eq!(report.status, RunStatus::Failed);
    assert_eq!(statuses(&report), [Completed, Failed, Completed, Completed, Completed]);
    assert_eq!(report.nodes[2].output.value(), &json!({"seen": null, "status": "failed"}));
}

#[test]
fn failing_fast_stops_what_runs_and_starts_nothing() {
    let world = World::new();
    let slow = Slow::new(&world.clock, |cx| if cx.node.as_str() == "n1" { 1 } else { 100 }, "n1");
    let mut draft = graphs::draft(&vec![vec![], vec![], vec![0], vec![1]], &key("t"));
    draft.on_failure = OnFailure::FailFast;
    let (report, took) = run_in(&world, draft, slow, Policy::default(), Limits::default(), Value::Null);
    assert_eq!(report.status, RunStatus::Failed);
    let (cancelled, pending) = (NodeStatus::Cancelled, NodeStatus::Pending);
    assert_eq!(statuses(&report), [cancelled, NodeStatus::Failed, pending, pending]);
    assert_eq!(took, Duration::from_secs(1));
}

/// Sleeps some seconds, watches for cancellation, and fails on one node.
struct Slow<F> {
    clock: ManualClock,
    seconds: F,
    fails: &'static str,
}

impl<F: Fn(&TaskContext<'_>) -> u64 + Send + Sync + 'static> Slow<F> {
    #[expect(clippy::new_ret_no_self, reason = "a task is only ever used as its role")]
    fn new(clock: &ManualClock, seconds: F, fails: &'static str) -> Arc<dyn Task> {
        Arc::new(Self { clock: clock.clone(), seconds, fails })
    }
}

#[async_trait]
impl<F: Fn(&TaskContext<'_>) -> u64 + Send + Sync> Task for Slow<F> {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        let nap = self.clock.sleep(Duration::from_secs((self.seconds)(&cx)));
        tokio::select! {
            () = nap => {}
            () = cx.cancel.cancelled() => return Err(Fault::transient("cancelled", "stopped when asked")),
        }
        if cx.node.as_str() == self.fails {
            Err(Fault::permanent("broken", "broken"))
        } else {
            Ok(json!("slept").into())
        }
    }
}

#[test]
fn a_stated_policy_retries_with_exact_delays() {
    let policy = Policy {
        retry: Some(RetryPolicy { attempts: 4, base_delay: 1.0, max_delay: Some(10.0), ..RetryPolicy::ONCE }),
        ..Policy::default()
    };
    let flaky = FnTask::new(|cx| match cx.attempt {
        1..=3 => Err(Fault::transient("flaky", "not yet")),
        attempt => Ok(json!(attempt).into()),
    });
    let draft = graphs::draft(&vec![vec![]], &key("t"));
    let (report, took) = run(draft, flaky, policy, Limits::default(), Value::Null);
    assert_eq!(report.status, RunStatus::Completed);
    assert_eq!((report.nodes[0].attempts, took), (4, Duration::from_secs(1 + 2 + 4)));
}

#[test]
fn without_a_stated_policy_nothing_is_retried() {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let task = FnTask::new(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        Err(Fault::transient("flaky", "never"))
    });
    let draft = graphs::draft(&vec![vec![]], &key("t"));
    let (report, _) = run(draft, task, Policy::default(), Limits::default(), Value::Null);
    assert_eq!((report.status, calls.load(Ordering::SeqCst)), (RunStatus::Failed, 1));
}

#[test]
fn a_node_that_takes_too_long_is_cut_and_may_be_retried() {
    let world = World::new();
    let slow = Slow::new(&world.clock, |cx| if cx.attempt == 1 { 100 } else { 1 }, "none");
    let policy = Policy {
        timeout: Some(Duration::from_secs(5)),
        retry: Some(RetryPolicy { attempts: 2, ..RetryPolicy::ONCE }),
        ..Policy::default()
    };
    let draft = graphs::draft(&vec![vec![]], &key("t"));
    let (report, took) = run_in(&world, draft, slow, policy, Limits::default(), Value::Null);
    assert_eq!((report.status, took), (RunStatus::Completed, Duration::from_secs(6)));
}

#[test]
fn a_run_whose_time_is_up_fails_and_stops_what_runs() {
    let world = World::new();
    let slow = Slow::new(&world.clock, |_| 100, "none");
    let limits = Limits { timeout: Some(Duration::from_secs(10)), ..Limits::default() };
    let draft = graphs::draft(&vec![vec![], vec![0]], &key("t"));
    let (report, took) = run_in(&world, draft, slow, Policy::default(), limits, Value::Null);
    assert_eq!((report.status, took), (RunStatus::Failed, Duration::from_secs(10)));
    assert_eq!(report.fault.unwrap().code, "run-timeout");
}

#[test]
fn a_cancel_reaches_the_components() {
    let world = World::new();
    let slow = Slow::new(&world.clock, |_| 100, "none");
    let program =
        program(graphs::draft(&vec![vec![], vec![0]], &key("t")), slow, Policy::default(), Limits::default());
    let report = virtual_time(&world.clock, async {
        let run = launch(&world.plain(), program, Value::Null).await.unwrap();
        world.clock.sleep(Duration::from_secs(3)).await;
        run.cancel("enough").await.unwrap();
        run.cancel("enough, really").await.unwrap();
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Cancelled)));
        assert!(run.cancel("too late").await.is_err());
        run.report()
    });
    assert_eq!(statuses(&report), [NodeStatus::Cancelled, NodeStatus::Pending]);
    assert_eq!(report.fault.unwrap().message, "enough");
    assert_eq!(world.clock.monotonic(), Duration::from_secs(3));
}

#[test]
fn a_component_that_ignores_a_cancel_is_dropped_after_its_grace() {
    struct Deaf(ManualClock);
    #[async_trait]
    impl Task for Deaf {
        async fn run(&self, _: TaskContext<'_>) -> Result<Payload, Fault> {
            self.0.sleep(Duration::from_secs(1000)).await;
            Ok(Payload::NULL)
        }
    }
    let world = World::new();
    let limits =
        Limits { timeout: Some(Duration::from_secs(1)), grace: Duration::from_secs(2), ..Limits::default() };
    let draft = graphs::draft(&vec![vec![]], &key("t"));
    let deaf = Arc::new(Deaf(world.clock.clone()));
    let (report, took) = run_in(&world, draft, deaf, Policy::default(), limits, Value::Null);
    assert_eq!((report.status, took), (RunStatus::Failed, Duration::from_secs(3)));
}

#[test]
fn conditions_skip_and_what_follows_sees_null() {
    let mut draft = graphs::draft(&vec![vec![], vec![0], vec![1], vec![2]], &key("t"));
    draft.nodes[1].when = Some("inputs.deploy".to_owned());
    draft.nodes[2].when = Some("nodes.n1.status == 'completed' || nodes.n0.output > 0".to_owned());
    draft.nodes[3].payload = json!("${{ nodes.n2.output }}").into();
    let echo =
        FnTask::new(|cx| Ok(if cx.node.as_str() == "n0" { json!(5).into() } else { cx.input.clone() }));
    let (report, _) = run(draft, echo, Policy::default(), Limits::default(), json!({"deploy": false}));
    use NodeStatus::{Completed, Skipped};
    assert_eq!(report.status, RunStatus::Completed);
    assert_eq!(statuses(&report), [Completed, Skipped, Completed, Completed]);
    assert_eq!(report.nodes[1].skip, Some(SkipReason::Condition));
    assert_eq!(report.nodes[3].output.value(), &json!({"deploy": false}));
}

#[test]
fn an_expression_that_cannot_be_evaluated_fails_its_node_for_good() {
    let mut draft = graphs::draft(&vec![vec![], vec![0]], &key("t"));
    draft.nodes[1].payload = json!({"x": "${{ inputs.missing.deep }}"}).into();
    let (report, _) = run(draft, failing("none"), Policy::default(), Limits::default(), json!({}));
    assert_eq!(report.status, RunStatus::Failed);
    assert_eq!(report.fault.unwrap().code, "expression");
}

#[test]
fn a_panic_is_a_fault_of_its_node() {
    let task = FnTask::new(|cx| if cx.node.as_str() == "n0" { panic!("boom") } else { Ok(Payload::NULL) });
    let draft = graphs::draft(&vec![vec![], vec![]], &key("t"));
    let (report, _) = run(draft, task, Policy::default(), Limits::default(), Value::Null);
    assert_eq!(statuses(&report), [NodeStatus::Failed, NodeStatus::Completed]);
    assert_eq!(report.fault.unwrap().message, "panicked: boom");
}

#[test]
fn limits_hold_per_run_and_per_process() {
    let world = World::new();
    let under_way = Arc::new((AtomicU32::new(0), AtomicU32::new(0)));
    struct Counted(ManualClock, Arc<(AtomicU32, AtomicU32)>);
    #[async_trait]
    impl Task for Counted {
        async fn run(&self, _: TaskContext<'_>) -> Result<Payload, Fault> {
            let now = self.1.0.fetch_add(1, Ordering::SeqCst) + 1;
            self.1.1.fetch_max(now, Ordering::SeqCst);
            self.0.sleep(Duration::from_secs(1)).await;
            self.1.0.fetch_sub(1, Ordering::SeqCst);
            Ok(Payload::NULL)
        }
    }
    for (per_run, per_process, seconds) in [(5, 1024, 20), (1024, 4, 25), (3, 2, 50)] {
        let world_clock = world.clock.clone();
        let before = world_clock.monotonic();
        under_way.1.store(0, Ordering::SeqCst);
        let inner = World { clock: world_clock.clone(), ..World::new() };
        let task = Arc::new(Counted(world_clock.clone(), Arc::clone(&under_way)));
        let limits = Limits { max_parallel: per_run, ..Limits::default() };
        let program = program(graphs::draft(&vec![vec![]; 100], &key("t")), task, Policy::default(), limits);
        virtual_time(&world_clock, async {
            let executor = inner.process(Arc::new(inner.store.clone()), per_process);
            let run = launch(&executor, program, Value::Null).await.unwrap();
            assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)));
        });
        assert_eq!(under_way.1.load(Ordering::SeqCst), per_run.min(per_process));
        assert_eq!(world_clock.monotonic() - before, Duration::from_secs(seconds));
    }
}

#[test]
fn runs_share_the_slots_of_their_process() {
    let world = World::new();
    let slow = Slow::new(&world.clock, |_| 1, "none");
    let executor = world.process(Arc::new(world.store.clone()), 4);
    let program =
        program(graphs::draft(&vec![vec![]; 40], &key("t")), slow, Policy::default(), Limits::default());
    virtual_time(&world.clock, async {
        let mut runs = Vec::new();
        for number in 1..=3 {
            let mut record = crate::support::record(Value::Null);
            record.id = oneiric_core::RunId::from_bytes([number; 16]);
            let with = oneiric_store::Batch::of([oneiric_store::Op::Blob(oneiric_store::Blob::new(
                b"test".to_vec(),
            ))]);
            runs.push(
                executor
                    .launch(oneiric_dag::Launch {
                        program: program.clone(),
                        record,
                        with,
                        carried: Vec::new(),
                    })
                    .await
                    .unwrap(),
            );
        }
        // The first one must not starve the others: after a third of the time each has done something.
        world.clock.sleep(Duration::from_millis(10_500)).await;
        for run in &runs {
            let done = run.report().nodes.iter().filter(|node| node.status == NodeStatus::Completed).count();
            assert!(done >= 5, "{done} of 40 after a third of the time");
        }
        for run in &runs {
            assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)));
        }
    });
    assert_eq!(world.clock.monotonic(), Duration::from_secs(30));
}

/// Says something every few seconds, for as long as its try is to last.
struct Beating {
    clock: ManualClock,
    every: Duration,
    words: u32,
    then: Duration,
}

#[async_trait]
impl Task for Beating {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        for number in 0..self.words {
            let done = f64::from(number) / f64::from(self.words);
            cx.pulse.tell(Progress::new(Some(done), Some(&format!("word {number}"))));
            self.clock.sleep(self.every).await;
        }
        self.clock.sleep(self.then).await;
        Ok(json!("spoken").into())
    }
}

fn beating(world: &World, words: u32, then: u64) -> Arc<dyn Task> {
    let (every, then) = (Duration::from_secs(2), Duration::from_secs(then));
    Arc::new(Beating { clock: world.clock.clone(), every, words, then })
}

fn patient(seconds: u64) -> Policy {
    Policy { heartbeat: Some(Duration::from_secs(seconds)), ..Policy::default() }
}

#[test]
fn a_try_that_is_silent_for_too_long_is_stopped() {
    let world = World::new();
    let draft = graphs::draft(&vec![vec![]], &key("t"));
    let task = beating(&world, 10, 1000);
    let (report, took) = run_in(&world, draft, task, patient(3), Limits::default(), Value::Null);
    let fault = report.nodes[0].fault.clone().unwrap();
    assert_eq!((fault.class, fault.code.as_str()), (oneiric_core::Class::Transient, "heartbeat"));
    // The last of ten words was said at 18 seconds.
    assert_eq!((report.status, took), (RunStatus::Failed, Duration::from_secs(21)));
}

#[test]
fn a_try_that_keeps_talking_may_take_as_long_as_it_likes() {
    let world = World::new();
    let draft = graphs::draft(&vec![vec![]], &key("t"));
    let task = beating(&world, 1000, 1);
    let (report, took) = run_in(&world, draft, task, patient(3), Limits::default(), Value::Null);
    assert_eq!((report.status, took), (RunStatus::Completed, Duration::from_secs(2001)));
}

#[test]
fn the_latest_word_of_what_runs_can_be_asked_for_and_goes_with_its_try() {
    let world = World::new();
    let draft = graphs::draft(&vec![vec![], vec![0]], &key("t"));
    let program = program(draft, beating(&world, 4, 0), Policy::default(), Limits::default());
    virtual_time(&world.clock, async {
        let run = launch(&world.plain(), program, Value::Null).await.unwrap();
        world.clock.sleep(Duration::from_secs(5)).await;
        let [said] = &run.progress()[..] else { panic!("{:?}", run.progress()) };
        assert_eq!((said.node.as_str(), said.attempt), ("n0", 1));
        assert_eq!(said.progress, Progress::new(Some(0.5), Some("word 2")));
        assert_eq!(said.at, oneiric_core::Timestamp::default().after(Duration::from_secs(4)));
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Completed)));
        assert_eq!(run.progress(), []);
    });
}

#[test]
fn a_cancel_reaches_a_try_that_is_silent() {
    let world = World::new();
    let program = program(
        graphs::draft(&vec![vec![]], &key("t")),
        beating(&world, 0, 1000),
        patient(900),
        Limits { grace: Duration::from_secs(2), ..Limits::default() },
    );
    virtual_time(&world.clock, async {
        let run = launch(&world.plain(), program, Value::Null).await.unwrap();
        world.clock.sleep(Duration::from_secs(5)).await;
        run.cancel("enough").await.unwrap();
        assert!(matches!(run.ended().await, Ended::Reached(RunStatus::Cancelled)));
    });
    assert_eq!(world.clock.monotonic(), Duration::from_secs(7));
}

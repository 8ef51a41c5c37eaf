//! Circuit breakers: shared by every process on the store, one probe at a time, no try lost to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::linked::Linked;
use oneiric_core::roles::{Task, TaskContext};
use oneiric_core::{Clock, Fault, Payload};
use oneiric_dag::RunHandle;
use oneiric_runtime::{Builder, Oneiric, RunRequest, SystemClock};
use oneiric_store::{Event, NodeStatus, RunStatus, Store};
use serde_json::{Value, json};

use crate::support::status;

/// A service that may be down, and counts who comes.
#[derive(Debug, Default)]
struct Target {
    up: AtomicBool,
    slow: AtomicBool,
    calls: AtomicU32,
    now: AtomicU32,
    most: AtomicU32,
}

impl Target {
    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

struct Caller(Arc<Target>);

#[async_trait]
impl Task for Caller {
    async fn run(&self, _: TaskContext<'_>) -> Result<Payload, Fault> {
        let target = &self.0;
        target.calls.fetch_add(1, Ordering::SeqCst);
        let now = target.now.fetch_add(1, Ordering::SeqCst) + 1;
        target.most.fetch_max(now, Ordering::SeqCst);
        if target.slow.load(Ordering::SeqCst) {
            SystemClock::default().sleep(Duration::from_millis(300)).await;
        }
        target.now.fetch_sub(1, Ordering::SeqCst);
        if target.up.load(Ordering::SeqCst) {
            Ok(json!("here").into())
        } else {
            Err(Fault::transient("down", "nobody answers"))
        }
    }
}

/// An orchestrator whose task `call` has a breaker, and whose workflow `w` calls it `nodes` times at once.
fn builder(target: &Arc<Target>, breaker: Value, nodes: u32, attempts: u32) -> Builder {
    let call = Linked::task("call", Caller(Arc::clone(target))).describe(|it| {
        it.metadata.insert("circuit_breaker".to_owned(), breaker);
        it.retry = Some(oneiric_core::retry::RetryPolicy {
            attempts,
            base_delay: 0.001,
            ..oneiric_core::retry::RetryPolicy::ONCE
        });
    });
    let nodes: Vec<_> = (0..nodes).map(|n| json!({"id": format!("n{n}"), "task": "call"})).collect();
    Oneiric::builder().component(call).workflow("w", &json!({ "nodes": nodes }))
}

async fn run(oneiric: &Oneiric) -> RunHandle {
    oneiric.run(RunRequest::of("w", &Value::Null).unwrap()).await.unwrap()
}

/// Waits until something can be seen; there is nobody who could call back.
async fn until(what: &str, seen: impl AsyncFn() -> bool) {
    let clock = SystemClock::default();
    let begin = clock.monotonic();
    while !seen().await {
        assert!(clock.monotonic() - begin < Duration::from_secs(60), "waited in vain: {what}");
        clock.sleep(Duration::from_millis(2)).await;
    }
}

fn held(run: &RunHandle) -> usize {
    run.report().nodes.iter().filter(|node| node.status == NodeStatus::Held).count()
}

async fn record(store: &Arc<dyn Store>) -> Option<(u64, Value)> {
    let (version, bytes) = store.extension("breaker", "task/call/linked").await.unwrap()?;
    Some((version, serde_json::from_slice(&bytes).unwrap()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_keeps_failing_is_left_alone_and_no_try_is_lost_to_that() {
    let folder = tempfile::tempdir().unwrap();
    let target = Arc::new(Target::default());
    let breaker = json!({"threshold": 3, "reset": 0.4});
    let oneiric = builder(&target, breaker, 1, 5).state_dir(folder.path()).start().await.unwrap();
    let under_way = run(&oneiric).await;
    until("the node is held", async || held(&under_way) == 1).await;
    assert_eq!(target.calls(), 3);
    let report = under_way.report();
    let fault = report.nodes[0].fault.clone().unwrap();
    assert_eq!((fault.code.as_str(), report.nodes[0].attempts), ("denied-breaker", 3));
    assert_eq!(fault.message, "denied by breaker: `task/call/linked` failed 3 times in a row");
    assert_eq!(record(oneiric.store()).await.unwrap().1["state"], "open");

    target.up.store(true, Ordering::SeqCst);
    assert_eq!(status(&under_way).await, RunStatus::Completed);
    // The probe was the fourth try, and there is nothing between the two.
    assert_eq!((target.calls(), under_way.report().nodes[0].attempts), (4, 4));
    let (_, closed) = record(oneiric.store()).await.unwrap();
    assert_eq!((&closed["state"], &closed["failures"]), (&json!("closed"), &json!(0)));
    let journal = oneiric.store().journal(under_way.id(), 0, 99).await.unwrap();
    assert!(journal.iter().any(|entry| matches!(entry.event, Event::Held { until: Some(_), .. })));
    oneiric.shutdown(Duration::from_secs(5)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_a_breaker_and_its_one_probe() {
    let folder = tempfile::tempdir().unwrap();
    let target = Arc::new(Target::default());
    let breaker = json!({"threshold": 2, "reset": 0.5});
    let start = |nodes, attempts| {
        let builder = builder(&target, breaker.clone(), nodes, attempts).serve(false);
        let folder = folder.path().to_owned();
        async move { builder.state_dir(folder).start().await.unwrap() }
    };
    let (first, second) = (start(1, 9).await, start(12, 9).await);
    let one = run(&first).await;
    until("the first opens it", async || held(&one) == 1).await;
    assert_eq!(target.calls(), 2);
    // The second has never called, and leaves it alone.
    target.slow.store(true, Ordering::SeqCst);
    let many = run(&second).await;
    until("the probe fails", async || {
        record(second.store()).await.is_some_and(|(_, breaker)| breaker["opened"] == 2)
    })
    .await;
    assert_eq!((target.calls(), target.most.load(Ordering::SeqCst)), (3, 1), "one probe of thirteen nodes");
    target.up.store(true, Ordering::SeqCst);
    target.slow.store(false, Ordering::SeqCst);
    assert_eq!(status(&one).await, RunStatus::Completed);
    assert_eq!(status(&many).await, RunStatus::Completed);
    // One probe that failed, one that did not, and one call of each of the others.
    assert_eq!(target.calls(), 2 + 1 + 13);
    for process in [first, second] {
        process.shutdown(Duration::from_secs(5)).await.unwrap();
    }
}

#[tokio::test]
async fn what_goes_well_writes_nothing() {
    let target = Arc::new(Target::default());
    target.up.store(true, Ordering::SeqCst);
    let oneiric = builder(&target, json!(true), 50, 1).start().await.unwrap();
    assert_eq!(status(&run(&oneiric).await).await, RunStatus::Completed);
    assert_eq!((target.calls(), record(oneiric.store()).await), (50, None));
}

#[tokio::test]
async fn nobody_has_a_breaker_who_did_not_ask_for_one() {
    let target = Arc::new(Target::default());
    let oneiric = builder(&target, Value::Null, 1, 20).start().await.unwrap();
    assert_eq!(status(&run(&oneiric).await).await, RunStatus::Failed);
    assert_eq!((target.calls(), record(oneiric.store()).await), (20, None));

    let mut settings = oneiric_core::settings::Settings::default();
    settings.circuit_breaker.enabled = true;
    settings.circuit_breaker.reset = oneiric_core::settings::Seconds::new(0.05);
    let target = Arc::new(Target::default());
    let oneiric = builder(&target, Value::Null, 1, 8).settings(settings).start().await.unwrap();
    assert_eq!(status(&run(&oneiric).await).await, RunStatus::Failed);
    assert_eq!(target.calls(), 8, "each probe is a try");
    assert_eq!(record(oneiric.store()).await.unwrap().1["opened"], 4);
}

#[tokio::test]
async fn a_breaker_that_is_written_wrongly_is_found_when_the_manifest_is_read() {
    let text = "entries:\n- {domain: task, key: t, provider: p, factory: 'builtin:noop', metadata: {circuit_breaker: {treshold: 3}}}\n";
    let error = Oneiric::builder().manifest_text("m.yaml", text.as_bytes()).load().unwrap_err();
    assert!(error.to_string().contains("unknown field `treshold`"), "{error}");
}

//! Runs that events start: what is written about triggers in `docs/manifests.md`, with its own examples.

mod crash;
mod load;
mod races;

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::roles::Envelope;
use oneiric_core::{Clock as _, Payload};
use oneiric_runtime::{Builder, Command, EventReport, Oneiric, RunOptions, RunStatus, SystemClock};
use oneiric_store::{MemoryStore, RunFilter, RunRecord, Store, WhoseCommands};
use oneiric_testkit::ManualClock;
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(30);

/// The trigger of a workflow as the page about manifests shows it.
fn example(workflow: &str) -> String {
    let page = include_str!("../../../../docs/manifests.md");
    let shown = |line: &&str| line.starts_with("metadata: {workflows:") && line.contains(workflow);
    page.lines().find(shown).unwrap_or_else(|| panic!("an example with {workflow}")).to_owned()
}

/// A handler with this metadata, and the workflows of all examples.
fn manifest(metadata: &str) -> String {
    let mut text = format!(
        "entries:\n- domain: event\n  key: shop.events\n  provider: shop\n  factory: builtin:noop\n  \
         event_topics: [t]\n  {metadata}\n- {{domain: task, key: work, provider: shop, factory: 'builtin:echo'}}\n"
    );
    for name in ["fulfil", "review", "reindex", "digest", "report", "sync", "deploy"] {
        text += &format!(
            "- {{domain: workflow, key: shop.{name}, provider: shop, factory: 'builtin:noop', \
             dag: {{nodes: [{{id: a, task: work}}]}}}}\n"
        );
    }
    text
}

fn builder(metadata: &str, store: &Arc<dyn Store>, clock: &ManualClock) -> Builder {
    on_system_time(metadata, store).clock(Arc::new(clock.clone()))
}

fn on_system_time(metadata: &str, store: &Arc<dyn Store>) -> Builder {
    let manifest = manifest(metadata).into_bytes();
    crate::support::builder().manifest_text("shop.yaml", manifest).store(Arc::clone(store))
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

fn event(id: &str, payload: Value) -> Envelope {
    Envelope::new("t".parse().unwrap(), payload).with_header("event_id", id)
}

async fn emit(oneiric: &Oneiric, id: &str, payload: Value) -> EventReport {
    oneiric.emit_and_wait(event(id, payload), LONG).await.unwrap()
}

async fn until(what: &str, mut seen: impl AsyncFnMut() -> bool) {
    let clock = SystemClock::default();
    while !seen().await {
        assert!(clock.monotonic() < 2 * LONG, "waited in vain: {what}");
        clock.sleep(Duration::from_millis(1)).await;
    }
}

/// Every run, the oldest first.
async fn runs(store: &Arc<dyn Store>) -> Vec<RunRecord> {
    let mut runs = store.runs(RunFilter::newest(10_000)).await.unwrap();
    runs.sort_by_key(|run| run.created_at);
    runs
}

fn inputs(runs: &[RunRecord]) -> Vec<&Value> {
    runs.iter().map(|run| run.input.value()).collect()
}

/// Waits until there are so many runs, and no window waits any more.
async fn settled(oneiric: &Oneiric, runs: usize) -> Vec<RunRecord> {
    settled_with(oneiric, runs, || {}).await
}

/// The same while time goes on: on several threads, a timer may be made right behind the test's last advance.
async fn settled_in_time(oneiric: &Oneiric, clock: &ManualClock, runs: usize) -> Vec<RunRecord> {
    settled_with(oneiric, runs, || clock.advance(Duration::from_secs(1))).await
}

async fn settled_with(oneiric: &Oneiric, runs: usize, meanwhile: impl Fn()) -> Vec<RunRecord> {
    until("what was gathered starts", async || {
        meanwhile();
        let none = oneiric.windows().await.unwrap().iter().all(|window| window.due_at.is_none());
        none && self::runs(oneiric.store()).await.len() >= runs
    })
    .await;
    self::runs(oneiric.store()).await
}

#[tokio::test]
async fn a_run_knows_the_event_that_started_it() {
    let (store, clock) = (memory(), ManualClock::new());
    let oneiric = builder(&example("shop.fulfil"), &store, &clock).start().await.unwrap();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let envelope = event("e-1", json!({"order": 7}))
        .with_header("correlation_id", "c-1")
        .with_header("traceparent", trace);
    let report = oneiric.emit_and_wait(envelope, LONG).await.unwrap();
    let run = &runs(&store).await[0];
    assert_eq!((report.runs[0].run, run.input.value()), (run.id, &json!({"order": 7})));
    assert_eq!((&*run.trigger, run.correlation.as_deref()), ("event", Some("c-1")));
    assert_eq!(run.traceparent.as_deref(), Some(trace));
    let options: RunOptions = serde_json::from_value(run.options.clone()).unwrap();
    let by = options.started_by.unwrap();
    assert_eq!(by.to_string(), "started by event e-1 through handler shop.events:shop");
    assert_eq!(
        serde_json::to_value(&by).unwrap(),
        json!({"event": "e-1", "handler": "shop.events:shop", "events": 1})
    );
}

#[tokio::test]
async fn only_events_that_it_is_for_start_a_run() {
    let (store, clock) = (memory(), ManualClock::new());
    let oneiric = builder(&example("shop.review"), &store, &clock).start().await.unwrap();
    assert_eq!(emit(&oneiric, "e-1", json!({"order": 1, "total": 100})).await.runs, []);
    assert_eq!(emit(&oneiric, "e-2", json!({"order": 2, "total": 101})).await.runs.len(), 1);
    let report = emit(&oneiric, "e-3", json!({"total": "many"})).await;
    assert_eq!(report.unstarted.len(), 1, "what cannot be decided is told: {report:?}");
    assert_eq!(inputs(&runs(&store).await), [&json!({"order": 2, "by": "mail"})]);
}

#[tokio::test]
async fn the_last_event_of_a_burst_starts_one_run() {
    let (store, clock) = (memory(), ManualClock::new());
    let oneiric = builder(&example("shop.reindex"), &store, &clock).serve(true).start().await.unwrap();
    for n in 0..3 {
        let report = emit(&oneiric, &format!("a-{n}"), json!({"shelf": "a", "n": n})).await;
        assert_eq!(report.waiting[0].due_at.as_micros() / 1_000_000, [5, 9, 12][n]);
        assert_eq!(report.runs, []);
        clock.advance(Duration::from_secs(4));
    }
    // The other shelf knows nothing of it; the first one has waited for as long as it may.
    let report = emit(&oneiric, "b", json!({"shelf": "b"})).await;
    assert_eq!(serde_json::to_value(&report.waiting).unwrap()[0]["key"], "b");
    let started = settled_one(&oneiric).await;
    assert_eq!(started.input, Payload::from(json!({"shelf": "a", "n": 2})));
    let options: RunOptions = serde_json::from_value(started.options).unwrap();
    let by = options.started_by.unwrap().to_string();
    assert_eq!(by, "started by event a-2 through handler shop.events:shop, with 2 before it");
    clock.advance(Duration::from_secs(5));
    assert_eq!(settled(&oneiric, 2).await.len(), 2);
    assert_eq!(oneiric.windows().await.unwrap(), []);
}

async fn settled_one(oneiric: &Oneiric) -> RunRecord {
    until("a run starts", async || runs(oneiric.store()).await.len() == 1).await;
    runs(oneiric.store()).await.remove(0)
}

#[tokio::test]
async fn a_batch_starts_one_run_when_it_is_full_or_its_time_is_up() {
    let (store, clock) = (memory(), ManualClock::new());
    let oneiric = builder(&example("shop.digest"), &store, &clock).serve(true).start().await.unwrap();
    for n in 0..4 {
        let report = emit(&oneiric, &format!("e-{n}"), json!({"order": n})).await;
        assert_eq!((report.runs.len(), report.waiting.len()), if n == 2 { (1, 0) } else { (0, 1) }, "{n}");
    }
    // One that was accepted before is in one batch.
    assert!(emit(&oneiric, "e-3", json!({"order": 3})).await.duplicate);
    let windows = oneiric.windows().await.unwrap();
    assert_eq!((windows.len(), windows[0].events), (1, 1));
    clock.advance(Duration::from_secs(60));
    let runs = settled(&oneiric, 2).await;
    assert_eq!(inputs(&runs), [&json!({"events": [0, 1, 2]}), &json!({"events": [3]})]);
}

#[tokio::test]
async fn events_beyond_a_throttle_start_no_run_and_say_so() {
    let (store, clock) = (memory(), ManualClock::new());
    let oneiric = builder(&example("shop.report"), &store, &clock).start().await.unwrap();
    for n in 0..3 {
        let report = emit(&oneiric, &format!("e-{n}"), json!({"n": n})).await;
        clock.advance(Duration::from_secs(20));
        if n < 2 {
            assert_eq!(report.runs.len(), 1);
        } else {
            let why = "2 runs were started within 60 s, as many as its throttle allows";
            assert_eq!(report.unstarted[0].reason, why);
        }
    }
    let windows = serde_json::to_value(oneiric.windows().await.unwrap()).unwrap();
    let window = json!({"handler": "shop.events:shop", "workflow": "shop.report", "key": "", "events": 0,
                        "due_at": null, "starts": 2, "run": null, "unstarted": 1});
    assert_eq!(windows, json!([window]));
    // The first start is a minute ago.
    assert_eq!(emit(&oneiric, "e-4", json!({"n": 4})).await.runs.len(), 1);
    assert_eq!(emit(&oneiric, "e-5", json!({"n": 5})).await.unstarted.len(), 1);
}

#[tokio::test]
async fn a_singleton_starts_no_run_beside_one() {
    let (store, clock) = (memory(), ManualClock::new());
    let oneiric = builder(&example("shop.sync"), &store, &clock).start().await.unwrap();
    let first = emit(&oneiric, "e-1", json!({"shop": "a"})).await.runs[0].run;
    let report = emit(&oneiric, "e-2", json!({"shop": "a"})).await;
    let why = format!("run {first} is under way, and its trigger allows one at a time");
    assert_eq!((report.runs.len(), &*report.unstarted[0].reason), (0, &*why));
    assert_eq!(emit(&oneiric, "e-3", json!({"shop": "b"})).await.runs.len(), 1);
    oneiric.cancel(first, "enough").await.unwrap();
    assert_eq!(emit(&oneiric, "e-4", json!({"shop": "a"})).await.runs.len(), 1);
}

#[tokio::test]
async fn a_singleton_takes_the_place_of_its_predecessor() {
    let (store, example) = (memory(), example("shop.deploy"));
    let oneiric = on_system_time(&example, &store).start().await.unwrap();
    let first = emit(&oneiric, "e-1", json!({"shop": "a"})).await.runs[0].run;
    let second = emit(&oneiric, "e-2", json!({"shop": "a"})).await.runs[0].run;
    let asked = store.commands(WhoseCommands::Run(first)).await.unwrap();
    let reason = format!("its trigger allows one run at a time, and {second} takes its place");
    assert_eq!(asked[0].command, Command::Cancel { reason, hard: false });
    assert_eq!(asked[0].actor.as_deref(), Some("shop.events:shop"));
    assert_eq!(store.commands(WhoseCommands::Run(second)).await.unwrap(), []);
    // Whoever serves does both.
    let _other = on_system_time(&example, &store).serve(true).start().await.unwrap();
    let status = async |run| store.run(run).await.unwrap().unwrap().state.status;
    until("the first one is cancelled, the second one done", async || {
        status(first).await == RunStatus::Cancelled && status(second).await == RunStatus::Completed
    })
    .await;
    assert_eq!(store.violations().await.unwrap(), []);
    let nodes = store.nodes(first).await.unwrap();
    assert!(nodes.iter().all(|node| node.attempt == 0), "nothing of it began: {nodes:?}");
}

#[tokio::test]
async fn a_process_that_does_not_serve_leaves_a_wait_to_one_that_does() {
    let (store, clock) = (memory(), ManualClock::new());
    let example = example("shop.digest");
    let emitter = builder(&example, &store, &clock).start().await.unwrap();
    let report = emit(&emitter, "e-1", json!({"order": 1})).await;
    let due = "1970-01-01T00:01:00.000000Z";
    let waiting = json!([{"workflow": "shop.digest", "key": "", "due_at": due}]);
    assert_eq!(serde_json::to_value(&report).unwrap()["waiting"], waiting);
    drop(emitter);
    clock.advance(2 * Duration::from_secs(60));
    // It knows no manifest: the window has what it takes.
    let other = crate::support::builder().store(Arc::clone(&store)).clock(Arc::new(clock.clone()));
    let other = other.serve(true).start().await.unwrap();
    let run = settled(&other, 1).await.remove(0);
    until("the run is done", async || {
        store.run(run.id).await.unwrap().unwrap().state.status == RunStatus::Completed
    })
    .await;
    assert_eq!(run.input.value(), &json!({"events": [1]}));
}

#[tokio::test]
async fn a_key_that_is_too_long_starts_no_run() {
    let (store, clock) = (memory(), ManualClock::new());
    let oneiric = builder(&example("shop.sync"), &store, &clock).start().await.unwrap();
    let report = emit(&oneiric, "e-1", json!({"shop": "x".repeat(257)})).await;
    assert_eq!(report.unstarted[0].reason, "its `key` has 257 bytes, at most 256 are allowed");
    assert!(report.stored && runs(&store).await.is_empty());
}

#[tokio::test]
async fn a_window_that_cannot_be_read_is_not_overwritten() {
    use oneiric_store::{Batch, Extension, Op};
    let (store, clock) = (memory(), ManualClock::new());
    let oneiric = builder(&example("shop.report"), &store, &clock).start().await.unwrap();
    emit(&oneiric, "e-1", json!({})).await;
    let family = oneiric_events::bucket::FAMILY;
    let (key, ..) = store.extensions(family).await.unwrap().remove(0);
    let newer = br#"{"schema":9}"#.to_vec();
    let record = Extension {
        family: family.to_owned(),
        key: key.clone(),
        value: Some(newer.clone()),
        at: clock.now(),
    };
    store.commit(Batch::of([Op::Extension(record)])).await.unwrap();
    let report = emit(&oneiric, "e-2", json!({})).await;
    let reason = &report.unstarted[0].reason;
    assert!(reason.contains("is of version 9, known is 1; use a newer oneiric"), "{reason}");
    assert_eq!(store.extension(family, &key).await.unwrap().unwrap().1, newer);
    assert_eq!(oneiric.windows().await.unwrap(), []);
}

//! Other manifests in a live process: all of them from one moment on, or none.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::linked::handler_fn;
use oneiric_core::roles::{Envelope, EventHandler};
use oneiric_core::{Component, Domain, Fault, Instance, Payload, Query};
use oneiric_events::Handler;
use oneiric_runtime::{
    Alteration, Builder, Error, EventReport, ManifestFile, Oneiric, Reloaded, RunRequest, RunStatus,
};
use oneiric_store::{DeliveryFilter, DeliveryStatus, MemoryStore, Store};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::support::{LONG, builder, key, status, until};

/// What was built and what was handled.
#[derive(Debug, Default)]
struct World {
    built: AtomicU32,
    stopped: AtomicU32,
    /// The version of the entry that a handler was built from, and the payload that it had.
    handled: Mutex<Vec<(String, Value)>>,
}

#[derive(Debug)]
struct Marker {
    world: Arc<World>,
    name: String,
}

#[async_trait]
impl Component for Marker {
    async fn stop(&self) -> Result<(), Fault> {
        self.world.stopped.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl EventHandler for Marker {
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        let had = (self.name.clone(), envelope.payload.value().clone());
        self.world.handled.lock().unwrap().push(had);
        // Some of them are under way when the table changes.
        tokio::task::yield_now().await;
        Payload::of(&self.name).map_err(|error| Fault::permanent("output", error.to_string()))
    }
}

impl World {
    /// An orchestrator in whose manifests the factory `marker` says which entry it was built from.
    fn builder(self: &Arc<Self>) -> Builder {
        let world = Arc::clone(self);
        builder().factory("marker", move |blueprint| {
            world.built.fetch_add(1, Ordering::SeqCst);
            let version = blueprint.descriptor.version.clone();
            let name = version.unwrap_or_else(|| blueprint.descriptor.key.to_string());
            let marker = Arc::new(Marker { world: Arc::clone(&world), name });
            Ok(Instance::new(Arc::clone(&marker) as Arc<dyn Component>).plays::<dyn EventHandler>(marker))
        })
    }

    fn built(&self) -> u32 {
        self.built.load(Ordering::SeqCst)
    }

    fn stopped(&self) -> u32 {
        self.stopped.load(Ordering::SeqCst)
    }

    /// What was handled so far, by whom.
    fn handled(&self) -> Vec<(String, Value)> {
        self.handled.lock().unwrap().clone()
    }
}

/// A handler of `t.*` that the factory `marker` builds, with more to say.
fn entry(key: &str, more: &str) -> String {
    format!("- {{domain: event, key: {key}, provider: p, factory: marker, event_topics: ['t.*']{more}}}\n")
}

fn manifest(entries: &[String]) -> Vec<ManifestFile> {
    vec![ManifestFile::new("events.yaml", format!("entries:\n{}", entries.concat()).into_bytes())]
}

async fn start(builder: Builder, files: Vec<ManifestFile>) -> Oneiric {
    let add = |builder: Builder, file: ManifestFile| builder.manifest_text(file.name, file.bytes);
    files.into_iter().fold(builder, add).start().await.unwrap()
}

fn event(number: u32) -> Envelope {
    Envelope::new("t.one".parse().unwrap(), json!(number))
}

async fn emit(oneiric: &Oneiric, event: Envelope) -> EventReport {
    oneiric.emit_and_wait(event, LONG).await.unwrap()
}

/// The handlers that had it; all of them succeeded.
fn names(report: &EventReport) -> Vec<&str> {
    assert!(report.dispatched.is_success(), "{report:?}");
    report.dispatched.results.iter().map(|outcome| &*outcome.handler).collect()
}

fn altered(reloaded: &Reloaded, alteration: Alteration) -> Vec<String> {
    reloaded.names(alteration).collect()
}

/// A workflow of one node.
fn workflow(key: &str) -> String {
    format!(
        "- {{domain: workflow, key: {key}, provider: p, factory: 'builtin:noop', dag: {{nodes: [{{id: {key}, task: work}}]}}}}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_events_among_a_hundred_reloads_meet_all_old_handlers_or_all_new_ones() {
    let world = Arc::new(World::default());
    let triggers = |workflow: &str| format!(", metadata: {{workflows: {{triggers: [{workflow}]}}}}");
    let work = "- {domain: task, key: work, provider: p, factory: 'builtin:noop'}\n".to_owned();
    let old = manifest(&[
        entry("a", ""),
        entry("b", ""),
        entry("both", &triggers("w")),
        workflow("w"),
        work.clone(),
    ]);
    let new = manifest(&[entry("c", ""), entry("d", ""), entry("both", &triggers("x")), workflow("x"), work]);
    let oneiric = start(world.builder(), old.clone()).await;
    let all_old = (vec!["a:p", "b:p", "both:p"], "w");
    let all_new = (vec!["both:p", "c:p", "d:p"], "x");
    let met = |report: &EventReport| {
        let mut names: Vec<_> = names(report).into_iter().map(str::to_owned).collect();
        names.sort();
        assert!(report.unstarted.is_empty(), "{:?}", report.unstarted);
        (names, report.runs.iter().map(|run| run.workflow.to_string()).collect::<String>())
    };
    let is = |met: &(Vec<String>, String), all: &(Vec<&str>, &str)| met.0 == all.0 && met.1 == all.1;
    let reloading = async {
        for round in 0..100_u32 {
            let (files, expected) = if round % 2 == 0 { (&new, &all_new) } else { (&old, &all_old) };
            let reloaded = oneiric.reload(files.clone()).await.unwrap();
            assert_eq!(altered(&reloaded, Alteration::Changed), ["event both:p"]);
            // Nobody who has left has an event that is emitted from here on.
            let report = emit(&oneiric, event(10_000 + round)).await;
            assert!(is(&met(&report), expected), "{report:?}");
        }
    };
    let emitting = (0..10_u32).map(|emitter| {
        let oneiric = &oneiric;
        async move {
            for number in 0..100 {
                let report = emit(oneiric, event(emitter * 100 + number)).await;
                let met = met(&report);
                let (old, new) = ((vec!["a:p", "b:p", "both:p"], "w"), (vec!["both:p", "c:p", "d:p"], "x"));
                assert!(is(&met, &old) || is(&met, &new), "{report:?}");
            }
        }
    });
    tokio::join!(reloading, futures_util::future::join_all(emitting));
    // Each handler that had one had it once: none is lost, and none is handled twice.
    let handled = world.handled();
    assert_eq!(handled.len(), 1100 * 3);
    let mut once: Vec<_> = handled.iter().map(|(name, payload)| (name, payload.as_u64())).collect();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), handled.len());
    assert!(oneiric.shutdown(LONG).await.unwrap());
    assert_eq!(world.built(), world.stopped(), "whatever was built is stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_event_whose_handler_has_left_waits_until_it_is_back() {
    let world = Arc::new(World::default());
    let promised = ", event_delivery: at_least_once";
    let (with, without) =
        (manifest(&[entry("a", promised), entry("b", promised)]), manifest(&[entry("b", promised)]));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let oneiric = start(world.builder().store(Arc::clone(&store)).serve(true), with.clone()).await;
    oneiric.pause_component("event", "a", None).await.unwrap();
    let report = oneiric.emit_and_wait(event(1), Duration::ZERO).await.unwrap();
    assert!(report.stored);
    let reloaded = oneiric.reload(without).await.unwrap();
    assert_eq!(altered(&reloaded, Alteration::Removed), ["event a:p"]);
    oneiric.resume_component("event", "a").await.unwrap();
    let row = async |handler: &str| {
        let rows = store.deliveries(DeliveryFilter::any(10)).await.unwrap();
        rows.iter().find(|(_, row)| row.handler == handler).unwrap().1.state.clone()
    };
    until("its neighbour has it", async || row("b:p").await.status == DeliveryStatus::Done).await;
    // A later event goes all the way, and the one for the handler that has left is where it was.
    assert_eq!(names(&emit(&oneiric, event(2)).await), ["b:p"]);
    assert_eq!(row("a:p").await.status, DeliveryStatus::Pending);
    assert!(world.handled().iter().all(|(name, _)| name == "b"), "{:?}", world.handled());
    oneiric.reload(with).await.unwrap();
    until("it has it, too", async || row("a:p").await.status == DeliveryStatus::Done).await;
    let by_a: Vec<_> = world.handled().into_iter().filter(|(name, _)| name == "a").collect();
    assert_eq!(by_a, [("a".to_owned(), json!(1))]);
    assert!(oneiric.shutdown(LONG).await.unwrap());
}

#[tokio::test]
async fn a_reload_that_fails_changes_nothing() {
    let world = Arc::new(World::default());
    let oneiric = start(world.builder(), manifest(&[entry("a", ""), workflow("w")])).await;
    let (catalog, registry) = (oneiric.catalog(), oneiric.lifecycle().registry());
    let wrong = [
        ("entries: [", "events.yaml"),
        (
            "entries:\n- {domain: event, key: b, provider: p, factory: marker, metadata: {workflows: {triggers: [gone]}}}",
            ":2:",
        ),
        ("entries:\n- {domain: event, key: b, provider: p, factory: marker, event_topics: ['t.>.x']}", ":2:"),
        (
            "entries:\n- {domain: event, key: b, provider: p, factory: marker, event_filters: [{equals: 1}]}",
            ":2:",
        ),
        (
            "entries:\n- {domain: workflow, key: w, provider: p, factory: 'builtin:noop', dag: {nodes: [\
             {id: a, task: work, depends_on: [b]}, {id: b, task: work, depends_on: [a]}]}}",
            ":2:",
        ),
    ];
    for (text, place) in wrong {
        let good = manifest(&[entry("c", "")]).remove(0);
        let bad = ManifestFile::new("events.yaml", text.as_bytes().to_vec());
        let error = oneiric.reload(vec![ManifestFile { name: "good.yaml".to_owned(), ..good }, bad]).await;
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Manifest { .. } | Error::UnknownWorkflow { .. }), "{error}");
        assert!(error.to_string().contains(place), "{error}");
        assert!(
            Arc::ptr_eq(&catalog, &oneiric.catalog())
                && oneiric.lifecycle().registry().len() == registry.len()
        );
        assert_eq!(names(&emit(&oneiric, event(1)).await), ["a:p"]);
    }
    assert_eq!(world.built(), 1);
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn what_stands_in_no_manifest_stays() {
    let world = Arc::new(World::default());
    let linked = || handler_fn(|_: Envelope| async { Ok::<_, Fault>("linked") });
    let dag = json!({"nodes": [{"id": "n", "task": "builtin"}]});
    let builder = world.builder().handler("linked", linked()).workflow("coded", &dag);
    let two = |key: &str| {
        let p = entry(key, "");
        [p.clone(), p.replace("provider: p", "provider: q, priority: -1")].concat()
    };
    let oneiric = start(builder, manifest(&[two("a")])).await;
    let mine = oneiric.subscription("mine", "t.one").unwrap();
    let subscribed = oneiric.subscribe(mine, Handler::fixed(Arc::new(linked())));
    oneiric.swap_to("event", "a", "q").await.unwrap();
    let had = emit(&oneiric, event(1)).await;
    let before = names(&had);
    assert_eq!(before.len(), 3, "{before:?}");
    assert!(before.contains(&"a:q") && before.contains(&"mine"), "{before:?}");
    let reloaded = oneiric.reload(manifest(&[two("a"), entry("b", "")])).await.unwrap();
    assert_eq!(altered(&reloaded, Alteration::Added), ["event b:p"]);
    assert_eq!((reloaded.altered.len(), reloaded.swapped.len()), (1, 0), "{reloaded:?}");
    let had = emit(&oneiric, event(2)).await;
    let after = names(&had);
    assert!(before.iter().all(|name| after.contains(name)), "{after:?}");
    assert!(after.contains(&"b:p"));
    assert!(oneiric.catalog().workflow(&key("coded"), None).is_ok());
    assert!(oneiric.unsubscribe(subscribed));
    assert!(!names(&emit(&oneiric, event(3)).await).contains(&"mine"));
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn a_handler_that_only_wants_other_events_keeps_its_instance() {
    let world = Arc::new(World::default());
    let oneiric = start(world.builder(), manifest(&[entry("a", "")])).await;
    emit(&oneiric, event(1)).await;
    let filtered = ", event_filters: [{path: payload.n, equals: 2}], event_priority: 9";
    let reloaded = oneiric.reload(manifest(&[entry("a", filtered)])).await.unwrap();
    assert_eq!(altered(&reloaded, Alteration::Changed), ["event a:p"]);
    assert!(reloaded.swapped.is_empty(), "{reloaded:?}");
    assert!(names(&emit(&oneiric, event(1)).await).is_empty());
    let two = Envelope::new("t.one".parse().unwrap(), json!({"n": 2}));
    assert_eq!(names(&emit(&oneiric, two).await), ["a:p"]);
    assert_eq!((world.built(), world.stopped()), (1, 0));
    // What it has counted goes on.
    let (_, counts) = oneiric.dispatcher().counts().remove(0);
    assert_eq!(counts.succeeded.count, 2);
    // One that is built from something else is another one.
    let reloaded = oneiric.reload(manifest(&[entry("a", ", version: '2'")])).await.unwrap();
    assert_eq!(reloaded.swapped.len(), 1);
    assert_eq!((world.built(), world.stopped()), (2, 1));
    let report = emit(&oneiric, event(3)).await;
    assert_eq!(report.dispatched.results[0].result.as_ref().unwrap().value(), "2");
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn a_newcomer_that_does_not_come_up_leaves_the_old_one_serving_and_is_told() {
    let world = Arc::new(World::default());
    let broken = Arc::new(AtomicBool::new(false));
    let is_broken = Arc::clone(&broken);
    let builder = world.builder().factory("fragile", move |_| match is_broken.load(Ordering::SeqCst) {
        true => Err(Fault::permanent("broken", "it does not come up")),
        false => {
            let handler: Arc<dyn EventHandler> =
                Arc::new(handler_fn(|_: Envelope| async { Ok::<_, Fault>("up") }));
            let world = Arc::default();
            Ok(Instance::new(Arc::new(Marker { world, name: String::new() }))
                .plays::<dyn EventHandler>(handler))
        }
    });
    let fragile = |version: &str| entry("a", version).replace("factory: marker", "factory: fragile");
    let oneiric = start(builder, manifest(&[fragile("")])).await;
    emit(&oneiric, event(1)).await;
    broken.store(true, Ordering::SeqCst);
    let reloaded = oneiric.reload(manifest(&[fragile(", version: '2'"), entry("b", "")])).await.unwrap();
    let (_, failed, why) = &reloaded.swapped[0];
    assert_eq!(failed.as_str(), "a");
    assert!(why.as_ref().unwrap_err().to_string().contains("it does not come up"));
    assert_eq!(names(&emit(&oneiric, event(2)).await), ["a:p", "b:p"]);
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn a_shadowed_handler_that_asks_for_events_has_them_from_its_own_instance() {
    let world = Arc::new(World::default());
    let lower = entry("k", ", version: lower, event_shadowed: true");
    let higher = entry("k", ", version: higher, priority: 5").replace("provider: p", "provider: q");
    let oneiric = start(world.builder(), manifest(std::slice::from_ref(&lower))).await;
    emit(&oneiric, event(1)).await;
    // What was meant by the key is hidden now, and is another one's instance.
    oneiric.reload(manifest(&[lower.clone(), higher])).await.unwrap();
    let report = emit(&oneiric, event(2)).await;
    let values: Vec<_> = report.dispatched.results.iter().map(|one| one.result.clone().unwrap()).collect();
    assert_eq!(names(&report), ["k:q", "k:p"]);
    assert_eq!((values[0].value(), values[1].value()), (&json!("higher"), &json!("lower")));
    oneiric.reload(manifest(&[lower])).await.unwrap();
    let report = emit(&oneiric, event(3)).await;
    assert_eq!(names(&report), ["k:p"]);
    assert_eq!(report.dispatched.results[0].result.as_ref().unwrap().value(), "lower");
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn a_swapped_handler_brings_its_own_topics() {
    let world = Arc::new(World::default());
    let calm = entry("a", "");
    let strict =
        entry("a", ", priority: -1").replace("provider: p", "provider: strict").replace("t.*", "s.*");
    let oneiric = start(world.builder(), manifest(&[calm, strict])).await;
    let other = || Envelope::new("s.one".parse().unwrap(), json!(0));
    assert_eq!(names(&emit(&oneiric, event(1)).await), ["a:p"]);
    assert!(names(&emit(&oneiric, other()).await).is_empty());
    oneiric.swap_to("event", "a", "strict").await.unwrap();
    assert!(names(&emit(&oneiric, event(1)).await).is_empty());
    assert_eq!(names(&emit(&oneiric, other()).await), ["a:strict"]);
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_keeps_to_the_manifests_that_it_was_planned_from() {
    let (door, calls) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let (inside, count) = (Arc::clone(&door), Arc::clone(&calls));
    let work = oneiric_core::linked::task_fn(move |_: Value| {
        count.fetch_add(1, Ordering::SeqCst);
        let door = Arc::clone(&inside);
        async move {
            door.acquire().await.map_err(|_| Fault::permanent("closed", "closed"))?.forget();
            Ok::<_, Fault>(())
        }
    });
    let two = "- {domain: workflow, key: w, provider: p, factory: 'builtin:noop', dag: {nodes: [\
               {id: first, task: work}, {id: second, task: work, depends_on: [first]}]}}\n";
    let oneiric = start(builder().task("work", work), manifest(&[two.to_owned()])).await;
    let run = oneiric.run(RunRequest::of("w", &()).unwrap()).await.unwrap();
    until("the first node is at work", async || calls.load(Ordering::SeqCst) == 1).await;
    let reloaded = oneiric.reload(manifest(&[workflow("w")])).await.unwrap();
    assert_eq!(altered(&reloaded, Alteration::Changed), ["workflow w:p"]);
    door.add_permits(10);
    assert_eq!(status(&run).await, RunStatus::Completed);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    let later = oneiric.run(RunRequest::of("w", &()).unwrap()).await.unwrap();
    assert_eq!(status(&later).await, RunStatus::Completed);
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    // Also where their plans are asked for later.
    for (run, nodes) in [(run.id(), 2), (later.id(), 1)] {
        let record = oneiric.store().run(run).await.unwrap().unwrap();
        assert_eq!(oneiric.plan_of(&record).await.unwrap().graph().len(), nodes);
    }
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn a_manifest_that_is_read_again_as_it_was_changes_nothing() {
    let world = Arc::new(World::default());
    let files = manifest(&[entry("a", ""), workflow("w")]);
    let oneiric = start(world.builder(), files.clone()).await;
    emit(&oneiric, event(1)).await;
    let explained = || {
        let registry = oneiric.lifecycle().registry();
        registry.explain(&Domain::EVENT, &key("a"), &Query::default())
    };
    let before = explained();
    for _ in 0..3 {
        let reloaded = oneiric.reload(files.clone()).await.unwrap();
        let nothing = Reloaded {
            generation: 1,
            altered: Vec::new(),
            swapped: Vec::new(),
            held: Vec::new(),
            needs_restart: Vec::new(),
        };
        assert_eq!(reloaded, nothing);
    }
    assert_eq!(explained(), before);
    assert_eq!((world.built(), world.stopped()), (1, 0));
    oneiric.shutdown(LONG).await.unwrap();
}

//! Other settings in a live process, and what operators' words hold back.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::lifecycle::Timeouts;
use oneiric_core::roles::Task;
use oneiric_core::settings::{Seconds, Settings};
use oneiric_core::{Component, Domain, Fault, Instance, Payload, Provider};
use oneiric_runtime::{Builder, Cause, Error, ManifestFile, Oneiric, Reload, RunRequest, RunStatus, Sources};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::{LONG, builder, key, status, until};

/// What was built, and a door that calls wait behind.
#[derive(Debug)]
struct World {
    built: AtomicU32,
    open: Semaphore,
    waiting: AtomicU32,
}

/// A task that says who it is and what it was built with.
#[derive(Debug)]
struct Teller {
    world: Arc<World>,
    name: String,
}

#[async_trait]
impl Component for Teller {}

#[async_trait]
impl Task for Teller {
    async fn run(&self, _: oneiric_core::roles::TaskContext<'_>) -> Result<Payload, Fault> {
        self.world.waiting.fetch_add(1, Ordering::SeqCst);
        self.world.open.acquire().await.map_err(|_| Fault::permanent("closed", "closed"))?.forget();
        Payload::of(&self.name).map_err(|error| Fault::permanent("output", error.to_string()))
    }
}

impl World {
    /// Whose calls all pass.
    fn open() -> Arc<Self> {
        Self::with(1_000_000)
    }

    fn with(permits: usize) -> Arc<Self> {
        let (built, waiting) = (AtomicU32::new(0), AtomicU32::new(0));
        Arc::new(Self { built, open: Semaphore::new(permits), waiting })
    }

    fn builder(self: &Arc<Self>) -> Builder {
        let world = Arc::clone(self);
        builder().factory("teller", move |blueprint| {
            world.built.fetch_add(1, Ordering::SeqCst);
            let colour = blueprint.settings.get("colour").and_then(|value| value.as_str());
            let version = blueprint.descriptor.version.as_deref();
            let provider = &blueprint.descriptor.provider;
            let name = format!("{provider} {} {}", version.unwrap_or("-"), colour.unwrap_or("-"));
            let teller = Arc::new(Teller { world: Arc::clone(&world), name });
            Ok(Instance::new(Arc::clone(&teller) as Arc<dyn Component>).plays::<dyn Task>(teller))
        })
    }
}

/// Task `work` of `a`, which wins, and of `b`; workflow `w` calls it twice.
fn manifest(version: &str) -> Vec<ManifestFile> {
    let text = format!(
        "entries:\n\
         - {{domain: task, key: work, provider: a, factory: teller, priority: 1, version: '{version}'}}\n\
         - {{domain: task, key: work, provider: b, factory: teller, version: '{version}'}}\n\
         - {{domain: workflow, key: w, provider: p, factory: 'builtin:noop', dag: {{nodes: [\
           {{id: one, task: work}}, {{id: two, task: work, depends_on: [one]}}]}}}}\n"
    );
    vec![ManifestFile::new("work.yaml", text.into_bytes())]
}

async fn start(builder: Builder, settings: Settings) -> Oneiric {
    let file = manifest("1").remove(0);
    builder.manifest_text(file.name, file.bytes).settings(settings).start().await.unwrap()
}

fn provider(name: &str) -> Provider {
    Provider::new(name).unwrap()
}

/// Settings that select a provider of `work`, and give it a colour.
fn settings(selected: Option<&str>, colour: Option<&str>) -> Settings {
    let mut settings = Settings::default();
    if let Some(selected) = selected {
        settings.tasks.selections.insert(key("work"), provider(selected));
    }
    if let Some(colour) = colour {
        let map = json!({"colour": colour}).as_object().unwrap().clone();
        settings.tasks.provider_settings.insert(provider("a"), map);
    }
    settings
}

fn reload(version: &str, settings: Settings) -> Reload {
    Reload { manifests: manifest(version), settings: Some(settings) }
}

/// What a run of the workflow says; every node of it succeeded.
async fn run(oneiric: &Oneiric) -> (String, String) {
    let run = oneiric.run(RunRequest::of("w", &()).unwrap()).await.unwrap();
    let report = run.completed().await.unwrap();
    (report.output("one").unwrap(), report.output("two").unwrap())
}

fn both(name: &str) -> (String, String) {
    (name.to_owned(), name.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_selection_and_other_provider_settings_swap_under_load_without_a_failed_call() {
    let world = World::open();
    let oneiric = start(world.builder(), settings(None, None)).await;
    assert_eq!(run(&oneiric).await, both("a 1 -"));
    let reloading = async {
        for round in 0..20 {
            let selected = if round % 2 == 0 { "b" } else { "a" };
            let wanted = settings(Some(selected), Some("green"));
            let reloaded = oneiric.reload(reload("1", wanted)).await.unwrap();
            assert_eq!(reloaded.generation, round + 2);
            let [(_, _, Ok(now))] = &reloaded.swapped[..] else { panic!("{reloaded:?}") };
            assert_eq!(now.as_str(), selected);
        }
    };
    let calling = (0..4).map(|_| async {
        for _ in 0..25 {
            let (one, two) = run(&oneiric).await;
            assert!([one, two].iter().all(|name| ["a 1 -", "a 1 green", "b 1 -"].contains(&&**name)));
        }
    });
    tokio::join!(reloading, futures_util::future::join_all(calling));
    assert_eq!(run(&oneiric).await, both("a 1 green"));
    // Only what a provider is built with has changed.
    let reloaded = oneiric.reload(reload("1", settings(Some("a"), Some("blue")))).await.unwrap();
    assert_eq!((reloaded.altered.len(), reloaded.swapped.len()), (0, 1));
    assert_eq!(run(&oneiric).await, both("a 1 blue"));
    assert!(oneiric.shutdown(LONG).await.unwrap());
}

#[tokio::test]
async fn a_selection_that_has_left_the_settings_is_forgotten_and_one_of_a_swap_is_kept_until_they_change() {
    let world = World::open();
    let oneiric = start(world.builder(), settings(Some("b"), None)).await;
    assert_eq!(run(&oneiric).await, both("b 1 -"));
    oneiric.reload(reload("1", settings(None, None))).await.unwrap();
    assert_eq!(run(&oneiric).await, both("a 1 -"));
    let registry = oneiric.lifecycle().registry();
    assert_eq!(registry.selection(&Domain::TASK, &key("work")), None);
    // The settings say nothing else about the key: what was swapped by hand stays.
    oneiric.swap_to("task", "work", "b").await.unwrap();
    oneiric.reload(reload("2", settings(None, Some("red")))).await.unwrap();
    assert_eq!(run(&oneiric).await, both("b 2 -"));
    // Now they do, and are the later word.
    oneiric.reload(reload("2", settings(Some("a"), Some("red")))).await.unwrap();
    assert_eq!(run(&oneiric).await, both("a 2 red"));
    assert!(oneiric.shutdown(LONG).await.unwrap());
}

#[tokio::test]
async fn what_needs_a_restart_is_told_and_everything_else_counts() {
    let world = World::open();
    let oneiric = start(world.builder(), Settings::default()).await;
    let mut wanted = settings(Some("b"), None);
    wanted.execution.lease_seconds = Seconds::new(77.0);
    wanted.event_delivery.keep_seconds = Seconds::new(60.0);
    let reloaded = oneiric.reload(reload("1", wanted.clone())).await.unwrap();
    assert_eq!(reloaded.needs_restart, ["execution.lease_seconds"]);
    let now = oneiric.settings();
    assert_eq!(now.event_delivery.keep_seconds, Seconds::new(60.0));
    assert_eq!(now.execution, Settings::default().execution);
    // It is not forgotten with the next manifest, and goes once the file says again what counts.
    oneiric.reload(manifest("2")).await.unwrap();
    assert_eq!(oneiric.reloads().needs_restart, ["execution.lease_seconds"]);
    wanted.execution = Settings::default().execution;
    oneiric.reload(reload("2", wanted)).await.unwrap();
    assert_eq!(oneiric.reloads().needs_restart, Vec::<String>::new());
    assert!(oneiric.shutdown(LONG).await.unwrap());
}

#[tokio::test]
async fn the_bounds_of_later_steps_are_those_of_the_settings_unless_the_builder_said_them() {
    for fixed in [false, true] {
        let slow = builder().factory("teller", |_| {
            #[derive(Debug)]
            struct Slow;
            #[async_trait]
            impl Component for Slow {
                async fn start(&self) -> Result<(), Fault> {
                    std::future::pending().await
                }
            }
            Ok(Instance::new(Arc::new(Slow)))
        });
        let long = Timeouts { activation: Duration::from_millis(30), ..Timeouts::default() };
        let oneiric = start(if fixed { slow.timeouts(long) } else { slow }, Settings::default()).await;
        let mut wanted = Settings::default();
        wanted.lifecycle.activation_timeout = Seconds::new(0.07);
        oneiric.reload(reload("1", wanted)).await.unwrap();
        let failed = oneiric.resolve::<dyn Task>("work").await.unwrap_err().to_string();
        assert!(failed.contains(if fixed { "30ms" } else { "70ms" }), "{failed}");
        oneiric.shutdown(LONG).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_44_a_swap_that_a_drain_delays_is_done_when_nothing_is_in_flight() {
    let world = World::with(0);
    let oneiric = start(world.builder(), settings(Some("a"), None)).await;
    let under_way = oneiric.run(RunRequest::of("w", &()).unwrap()).await.unwrap();
    until("the first node is at work", async || world.waiting.load(Ordering::SeqCst) == 1).await;
    let drained = oneiric.drain_component("task", "work", None, Duration::ZERO).await.unwrap();
    assert!(drained.flight.in_flight() > 0, "{drained:?}");
    let reloaded = oneiric.reload(reload("1", settings(Some("b"), None))).await.unwrap();
    assert_eq!(reloaded.swapped.len(), 0);
    assert_eq!(reloaded.held, [(Domain::TASK, key("work"))]);
    assert_eq!(oneiric.reloads().held[0].reason, "draining");
    assert_eq!(world.built.load(Ordering::SeqCst), 1);
    // What is in flight ends, and nobody asks again.
    world.open.add_permits(100);
    until("the newcomer serves", async || oneiric.reloads().held.is_empty()).await;
    let status_of = || oneiric.statuses().into_iter().find(|status| status.key == key("work")).unwrap();
    assert_eq!(status_of().current_provider, Some(provider("b")));
    // It still drains: that was no word for taking work again.
    assert!(oneiric.activity()[0].record.draining);
    oneiric.resume_component("task", "work").await.unwrap();
    assert_eq!(status(&under_way).await, RunStatus::Completed);
    assert_eq!(run(&oneiric).await, both("b 1 -"));
    assert!(oneiric.shutdown(LONG).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_of_a_paused_component_is_skipped_and_done_when_it_takes_work_again() {
    let world = World::open();
    let oneiric = start(world.builder(), settings(Some("a"), None)).await;
    run(&oneiric).await;
    oneiric.pause_component("task", "work", None).await.unwrap();
    oneiric.reload(reload("1", settings(Some("b"), None))).await.unwrap();
    // Another reload does not forget it, nor does one that takes the wish back leave anything to do.
    let again = oneiric.reload(reload("2", settings(Some("b"), None))).await.unwrap();
    assert_eq!((again.swapped.len(), again.held.len()), (0, 1));
    let back = oneiric.reload(reload("1", settings(Some("a"), None))).await.unwrap();
    assert_eq!((back.swapped.len(), back.held.len()), (0, 0));
    oneiric.reload(reload("2", settings(Some("b"), None))).await.unwrap();
    assert_eq!(oneiric.reloads().held[0].reason, "paused");
    assert_eq!(world.built.load(Ordering::SeqCst), 1);
    oneiric.resume_component("task", "work").await.unwrap();
    until("the newcomer serves", async || oneiric.reloads().held.is_empty()).await;
    assert_eq!(run(&oneiric).await, both("b 2 -"));
    assert!(oneiric.shutdown(LONG).await.unwrap());
}

/// Sources that say what a test has put in.
#[derive(Debug)]
struct Scripted {
    says: Mutex<Result<Reload, String>>,
    read: AtomicU32,
}

impl Sources for Scripted {
    fn read(&self) -> Result<Reload, Error> {
        self.read.fetch_add(1, Ordering::SeqCst);
        // Long enough for others to ask meanwhile.
        std::thread::sleep(Duration::from_millis(20));
        let said = self.says.lock().unwrap().clone();
        said.map_err(|reason| Error::Setting { what: "scripted".to_owned(), reason })
    }

    fn places(&self) -> Vec<std::path::PathBuf> {
        Vec::new()
    }
}

impl Scripted {
    fn new() -> Arc<Self> {
        let says = Mutex::new(Ok(reload("2", Settings::default())));
        Arc::new(Self { says, read: AtomicU32::new(0) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_who_ask_while_a_reload_is_under_way_share_the_next_one() {
    let (world, scripted) = (World::open(), Scripted::new());
    let builder = world.builder().sources(Arc::clone(&scripted) as Arc<dyn Sources>);
    let oneiric = start(builder, Settings::default()).await;
    let asking = (0..100).map(|_| oneiric.reread(Cause::Command));
    let outcomes = futures_util::future::join_all(asking).await;
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().unwrap().generation == 2));
    let read = scripted.read.load(Ordering::SeqCst);
    assert!(read <= 2, "read {read} times");
    let told = oneiric.reloads();
    assert_eq!((told.generation, told.last.unwrap().cause), (2, Cause::Command));
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn what_is_wrong_is_told_since_when_until_it_is_better() {
    let (world, scripted) = (World::open(), Scripted::new());
    let builder = world.builder().sources(Arc::clone(&scripted) as Arc<dyn Sources>);
    let oneiric = start(builder, Settings::default()).await;
    *scripted.says.lock().unwrap() = Err("first".to_owned());
    oneiric.reread(Cause::Signal).await.unwrap_err();
    let first = oneiric.reloads().last_error.unwrap();
    *scripted.says.lock().unwrap() = Err("second".to_owned());
    oneiric.reread(Cause::Command).await.unwrap_err();
    let second = oneiric.reloads().last_error.unwrap();
    assert_eq!((first.message.as_str(), second.message.as_str()), ("scripted: first", "scripted: second"));
    assert_eq!(first.since, second.since);
    assert_eq!(oneiric.reloads().generation, 1);
    *scripted.says.lock().unwrap() = Ok(reload("2", Settings::default()));
    oneiric.reread(Cause::Signal).await.unwrap();
    assert_eq!(oneiric.reloads().last_error, None);
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn where_hot_reload_is_off_nothing_is_read_again() {
    let (world, scripted) = (World::open(), Scripted::new());
    let mut serverless = Settings::default();
    (serverless.profile.watchers_enabled, serverless.profile.inline_manifest_only) = (false, true);
    let builder = world.builder().sources(Arc::clone(&scripted) as Arc<dyn Sources>);
    let oneiric = start(builder, serverless).await;
    let refused = oneiric.reread(Cause::Signal).await.unwrap_err();
    assert!(refused.to_string().contains("hot reload is off"), "{refused}");
    assert_eq!(scripted.read.load(Ordering::SeqCst), 0);
    assert_eq!(oneiric.reloads().last_error, None, "nothing is wrong with any file");
    oneiric.shutdown(LONG).await.unwrap();
    // And where there is nothing to read.
    let oneiric = start(world.builder(), Settings::default()).await;
    assert!(matches!(*oneiric.reread(Cause::Call).await.unwrap_err(), Error::NoReload { .. }));
    oneiric.shutdown(LONG).await.unwrap();
}

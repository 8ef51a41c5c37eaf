//! Real files under a live process, with the notices of a real system.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::environment::MapEnvironment;
use oneiric_core::linked::task_fn;
use oneiric_core::roles::{Envelope, EventHandler};
use oneiric_core::settings::{Loader, Settings};
use oneiric_core::{Component, Fault, Instance, Payload, Provider};
use oneiric_runtime::{
    Builder, Cause, Error, Oneiric, Reload, ReloadFailure, RunRequest, RunStatus, Sources, SystemFiles,
    Watching, read_manifest,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use crate::support::{LONG, builder, key, status, until};

/// A handler that says of which generation of its manifest it is.
#[derive(Debug)]
struct Teller(String);

#[async_trait]
impl Component for Teller {}

#[async_trait]
impl EventHandler for Teller {
    async fn handle(&self, _: &Envelope) -> Result<Payload, Fault> {
        tokio::task::yield_now().await;
        Payload::of(&self.0).map_err(|error| Fault::permanent("output", error.to_string()))
    }
}

/// Both handlers of a generation.
fn manifest(generation: u32) -> String {
    let entry = |key: &str| {
        format!(
            "- {{domain: event, key: {key}, provider: p, factory: teller, event_topics: ['t.*'], \
             version: '{generation}'}}\n"
        )
    };
    // The keys are of the generation, too: a table of two generations would show.
    let (a, b) = (format!("a{generation}"), format!("b{generation}"));
    format!("entries:\n{}{}", entry(&a), entry(&b))
}

/// A folder with a manifest and perhaps settings.
#[derive(Debug)]
struct Home(tempfile::TempDir);

/// As the binary reads them.
#[derive(Debug)]
struct Files(PathBuf);

impl Files {
    fn asked<T>(&self, ask: impl FnOnce(&Loader<'_>) -> T) -> T {
        ask(&Loader::new("oneiric", &MapEnvironment::default(), &SystemFiles)
            .base(&self.0)
            .config("named.yaml"))
    }

    fn manifest(&self) -> PathBuf {
        self.0.join("live.yaml")
    }
}

impl Sources for Files {
    fn read(&self) -> Result<Reload, Error> {
        let settings = self.asked(|loader| loader.load()).map_err(Error::Settings)?.settings;
        Ok(Reload { manifests: vec![read_manifest(&self.manifest())?], settings: Some(settings) })
    }

    fn places(&self) -> Vec<PathBuf> {
        let places = self.asked(|loader| loader.places()).into_iter();
        places.chain([self.manifest()]).collect()
    }
}

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        home.write("named.yaml", "");
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// As editors and deployments do it.
    fn replace(&self, name: &str, text: &str) {
        self.write("new~", text);
        fs::rename(self.path("new~"), self.path(name)).unwrap();
    }

    async fn start(&self, builder: Builder) -> Oneiric {
        let files = Arc::new(Files(self.0.path().to_owned()));
        let settings = files.read().unwrap().settings.unwrap();
        let builder = builder.factory("teller", |blueprint| {
            let teller = Arc::new(Teller(blueprint.descriptor.version.clone().unwrap_or_default()));
            Ok(Instance::new(Arc::clone(&teller) as Arc<dyn Component>).plays::<dyn EventHandler>(teller))
        });
        let oneiric =
            builder.manifest(files.manifest()).settings(settings).sources(files).start().await.unwrap();
        // From here on every change is noticed.
        watched(&oneiric).await;
        oneiric
    }
}

async fn watched(oneiric: &Oneiric) {
    until("the files are watched", async || oneiric.reloads().watching == Watching::Notices).await;
}

/// The handlers of an event and what they said.
async fn met(oneiric: &Oneiric) -> Vec<(String, Value)> {
    let event = Envelope::new("t.one".parse().unwrap(), json!(1));
    let report = oneiric.emit_and_wait(event, LONG).await.unwrap();
    assert!(report.dispatched.is_success(), "{report:?}");
    let results = report.dispatched.results.iter();
    let mut met: Vec<_> =
        results.map(|one| (one.handler.to_string(), one.result.as_ref().unwrap().value().clone())).collect();
    met.sort_by(|one, other| one.0.cmp(&other.0));
    met
}

/// The generation whose handlers an event met, both of them and no other.
async fn generation(oneiric: &Oneiric) -> u32 {
    let met = met(oneiric).await;
    let [(a, said), (b, also)] = &met[..] else { panic!("half of a generation: {met:?}") };
    assert_eq!(said, also, "two generations: {met:?}");
    let number = said.as_str().unwrap();
    assert_eq!((a, b), (&format!("a{number}:p"), &format!("b{number}:p")));
    number.parse().unwrap()
}

async fn comes_to(oneiric: &Oneiric, wanted: u32) {
    until("the last edit counts", async || generation(oneiric).await == wanted).await;
}

async fn failure(oneiric: &Oneiric) -> ReloadFailure {
    until("what is wrong is told", async || oneiric.reloads().last_error.is_some()).await;
    oneiric.reloads().last_error.unwrap()
}

async fn better(oneiric: &Oneiric) {
    until("nothing is wrong any more", async || oneiric.reloads().last_error.is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_edits_of_every_kind_show_whole_generations_only_and_end_at_the_last() {
    let home = Home::new();
    home.write("live.yaml", &manifest(0));
    let oneiric = home.start(builder()).await;
    let done = Arc::new(AtomicBool::new(false));
    let editing = async {
        for edit in 1..=200_u32 {
            let text = manifest(edit);
            let half = &text[..text.len() - 30];
            match edit % 5 {
                0 => home.replace("live.yaml", &text),
                1 => home.write("live.yaml", &text),
                2 => {
                    home.write("live.yaml", half);
                    tokio::task::yield_now().await;
                    home.write("live.yaml", &text);
                }
                3 => {
                    fs::remove_file(home.path("live.yaml")).unwrap();
                    tokio::task::yield_now().await;
                    home.write("live.yaml", &text);
                }
                _ => {
                    // What lies beside it is nobody's business.
                    home.write("live.yaml~", half);
                    home.replace("live.yaml", &text);
                }
            }
            if edit % 25 == 0 {
                comes_to(&oneiric, edit).await;
            }
        }
        done.store(true, Ordering::SeqCst);
    };
    let (emitter, over) = (oneiric.clone(), Arc::clone(&done));
    let emitting = AbortOnDropHandle::new(tokio::spawn(async move {
        let mut seen = 0;
        while !over.load(Ordering::SeqCst) {
            let now = generation(&emitter).await;
            assert!(now >= seen, "it went back from {seen} to {now}");
            seen = now;
        }
    }));
    editing.await;
    emitting.await.unwrap();
    assert_eq!(oneiric.reloads().last_error, None);
    let told = oneiric.reloads();
    assert_eq!(told.last.unwrap().cause, Cause::File);
    assert!(oneiric.shutdown(LONG).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_swap_of_a_link_as_of_a_config_map_is_an_edit() {
    let home = Home::new();
    let version = |number: u32| {
        let name = format!("..v{number}");
        fs::create_dir(home.path(&name)).unwrap();
        home.write(&format!("{name}/live.yaml"), &manifest(number));
        symlink(&name, home.path("..data_tmp")).unwrap();
        fs::rename(home.path("..data_tmp"), home.path("..data")).unwrap();
    };
    version(0);
    symlink("..data/live.yaml", home.path("live.yaml")).unwrap();
    let oneiric = home.start(builder()).await;
    for number in 1..=5 {
        version(number);
        comes_to(&oneiric, number).await;
        fs::remove_dir_all(home.path(&format!("..v{}", number - 1))).unwrap();
    }
    assert!(oneiric.shutdown(LONG).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_wrong_or_gone_leaves_what_counts_and_is_told_with_its_place_until_it_is_better() {
    let home = Home::new();
    home.write("live.yaml", &manifest(1));
    let oneiric = home.start(builder()).await;
    home.write(
        "live.yaml",
        "entries:\n- {domain: event, key: a, provider: p, factory: teller, event_topics: [7}\n",
    );
    let wrong = failure(&oneiric).await;
    assert!(wrong.message.contains("live.yaml:2:"), "{wrong:?}");
    assert!(wrong.file.as_ref().unwrap().ends_with("live.yaml"), "{wrong:?}");
    assert_eq!(generation(&oneiric).await, 1);
    home.replace("live.yaml", &manifest(2));
    comes_to(&oneiric, 2).await;
    better(&oneiric).await;
    fs::remove_file(home.path("live.yaml")).unwrap();
    assert!(failure(&oneiric).await.message.contains("there is no such file"));
    assert_eq!(generation(&oneiric).await, 2);
    home.write("live.yaml", &manifest(2));
    better(&oneiric).await;
    // An empty file is no manifest without entries.
    home.write("live.yaml", "");
    failure(&oneiric).await;
    assert_eq!(generation(&oneiric).await, 2);
    assert!(oneiric.shutdown(LONG).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_51_a_named_file_of_settings_is_watched_and_a_bad_one_ends_no_watching() {
    let home = Home::new();
    let rival = "- {domain: event, key: a1, provider: q, factory: teller, event_topics: ['t.*'], version: q, priority: -1}\n";
    home.write("live.yaml", &(manifest(1) + rival));
    let oneiric = home.start(builder()).await;
    let first = async || met(&oneiric).await.remove(0).0;
    assert_eq!(first().await, "a1:p");
    home.write("named.yaml", "events: {selections: {a1: q}}");
    until("the other provider serves", async || first().await == "a1:q").await;
    home.write("named.yaml", "events: {selektions: {a1: p}}");
    let wrong = failure(&oneiric).await;
    assert!(wrong.message.contains("named.yaml:1:10") && wrong.message.contains("selections"), "{wrong:?}");
    assert_eq!(first().await, "a1:q");
    // A file that was not there, in a folder that was not there.
    home.write("named.yaml", "events: {selections: {}}");
    better(&oneiric).await;
    until("the ranking decides", async || first().await == "a1:p").await;
    fs::create_dir(home.path("settings")).unwrap();
    home.write("settings/oneiric.toml", "[events.selections]\na1 = 'q'\n[http]\nport = 1\n");
    until("the new file counts", async || first().await == "a1:q").await;
    until("it is told", async || oneiric.reloads().needs_restart == ["http.port"]).await;
    let selected = oneiric.settings().events.selections.get(&key("a1")).cloned();
    assert_eq!(selected, Some(Provider::new("q").unwrap()));
    assert!(oneiric.shutdown(LONG).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_began_before_an_edit_keeps_its_plan() {
    let home = Home::new();
    let dag = |nodes: &str| {
        format!(
            "entries:\n- {{domain: workflow, key: w, provider: p, factory: 'builtin:noop', dag: {{nodes: [{nodes}]}}}}\n"
        )
    };
    home.write("live.yaml", &dag("{id: first, task: work}, {id: second, task: work, depends_on: [first]}"));
    let (door, calls) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
    let (inside, count) = (Arc::clone(&door), Arc::clone(&calls));
    let work = task_fn(move |_: Value| {
        count.fetch_add(1, Ordering::SeqCst);
        let door = Arc::clone(&inside);
        async move {
            door.acquire().await.map_err(|_| Fault::permanent("closed", "closed"))?.forget();
            Ok::<_, Fault>(())
        }
    });
    let oneiric = home.start(builder().task("work", work)).await;
    let run = oneiric.run(RunRequest::of("w", &()).unwrap()).await.unwrap();
    until("the first node is at work", async || calls.load(Ordering::SeqCst) == 1).await;
    home.replace("live.yaml", &dag("{id: only, task: work}"));
    until("the edit counts", async || oneiric.reloads().generation == 2).await;
    door.add_permits(10);
    assert_eq!(status(&run).await, RunStatus::Completed);
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert!(oneiric.shutdown(LONG).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_or_writes_beside_the_files_makes_nobody_look() {
    let home = Home::new();
    home.write("live.yaml", &manifest(1));
    let oneiric = home.start(builder()).await;
    let before = oneiric.reloads();
    for number in 0..100 {
        home.write("log", &number.to_string());
        fs::read(home.path("live.yaml")).unwrap();
    }
    // The same words in another file are the same manifest.
    home.replace("live.yaml", &manifest(1));
    home.write("live.yaml", &manifest(2));
    comes_to(&oneiric, 2).await;
    assert_eq!(oneiric.reloads().generation, before.generation + 1);
    assert!(oneiric.shutdown(LONG).await.unwrap());
}

#[tokio::test]
async fn nobody_watches_where_the_profile_says_so_and_what_is_asked_for_is_read_all_the_same() {
    let home = Home::new();
    home.write("live.yaml", &manifest(1));
    let files = Arc::new(Files(home.0.path().to_owned()));
    let mut settings = Settings::default();
    settings.profile.watchers_enabled = false;
    let builder = builder().factory("teller", |_| Ok(Instance::new(Arc::new(Teller(String::new())))));
    let manifest_path = files.manifest();
    let oneiric = builder.manifest(manifest_path).settings(settings).sources(files).start().await.unwrap();
    assert_eq!(oneiric.reloads().watching, Watching::Off);
    home.write("live.yaml", &manifest(2));
    assert_eq!(oneiric.reread(Cause::Signal).await.unwrap().generation, 2);
    assert_eq!(oneiric.reloads().watching, Watching::Off);
    assert!(oneiric.shutdown(Duration::ZERO).await.unwrap());
}

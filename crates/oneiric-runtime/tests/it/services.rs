//! Services of a live orchestrator: who keeps them up, and what changes them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::lifecycle::Swap;
use oneiric_core::linked::Linked;
use oneiric_core::roles::{Service, ServiceContext, Stream};
use oneiric_core::{Domain, Fault};
use oneiric_runtime::activity::Drained;
use oneiric_runtime::control::{Answer, Request, ServiceAction, live};
use oneiric_runtime::service::State;
use oneiric_runtime::{Builder, Error, Keeper, Kind, ManifestFile, Oneiric, Phase, ServiceLogTail};
use serde_json::{Value, json};

use crate::support::{LONG, builder, key, until};

type Log = Arc<Mutex<Vec<String>>>;

/// Notes its beginning and its end, and is ready when it is told to be.
struct Noting {
    log: Log,
    ready: Option<Arc<tokio::sync::Notify>>,
}

#[async_trait]
impl Service for Noting {
    async fn run(&self, cx: ServiceContext) -> Result<(), Fault> {
        self.log.lock().unwrap().push(format!("+{}", cx.key));
        cx.line(Stream::Stdout, &format!("attempt {}", cx.attempt));
        if let Some(ready) = &self.ready {
            tokio::select! {
                () = ready.notified() => cx.ready(),
                () = cx.stop.cancelled() => {}
            }
        }
        cx.stop.cancelled().await;
        self.log.lock().unwrap().push(format!("-{}", cx.key));
        Ok(())
    }

    fn says_ready(&self) -> bool {
        self.ready.is_some()
    }
}

fn noting(log: &Log, name: &str, service: Value) -> Linked {
    Linked::service(name, Noting { log: Arc::clone(log), ready: None }).describe(|descriptor| {
        descriptor.metadata.insert("service".to_owned(), service);
    })
}

fn story(log: &Log) -> String {
    log.lock().unwrap().join(" ")
}

/// `builtin:noop`, which waits for its stop.
fn manifest(entries: &[(&str, Value)]) -> ManifestFile {
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, service)| {
            json!({"domain": "service", "key": key, "provider": "shop", "factory": "builtin:noop",
                   "metadata": {"service": service}})
        })
        .collect();
    ManifestFile::new("shop.yaml", json!({ "entries": entries }).to_string().into_bytes())
}

fn with(file: ManifestFile) -> Builder {
    builder().services(true).manifest_text(file.name, file.bytes)
}

fn states(oneiric: &Oneiric) -> Vec<(String, State)> {
    oneiric.services().into_iter().map(|status| (status.name.to_string(), status.state)).collect()
}

fn all_run(oneiric: &Oneiric) -> bool {
    oneiric.services().iter().all(|status| status.state == State::Running)
}

#[tokio::test]
async fn a_process_serves_once_its_critical_services_are_ready() {
    let (log, ready) = (Log::default(), Arc::new(tokio::sync::Notify::new()));
    let slow = Linked::service("slow", Noting { log: Arc::clone(&log), ready: Some(Arc::clone(&ready)) });
    let web = noting(&log, "web", json!({"dependencies": ["slow"]}));
    let oneiric = builder().services(true).component(slow).component(web).start().await.unwrap();
    until("it begins", async || story(&log) == "+slow").await;
    assert_eq!((oneiric.phase(), oneiric.keeper()), (Phase::Starting, Keeper::Here));
    ready.notify_one();
    oneiric.reached(Phase::Serving).await;
    until("all run", async || story(&log) == "+slow +web").await;
    assert_eq!(oneiric.service_figures()[0].startup.count, 1);
    assert!(oneiric.shutdown(LONG).await.unwrap());
    assert_eq!(story(&log), "+slow +web -web -slow");
}

#[tokio::test]
async fn services_are_left_alone_where_nobody_asked_for_them_or_they_are_turned_off() {
    let (log, critical) = (Log::default(), json!({}));
    let oneiric = builder().component(noting(&log, "web", critical.clone())).start().await.unwrap();
    assert_eq!((oneiric.phase(), oneiric.keeper()), (Phase::Serving, Keeper::NotAsked));
    let refused = oneiric.start_service("web").await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Execution);
    oneiric.shutdown(LONG).await.unwrap();

    let mut settings = oneiric_core::settings::Settings::default();
    settings.runtime_supervisor.enabled = false;
    let builder = builder().services(true).settings(settings).component(noting(&log, "web", critical));
    let oneiric = builder.start().await.unwrap();
    assert_eq!((oneiric.phase(), oneiric.keeper()), (Phase::Serving, Keeper::Off));
    assert!(oneiric.services()[0].detail.as_ref().unwrap().starts_with("the supervisor is off"));
    oneiric.shutdown(LONG).await.unwrap();
    assert_eq!(story(&log), "");
}

#[test]
fn what_is_wrong_with_services_is_found_before_anything_is_opened() {
    let check = |entries: &[(&str, Value)], expected: &str| {
        let error = with(manifest(entries)).load().unwrap_err();
        assert_eq!(error.kind(), Kind::Configuration, "{error}");
        let Error::Services { problems, .. } = error else { panic!("{error}") };
        let told = problems.problems[0].message.clone();
        assert!(told.contains(expected), "{told}");
        assert_eq!(&*problems.problems[0].place.file, "shop.yaml");
    };
    check(&[("web", json!({"dependencies": ["redsi"]})), ("redis", json!({}))], "did you mean `redis`?");
    check(
        &[("web", json!({"critcal": true}))],
        "service `web`: `metadata.service`.critcal: unknown field `critcal`",
    );
    check(
        &[("a", json!({"dependencies": ["b"]})), ("b", json!({"dependencies": ["a"]}))],
        "services depend on each other in a circle: a -> b -> a",
    );
    check(
        &[("web", json!({"ready": {"tcp": "127.0.0.1:1"}}))],
        "a probe of service `web`: nothing here can put",
    );
    // Who starts none does not have to be able to ask.
    let file = manifest(&[("web", json!({"ready": {"tcp": "127.0.0.1:1"}}))]);
    assert!(builder().manifest_text(file.name, file.bytes).load().is_ok());
    let linked = noting(&Log::default(), "web", json!({"start_timeout": 0}));
    let error = builder().component(linked).load().unwrap_err();
    assert!(error.to_string().contains("must be more than 0 seconds"), "{error}");
}

#[tokio::test]
async fn a_reload_touches_what_changed_and_a_wrong_roster_changes_nothing() {
    let before = manifest(&[("a", json!({})), ("b", json!({"dependencies": ["a"]})), ("c", json!({}))]);
    let oneiric = with(before).start().await.unwrap();
    until("all run", async || all_run(&oneiric) && oneiric.phase() == Phase::Serving).await;
    let wrong = manifest(&[("a", json!({})), ("d", json!({"dependencies": ["b"]}))]);
    let error = oneiric.reload(vec![wrong]).await.unwrap_err();
    assert!(matches!(error, Error::Services { .. }), "{error}");
    assert_eq!(states(&oneiric).len(), 3);
    assert!(oneiric.catalog().registry().active(&Domain::SERVICE).count() == 3);

    let since =
        |name: &str| oneiric.services().into_iter().find(|one| one.name.as_str() == name).unwrap().since;
    let untouched = since("a");
    let after = manifest(&[
        ("a", json!({})),
        ("b", json!({"dependencies": ["a"], "stop_timeout": 3})),
        ("d", json!({})),
    ]);
    oneiric.reload(vec![after]).await.unwrap();
    until("the new ones run", async || {
        let names: Vec<_> = states(&oneiric).into_iter().map(|(name, _)| name).collect();
        names == ["a", "d", "b"] && all_run(&oneiric)
    })
    .await;
    assert_eq!(since("a"), untouched);
    assert!(oneiric.shutdown(LONG).await.unwrap());
}

#[tokio::test]
async fn a_swap_restarts_the_service_on_the_newcomer() {
    let log = Log::default();
    let of = |provider: &str| noting(&log, "web", json!({})).provider(provider);
    let builder =
        builder().services(true).component(of("old").describe(|it| it.priority = 1)).component(of("new"));
    let oneiric = builder.start().await.unwrap();
    until("it runs", async || all_run(&oneiric) && story(&log) == "+web").await;
    let new = "new".parse().unwrap();
    oneiric.swap(&Domain::SERVICE, &key("web"), Swap { provider: Some(&new), force: false }).await.unwrap();
    until("it runs again", async || story(&log) == "+web -web +web" && all_run(&oneiric)).await;
    assert_eq!(oneiric.services()[0].provider, new);
    oneiric.shutdown(LONG).await.unwrap();
}

/// Draining was pausing, and nothing was ever waited for.
#[tokio::test]
async fn a_drain_of_a_service_waits_for_its_end_and_a_resume_starts_it_again() {
    let log = Log::default();
    let oneiric = builder().services(true).component(noting(&log, "web", json!({}))).start().await.unwrap();
    until("it runs", async || story(&log) == "+web").await;
    let report = oneiric.drain_component("service", "web", None, LONG).await.unwrap();
    assert_eq!((report.ended, story(&log).as_str()), (Drained::Landed, "+web -web"));
    until("it is seen", async || states(&oneiric) == [("web".to_owned(), State::Stopped)]).await;
    oneiric.resume_component("service", "web").await.unwrap();
    until("it is back", async || story(&log) == "+web -web +web").await;
    oneiric.pause_component("service", "web", Some("a reason")).await.unwrap();
    until("it is paused", async || states(&oneiric) == [("web".to_owned(), State::Paused)]).await;
    assert!(oneiric.shutdown(LONG).await.unwrap());
    assert_eq!(story(&log), "+web -web +web -web");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_of_a_state_folder_keeps_services_up_and_the_next_takes_over() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::default();
    let start = async || {
        let builder = builder().serve(true).services(true).state_dir(folder.path());
        builder.component(noting(&log, "web", json!({}))).start().await.unwrap()
    };
    let first = start().await;
    until("the first keeps it up", async || all_run(&first)).await;
    let second = start().await;
    second.reached(Phase::Serving).await;
    assert_eq!(second.keeper(), Keeper::Elsewhere(Some(std::process::id())));
    assert!(second.services()[0].detail.as_ref().unwrap().contains("keeps the services up"));
    assert_eq!(story(&log), "+web");
    first.shutdown(LONG).await.unwrap();
    until("the second does", async || all_run(&second) && second.keeper() == Keeper::Here).await;
    assert_eq!(story(&log), "+web -web +web");
    let (lines, _) = ServiceLogTail::newest(folder.path(), &key("web"), 9).unwrap();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].ends_with("Z stdout attempt 1"), "{lines:?}");

    // Somebody outside asks the one that keeps them up.
    let ask = async |request: Request| {
        let state_dir = folder.path().to_owned();
        let asking = tokio::task::spawn_blocking(move || live(&state_dir).remove(0).ask(&request, LONG));
        asking.await.unwrap().unwrap()
    };
    let Answer::Services(told) = ask(Request::Services {}).await else { panic!() };
    assert!(told.kept && told.reason.is_none() && told.services.len() == 1);
    let action = ServiceAction::Stop;
    let Answer::Service { status, .. } = ask(Request::Service { key: key("web"), action }).await else {
        panic!()
    };
    assert_eq!(status.state, State::Stopped);
    let action = ServiceAction::Restart;
    let Answer::Service { status, .. } = ask(Request::Service { key: key("web"), action }).await else {
        panic!()
    };
    assert_eq!(status.state, State::Running);
    let Answer::Refused { kind, .. } = ask(Request::Service { key: key("wbe"), action }).await else {
        panic!()
    };
    assert_eq!(kind, Kind::Resolution);
    second.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn a_critical_service_that_is_given_up_is_told_and_the_others_stop_in_reverse() {
    let log = Log::default();
    let file = manifest(&[("web", json!({"startup_order": 1}))]);
    let broken = json!({"entries": [{"domain": "service", "key": "broken", "provider": "shop",
        "factory": "builtin:echo", "metadata": {"service": {"startup_order": 2}}}]});
    let builder = with(file).component(noting(&log, "first", json!({})));
    let builder = builder.manifest_text("broken.yaml", broken.to_string().into_bytes());
    let oneiric = builder.start().await.unwrap();
    let gone = oneiric.services_gone().await;
    assert_eq!(gone.key, key("broken"));
    assert!(gone.reason.contains("does not play the role `service`"), "{gone}");
    assert_eq!(oneiric.phase(), Phase::Starting);
    assert!(oneiric.shutdown(Duration::from_secs(20)).await.unwrap());
    assert_eq!(story(&log), "+first -first");
}

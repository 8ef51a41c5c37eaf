//! How a process says how it is: asked by many, by itself into a file, and at its end.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::linked::Linked;
use oneiric_core::metrics::prometheus;
use oneiric_core::{Component, Domain, Fault, Instance, Role};
use oneiric_runtime::health::{Depth, Facts, HealthSource, Severity};
use oneiric_runtime::{Oneiric, Phase};
use serde_json::{Value, json};

/// A component that counts how often it is asked, and answers, refuses or hangs.
#[derive(Debug, Default)]
struct Asked {
    times: AtomicU32,
    /// 0 well, 1 not well, 2 silent.
    mood: AtomicU32,
}

impl Role for Asked {
    const NAME: &'static str = "asked";
}

struct Thing(Arc<Asked>);

#[async_trait]
impl Component for Thing {
    async fn health(&self) -> Result<(), Fault> {
        self.0.times.fetch_add(1, Ordering::SeqCst);
        match self.0.mood.load(Ordering::SeqCst) {
            0 => Ok(()),
            1 => Err(Fault::transient("refused", "refused by the other side")),
            _ => std::future::pending().await,
        }
    }
}

async fn with(asked: &Arc<Asked>) -> Oneiric {
    let kept = Arc::clone(asked);
    let make = move |_: &oneiric_core::Blueprint| {
        Ok(Instance::new(Arc::new(Thing(Arc::clone(&kept)))).plays::<Asked>(Arc::clone(&kept)))
    };
    let oneiric =
        Oneiric::builder().component(Linked::new(Domain::ADAPTER, "cache", make)).start().await.unwrap();
    // Bringing it up asks once.
    oneiric.resolve::<Asked>("cache").await.unwrap();
    asked.times.store(0, Ordering::SeqCst);
    oneiric
}

#[tokio::test(start_paused = true)]
async fn a_hundred_who_ask_are_one_round_of_questions() {
    let asked = Arc::new(Asked::default());
    let oneiric = with(&asked).await;
    let all = (0..100).map(|_| {
        let oneiric = oneiric.clone();
        tokio::spawn(async move { oneiric.health_report(Depth::Components).await })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap().status, Severity::Ok);
    }
    assert_eq!(asked.times.load(Ordering::SeqCst), 1);
    let report = oneiric.health_report(Depth::Components).await;
    assert_eq!((report.ready, report.components["adapter:cache"].healthy), (true, true));
    assert_eq!(asked.times.load(Ordering::SeqCst), 1, "within a second nobody is asked again");
    oneiric.shutdown(Duration::from_secs(1)).await.unwrap();
}

#[tokio::test]
async fn a_component_that_does_not_answer_is_told_and_holds_nobody_up() {
    let asked = Arc::new(Asked::default());
    let oneiric = with(&asked).await;
    asked.mood.store(2, Ordering::SeqCst);
    let report = oneiric.health_report(Depth::Components).await;
    assert_eq!((report.status, report.ready), (Severity::Degraded, true));
    let reason = &report.degraded.reasons[0];
    assert_eq!(reason.component, "adapter:cache");
    assert_eq!(report.components["adapter:cache"].status, Severity::Down);
    // Who only asks whether it is ready waits for no component, and hears what is known of it.
    let known = oneiric.health_report(Depth::Store).await;
    assert_eq!((known.status, known.degraded.reasons[0].since), (Severity::Degraded, reason.since));
    oneiric.shutdown(Duration::from_secs(1)).await.unwrap();
}

#[tokio::test]
async fn whoever_gives_up_makes_nobody_ask_more_often() {
    let asked = Arc::new(Asked::default());
    let oneiric = with(&asked).await;
    asked.mood.store(2, Ordering::SeqCst);
    for _ in 0..50 {
        // It begins to ask, and is dropped.
        let asking = oneiric.health_report(Depth::Components);
        tokio::select! {
            biased;
            _ = asking => {}
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(asked.times.load(Ordering::SeqCst), 1);
    oneiric.shutdown(Duration::from_secs(1)).await.unwrap();
}

#[derive(Debug)]
struct Watching;

impl HealthSource for Watching {
    fn tell(&self, facts: &mut Facts) {
        facts.watchers.running = facts.about.serves;
        facts.reason("watchers", "shop.yaml:3: unknown field");
    }
}

#[tokio::test]
async fn another_part_of_the_process_has_its_say() {
    let oneiric = Oneiric::builder().start().await.unwrap();
    oneiric.report_also(Arc::new(Watching));
    let report = oneiric.health_report(Depth::Store).await;
    assert_eq!((report.status, report.watchers.running), (Severity::Degraded, true));
    assert_eq!(report.degraded.reasons[0].reason, "shop.yaml:3: unknown field");
    oneiric.shutdown(Duration::from_secs(1)).await.unwrap();
}

fn read(path: &Path) -> Value {
    let text = std::fs::read(path).unwrap();
    serde_json::from_slice(&text)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&text)))
}

async fn until(path: &Path, seen: impl Fn(&Value) -> bool) -> Value {
    loop {
        if path.exists() {
            let snapshot = read(path);
            if seen(&snapshot) {
                return snapshot;
            }
        }
        tokio::task::yield_now().await;
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn the_snapshot_is_whole_whenever_it_is_read_and_ends_with_the_end() {
    let home = tempfile::tempdir().unwrap();
    let (state, other) = (home.path().join("state"), home.path().join("for/probes/health.json"));
    let oneiric = Oneiric::builder().state_dir(&state).health_path(&other).start().await.unwrap();
    oneiric.report_also(Arc::new(Watching));
    let path = state.join("runtime_health.json");
    let first = until(&path, |_| true).await;
    assert_eq!(
        (&first["orchestrator_pid"], &first["stale_after_seconds"]),
        (&json!(std::process::id()), &json!(150))
    );
    // Read all the time, while it is written as often as it ever is, and every read parses.
    oneiric.pause_component("task", "charge", Some("audit")).await.unwrap();
    let paused =
        until(&path, |snapshot| snapshot["activity_state"]["task"]["charge"]["paused"] == true).await;
    assert_eq!((&paused["phase"], &paused["watchers_running"]), (&json!("serving"), &json!(true)));
    oneiric.resume_component("task", "charge").await.unwrap();
    until(&path, |snapshot| snapshot["activity_state"]["task"]["charge"]["paused"] != true).await;
    assert_eq!(oneiric.phase(), Phase::Serving);
    oneiric.shutdown(Duration::from_secs(5)).await.unwrap();
    for path in [&path, &other] {
        let last = read(path);
        let told = (&last["phase"], &last["ready"], &last["status"], &last["watchers_running"]);
        assert_eq!(told, (&json!("stopped"), &json!(false), &json!("down"), &json!(false)));
        let beside = std::fs::read_dir(path.parent().unwrap()).unwrap().flatten();
        assert!(beside.into_iter().all(|entry| !entry.file_name().to_string_lossy().ends_with(".tmp")));
    }
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_process_that_serves_nobody_leaves_no_snapshot() {
    let home = tempfile::tempdir().unwrap();
    let oneiric = Oneiric::builder().serve(false).state_dir(home.path()).start().await.unwrap();
    oneiric.shutdown(Duration::from_secs(5)).await.unwrap();
    assert!(!home.path().join("runtime_health.json").exists());
}

#[tokio::test]
async fn the_numbers_of_a_process_say_how_it_stands() {
    let asked = Arc::new(Asked::default());
    let oneiric = with(&asked).await;
    let text = prometheus(&oneiric.metrics().await);
    for line in [
        r#"oneiric_phase{phase="serving"} 1"#,
        r#"oneiric_health_state{state="ok"} 1"#,
        "oneiric_ready 1",
        r#"oneiric_open_runs{status="running"} 0"#,
        r#"dlq_depth{queue="events"} 0"#,
        "oneiric_circuit_open_total 0",
        r#"oneiric_lifecycle_swap_duration_ms_count{domain="adapter",key="cache",provider="linked",outcome="success"} 1"#,
    ] {
        assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
    }
    assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
    oneiric.shutdown(Duration::from_secs(1)).await.unwrap();
}

//! Poison: what brings its process down, eats memory, never ends or never stops talking harms itself only.

use std::process::ExitStatus;
use std::time::Duration;

use oneiric_core::linked::task_fn;
use oneiric_core::settings::Settings;
use oneiric_core::{Clock, Fault, Payload};
use oneiric_runtime::{Builder, Oneiric, RunRequest, SystemClock};
use oneiric_store::{NodeStatus, RunFilter, RunStatus};
use serde_json::{Value, json};

use crate::child;
use crate::support::{builder, status};

/// What a poisonous call does, in Python; `deed` is its name.
const DEEDS: &str = r#"
import os, sys
def do(deed):
    if deed == "panic":
        raise RuntimeError("boom")
    if deed == "abort":
        os.abort()
    if deed == "memory":
        return len(bytearray(2_000_000_000))
    if deed == "loop":
        while True:
            pass
    if deed == "flood":
        for _ in range(1024):
            os.write(1, b"x" * (1 << 20))
    if deed == "chatter":
        for _ in range(32):
            os.write(2, b"x" * (1 << 20) + b"\n")
    return deed
"#;

/// A program per call.
const PROGRAM: &str = r#"
import json
print(json.dumps(do(json.load(sys.stdin))))
"#;

/// A worker that does as it is told, call after call.
const WORKER: &str = r#"
import json
def say(**m):
    sys.stdout.write(json.dumps(m) + "\n")
    sys.stdout.flush()
for line in sys.stdin:
    m = json.loads(line)
    if m["type"] == "hello":
        say(type="ready", concurrency=1)
    elif m["type"] == "call":
        try:
            say(type="result", id=m["id"], output=do(m["input"]))
        except MemoryError:
            os.abort()
    elif m["type"] == "ping":
        say(type="pong")
    elif m["type"] == "stop":
        break
"#;

/// Every deed that does not end well, and what becomes of it in each kind of process.
const POISON: [(&str, &str, &str); 5] = [
    ("panic", "exit-code", "worker-died"),
    ("abort", "signal", "worker-died"),
    ("memory", "exit-code", "worker-died"),
    ("loop", "timeout", "timeout"),
    ("flood", "output-too-large", "output-too-large"),
];

/// The workflow `poisoned` has a node for each deed, and one that is as it should be behind each; `healthy` has
/// twenty of those, on the same component.
fn poisonous(scheme: &str) -> Builder {
    let script = if scheme == "exec" { PROGRAM } else { WORKER };
    let section = json!({"args": ["-c", format!("{DEEDS}{script}")], "memory_mib": 400});
    let mut entry = json!({
        "domain": "task", "key": "do", "provider": "test", "factory": format!("{scheme}:python3"),
        "metadata": {}, "timeout_seconds": 60, "retry_policy": {"attempts": 2}, "idempotent": true,
    });
    entry["metadata"][scheme] = section;
    let mut poisoned = Vec::new();
    for deed in POISON.map(|(deed, ..)| deed).into_iter().chain(["chatter"]) {
        let limit = if deed == "loop" { 2 } else { 60 };
        poisoned.push(json!({"id": deed, "task": "do", "payload": deed, "timeout_seconds": limit}));
        poisoned.push(json!({"id": format!("beside-{deed}"), "task": "do", "payload": "fine"}));
    }
    let healthy: Vec<_> =
        (0..20).map(|n| json!({"id": format!("n{n}"), "task": "do", "payload": "fine"})).collect();
    let workflow = |key: &str, nodes: Vec<Value>| {
        json!({"domain": "workflow", "key": key, "provider": "test", "factory": "builtin:noop",
               "dag": {"nodes": nodes}})
    };
    let manifest = json!({"entries": [entry, workflow("poisoned", poisoned), workflow("healthy", healthy)]});
    builder().max_parallel(8).manifest_text("poison.json", manifest.to_string().into_bytes())
}

/// The most memory that this process ever had, in KiB.
fn peak_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

async fn harms_itself_only(scheme: &str, code: fn(&(&str, &'static str, &'static str)) -> &'static str) {
    let folder = tempfile::tempdir().unwrap();
    let oneiric = poisonous(scheme).state_dir(folder.path()).start().await.unwrap();
    let before = peak_kib();
    let poisoned = oneiric.run(RunRequest::of("poisoned", &Payload::NULL).unwrap()).await.unwrap();
    let healthy = oneiric.run(RunRequest::of("healthy", &Payload::NULL).unwrap()).await.unwrap();
    assert_eq!(status(&healthy).await, RunStatus::Completed);
    assert_eq!(status(&poisoned).await, RunStatus::Failed);
    let report = poisoned.report();
    for poison in &POISON {
        let node = report.node(poison.0).unwrap();
        let fault = node.fault.clone().unwrap();
        assert_eq!((node.status, fault.code.as_str()), (NodeStatus::Failed, code(poison)), "{fault}");
        // What is permanent is not tried again; everything else was, and counted.
        let tries = if fault.class == oneiric_core::Class::Permanent { 1 } else { 2 };
        assert_eq!(node.attempts, tries, "{}: {fault}", poison.0);
        assert_eq!(report.node(&format!("beside-{}", poison.0)).unwrap().status, NodeStatus::Completed);
    }
    assert_eq!(report.output::<String>("chatter").unwrap(), "chatter");
    // Gigabytes went by; results may have 4 MiB each, logs 1 MiB.
    let grown = peak_kib() - before;
    assert!(grown < 128 * 1024, "{grown} KiB more");
    // The component still serves.
    let again = oneiric.run(RunRequest::of("healthy", &Payload::NULL).unwrap()).await.unwrap();
    assert_eq!(status(&again).await, RunStatus::Completed);
    assert!(oneiric.shutdown(Duration::from_secs(9)).await.unwrap());
    assert_eq!(children(), 0, "nothing is left running");
}

/// The processes whose parent this one is.
fn children() -> usize {
    let me = std::process::id().to_string();
    let parent = |stat: String| stat.rsplit_once(')')?.1.split_whitespace().nth(1).map(str::to_owned);
    let processes = std::fs::read_dir("/proc").unwrap();
    let stats = processes.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    stats.filter(|stat| parent(stat.clone()).as_ref() == Some(&me)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisonous_program_harms_itself_only() {
    harms_itself_only("exec", |(_, program, _)| program).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisonous_call_of_a_worker_harms_its_process_only() {
    harms_itself_only("worker", |(_, _, worker)| worker).await;
}

/// How often a node may bring its process down in the test below.
const DELIVERIES: u32 = 3;

fn deadly(folder: &std::path::Path) -> Builder {
    let mut settings = Settings::default();
    settings.execution.max_deliveries = DELIVERIES;
    let abort = task_fn(|_: Value| async {
        SystemClock::default().sleep(Duration::from_millis(200)).await;
        std::process::abort();
        #[expect(unreachable_code, reason = "it says what the closure would yield")]
        Ok::<_, Fault>(Value::Null)
    });
    Oneiric::builder()
        .settings(settings)
        .task("abort", abort)
        .task("fine", task_fn(|_: Value| async { Ok::<_, Fault>("fine") }))
        .workflow(
            "deadly",
            &json!({"nodes": [
                {"id": "fine", "task": "fine"},
                {"id": "deadly", "task": "abort", "depends_on": ["fine"]},
                {"id": "after", "task": "fine", "depends_on": ["deadly"]},
            ]}),
        )
        .workflow("healthy", &json!({"nodes": [{"id": "a", "task": "fine"}, {"id": "b", "task": "fine"}]}))
        .state_dir(folder)
}

/// The child: begins both workflows the first time, takes over what it finds afterwards, and ends once nothing
/// of it is left to do.
#[test]
#[ignore = "the process of another test"]
fn the_process_that_aborts() {
    let Some(folder) = child::folder() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let oneiric = deadly(&folder).start().await.unwrap();
        if oneiric.store().runs(RunFilter::newest(1)).await.unwrap().is_empty() {
            oneiric.run(RunRequest::of("deadly", &Payload::NULL).unwrap()).await.unwrap();
        }
        oneiric.run(RunRequest::of("healthy", &Payload::NULL).unwrap()).await.unwrap();
        loop {
            let runs = oneiric.store().runs(RunFilter::newest(100)).await.unwrap();
            let rests = |status| matches!(status, RunStatus::Paused | RunStatus::Completed);
            if runs.iter().all(|run| rests(run.state.status)) {
                break;
            }
            SystemClock::default().sleep(Duration::from_millis(5)).await;
        }
        oneiric.shutdown(Duration::from_secs(5)).await.unwrap();
    });
}

#[tokio::test]
async fn a_linked_task_that_aborts_is_counted_and_parked_and_its_neighbours_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut deaths = 0;
    loop {
        let mut child = child::start("poison::the_process_that_aborts", folder.path());
        let ended: ExitStatus = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
        if ended.success() {
            break;
        }
        deaths += 1;
        assert!(deaths <= DELIVERIES, "{ended} for the {deaths}th time");
    }
    assert_eq!(deaths, DELIVERIES);

    let reader = deadly(folder.path()).serve(false).start().await.unwrap();
    let store = reader.store();
    let runs = store.runs(RunFilter::newest(100)).await.unwrap();
    let (deadly, healthy): (Vec<_>, Vec<_>) =
        runs.into_iter().partition(|run| run.workflow.as_str() == "deadly");
    assert_eq!(healthy.len(), 1 + deaths as usize);
    assert!(healthy.iter().all(|run| run.state.status == RunStatus::Completed), "{healthy:#?}");
    let [run] = &deadly[..] else { panic!("{deadly:#?}") };
    assert_eq!(run.state.status, RunStatus::Paused);
    let fault = run.state.fault.clone().unwrap();
    assert_eq!(
        (fault.code.as_str(), fault.message.as_str()),
        ("parked-nodes", "1 node(s) were tried often enough")
    );
    let rows = store.nodes(run.id).await.unwrap();
    let row = rows.iter().find(|row| row.name.as_str() == "deadly").unwrap();
    assert_eq!((row.status, row.deaths, row.attempt), (NodeStatus::Parked, DELIVERIES, DELIVERIES));
    let fault = row.fault.clone().unwrap();
    assert_eq!(
        (fault.code.as_str(), fault.message.as_str()),
        ("process-died", "its process ended 3 times while it ran")
    );
    assert_eq!(store.check().await.unwrap().problems, Vec::<String>::new());
    assert_eq!(store.violations().await.unwrap(), []);
    reader.shutdown(Duration::from_secs(5)).await.unwrap();
}

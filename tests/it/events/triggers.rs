//! Events that start workflows: whatever dies in between, each run is there once.

use std::process::{Child, Stdio};

use oneiric_testkit::data::shared;
use serde_json::{Value, json};

use crate::support::{Home, assert_holds, note, until, wait};

/// The point that kills here.
pub(crate) const TESTED: &str = "window.fired";

const WORKFLOW: &str = "fastblocks.workflows.fulfillment";

/// A burst starts one run, three make a batch, and there is one deployment at a time.
const SHOP: &str = r#"
entries:
- domain: event
  key: shop.search
  provider: p
  factory: 'builtin:noop'
  event_topics: ['shelf.*']
  metadata: {workflows: {triggers: [{workflow: shop.reindex, key: payload.shelf, debounce: {quiet: 1}}]}}
- domain: event
  key: shop.news
  provider: p
  factory: 'builtin:noop'
  event_topics: [order.paid]
  metadata: {workflows: {triggers: [{workflow: shop.digest, batch: {size: 3, wait: 3600}}]}}
- {domain: task, key: shop.work, provider: p, factory: 'builtin:echo'}
- domain: workflow
  key: shop.reindex
  provider: p
  factory: 'builtin:noop'
  dag: {nodes: [{id: work, task: shop.work, payload: '${{ inputs }}'}]}
- domain: workflow
  key: shop.digest
  provider: p
  factory: 'builtin:noop'
  dag: {nodes: [{id: work, task: shop.work, payload: '${{ inputs.events }}'}]}
"#;

fn shop() -> Home {
    let home = Home::new();
    home.file("shop.yaml", SHOP);
    home
}

fn emit(home: &Home, topic: &str, id: &str, payload: &Value) -> Value {
    let (payload, headers) = (payload.to_string(), json!({ "event_id": id }).to_string());
    let of = ["--manifest", "shop.yaml", "--json", "event", "emit", topic];
    home.json(&[&of[..], &["--payload", &payload, "--headers", &headers]].concat())
}

fn orchestrate(home: &Home, failpoint: Option<&str>) -> Orchestrator {
    let mut command = home.command(&["orchestrate", "--grace", "5"]);
    command.envs(failpoint.map(|point| ("ONEIRIC_FAILPOINT", point)));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Orchestrator(command.spawn().unwrap())
}

struct Orchestrator(Child);

impl Drop for Orchestrator {
    fn drop(&mut self) {
        // It may have ended; it must not outlive the test.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until there are so many runs and all of them have completed; what they got.
fn completed(home: &Home, runs: usize) -> Vec<Value> {
    let list = || home.json(&["run", "list", "--json"])["runs"].as_array().unwrap().clone();
    until("the runs complete", || {
        let list = list();
        list.len() >= runs && list.iter().all(|run| run["status"] == "completed")
    });
    let ids: Vec<String> = list().iter().map(|run| run["run_id"].as_str().unwrap().to_owned()).collect();
    let mut shown: Vec<Value> = ids.iter().map(|id| home.json(&["run", "show", id, "--json"])).collect();
    shown.sort_by_key(|run| run["input"].to_string());
    assert_eq!(home.json(&["doctor", "--json"])["findings"], json!([]));
    shown
}

#[test]
fn a_workflow_of_the_python_project_runs_though_its_emitter_is_killed() {
    let Some(manifest) = shared("manifests/fastblocks_parity_fixture.yaml") else { return };
    if !cfg!(debug_assertions) {
        note("SKIPPED: a binary that is built for others has no failpoints");
        return;
    }
    let home = Home::new();
    let payload = json!({"order_id": "o-7", "tenant": "fastblocks"});
    let arguments = |payload: &Value| {
        let text = payload.to_string();
        let words = ["--manifest", manifest.to_str().unwrap(), "--json", "event", "emit"];
        let rest = ["fastblocks.order.created", "--headers", r#"{"event_id": "e-1"}"#, "--payload"];
        [&words[..], &rest[..], &[&*text]].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let command = |arguments: &[String]| home.command(&arguments.iter().map(|a| &**a).collect::<Vec<_>>());
    let arguments = arguments(&payload);
    let emitter = command(&arguments).env("ONEIRIC_FAILPOINT", "event.accepted").spawn().unwrap();
    assert_eq!(wait(emitter).code, -1, "it was killed right behind the acceptance");
    // Nobody heard that it was accepted, and emits it again.
    let again = wait(command(&arguments).spawn().unwrap()).exits(0).json();
    assert_holds(&again, &json!({"event_id": "e-1", "duplicate": true, "runs": []}));
    let _serving = orchestrate(&home, None);
    let runs = completed(&home, 1);
    assert_eq!(runs.len(), 1);
    let by = json!({"event": "e-1", "handler": "fastblocks.order.created:fastblocks", "events": 1});
    let expected = json!({"workflow": WORKFLOW, "trigger": "event", "input": payload,
                          "options": {"started_by": by}, "results": {"stage": "remote-task-run"}});
    assert_holds(&runs[0], &expected);
}

#[test]
fn a_burst_starts_one_run_though_orchestrators_are_killed() {
    let home = shop();
    {
        let _first = orchestrate(&home, None);
        for n in 0..3 {
            let report = emit(&home, "shelf.changed", &format!("a-{n}"), &json!({"shelf": "a", "n": n}));
            assert_holds(
                &report,
                &json!({"runs": [], "waiting": [{"workflow": "shop.reindex", "key": "a"}]}),
            );
        }
        // It is killed before or behind the start; nobody can tell which.
    }
    if cfg!(debug_assertions) {
        // Others die right before what they have decided is durable, and right behind it.
        emit(&home, "shelf.changed", "b-0", &json!({"shelf": "b", "n": 0}));
        let mut dying = orchestrate(&home, Some(TESTED));
        until("it dies of what it fires", || dying.0.try_wait().unwrap().is_some());
    }
    let _last = orchestrate(&home, None);
    let expected = if cfg!(debug_assertions) { 2 } else { 1 };
    let runs = completed(&home, expected);
    // A slow machine may take so long between two events that they are no burst.
    let last_of = |shelf: &str, n: u64| {
        let input = json!({"shelf": shelf, "n": n});
        runs.iter().filter(|run| run["input"] == input).count()
    };
    assert_eq!(last_of("a", 2), 1);
    if cfg!(debug_assertions) {
        assert_eq!(last_of("b", 0), 1);
    }
    let by = &runs[0]["options"]["started_by"];
    assert_eq!(by["handler"], "shop.search:p");
}

#[test]
fn three_emitters_fill_one_batch() {
    let home = shop();
    for n in 0..2 {
        let report = emit(&home, "order.paid", &format!("e-{n}"), &json!({"order": n}));
        assert_holds(&report, &json!({"runs": [], "waiting": [{"workflow": "shop.digest", "key": ""}]}));
        assert!(report["waiting"][0]["due_at"].as_str().unwrap().ends_with('Z'));
    }
    let report = emit(&home, "order.paid", "e-2", &json!({"order": 2}));
    assert_holds(&report, &json!({"runs": [{"workflow": "shop.digest"}]}));
    assert!(report.get("waiting").is_none(), "{report}");
    let _serving = orchestrate(&home, None);
    let orders = json!([{"order": 0}, {"order": 1}, {"order": 2}]);
    assert_holds(&completed(&home, 1)[0], &json!({"input": {"events": orders}, "results": {"work": orders}}));
}

#[test]
fn a_trigger_of_a_workflow_that_is_not_there_is_told_before_anything_is_created() {
    let home = Home::new();
    home.file("shop.yaml", &SHOP.replace("workflow: shop.digest,", "workflow: shop.digets,"));
    let ended = home.run(&["--manifest", "shop.yaml", "event", "emit", "order.paid"]).exits(3);
    let why = "a trigger of event handler `shop.news`: workflow `shop.digets` is unknown, did you mean \
               `shop.digest`?";
    assert!(ended.stderr.contains(why), "{ended:?}");
    assert!(ended.stderr.contains("shop.yaml:9:3"), "{ended:?}");
    assert!(home.holds_only(&["shop.yaml"]));
    let checked = home.run(&["manifest", "validate", "shop.yaml", "--json"]).exits(3).json();
    assert_holds(&checked, &json!({"files": [{"file": "shop.yaml", "ok": false}]}));
    assert_eq!(checked["files"][0]["problems"][0]["message"], why);
}

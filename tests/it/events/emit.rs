//! `event emit`: who gets an event, what is printed of it, and what is left to others.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oneiric_testkit::data::shared;
use serde_json::{Value, json};

use crate::support::{Home, assert_holds, until, wait};

const FULFILLMENT: &str = "fastblocks.workflows.fulfillment";

/// Handlers of one shop: one writes what it gets into a file, one fails, one is slow.
const SHOP: &str = r#"
entries:
- domain: event
  key: shop.book
  provider: sh
  factory: 'exec:sh'
  event_topics: [order.paid]
  metadata: {exec: {args: ['-euc', 'cat >> book; echo >> book'], stdout: none}}
- domain: event
  key: shop.mail
  provider: sh
  factory: 'exec:sh'
  event_topics: [order.sent]
  retry_policy: {attempts: 3, base_delay: 0.01, max_delay: 0.01}
  metadata: {exec: {args: ['-c', 'echo the server is away >&2; exit 3'], stdout: none}}
- domain: event
  key: shop.slow
  provider: sh
  factory: 'exec:sh'
  event_topics: [order.slow]
  metadata: {exec: {args: ['-c', ': > begun; sleep 600'], stdout: none}}
- {domain: event, key: shop.first, provider: p, factory: 'builtin:echo', event_topics: ['only.*'], event_priority: 5}
- {domain: event, key: shop.alone, provider: p, factory: 'builtin:echo', event_topics: [only.one], event_fanout_policy: exclusive}
- domain: event
  key: shop.fulfil
  provider: p
  factory: 'builtin:noop'
  event_topics: [order.due]
  metadata: {workflows: {triggers: [shop.checkout]}}
- {domain: task, key: shop.charge, provider: p, factory: 'builtin:echo'}
- domain: workflow
  key: shop.checkout
  provider: p
  factory: 'builtin:noop'
  dag: {nodes: [{id: charge, task: shop.charge, payload: {order: '${{ inputs.order }}'}}]}
"#;

fn shop() -> Home {
    let home = Home::new();
    home.file("shop.yaml", SHOP);
    home
}

fn emit<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["--manifest", "shop.yaml", "event", "emit"], arguments].concat()
}

/// The result of a command on a manifest of the Python project; `None` where it is not at hand.
fn shared_emit(manifest: &str, arguments: &[&str]) -> Option<Value> {
    let manifest = shared(&format!("manifests/{manifest}.yaml"))?;
    let front = ["--manifest", manifest.to_str().unwrap(), "--json", "event", "emit"];
    Some(Home::new().json(&[&front, arguments].concat()))
}

#[test]
fn an_event_of_the_python_projects_fixture_reaches_its_handler_and_starts_its_workflow() {
    let payload = r#"{"tenant":"fastblocks","order_id":"demo-123"}"#;
    let arguments = ["--topic", "fastblocks.order.created", "--payload", payload];
    let Some(emitted) = shared_emit("fastblocks_parity_fixture", &arguments) else { return };
    let expected = json!({
        "topic": "fastblocks.order.created",
        "matched_handlers": 1,
        "results": [{
            "handler": "fastblocks.order.created:fastblocks",
            "success": true,
            "value": {
                "name": "remote-event",
                "payload": {"tenant": "fastblocks", "order_id": "demo-123"},
                "topic": "fastblocks.order.created",
            },
            "error": null,
            "attempts": 1,
        }],
        "stored": true,
        "duplicate": false,
        "runs": [{"workflow": FULFILLMENT, "status": "pending"}],
    });
    assert_holds(&emitted, &expected);
    assert!(emitted["results"][0]["duration_ms"].as_f64().unwrap() >= 0.0);
    // Upstream's ids of events are UUIDs with hyphens.
    assert_eq!(emitted["event_id"].as_str().unwrap().len(), 36);
}

#[test]
fn filters_of_both_fixtures_keep_events_from_their_handlers() {
    let check = |manifest, topic, payload, matched| {
        let Some(emitted) = shared_emit(manifest, &[topic, "--payload", payload]) else { return };
        assert_holds(&emitted, &json!({"topic": topic, "matched_handlers": matched}));
        assert_eq!(emitted["results"].as_array().unwrap().len(), matched, "{topic} {payload}");
    };
    let (fastblocks, sample) = ("fastblocks_parity_fixture", "sample_remote_manifest");
    check(fastblocks, "fastblocks.order.created", r#"{"tenant":"fastblocks"}"#, 1);
    check(fastblocks, "fastblocks.order.created", r#"{"tenant":"other"}"#, 0);
    check(fastblocks, "fastblocks.order.created", "{}", 0);
    check(fastblocks, "fastblocks.order.paid", r#"{"tenant":"fastblocks"}"#, 0);
    check(sample, "demo.user.created", r#"{"environment":"prod"}"#, 1);
    check(sample, "demo.user.updated", r#"{"environment":"staging"}"#, 1);
    check(sample, "demo.user.created", r#"{"environment":"dev"}"#, 0);
    check(sample, "demo.user.deleted", r#"{"environment":"prod"}"#, 0);
}

#[test]
fn an_exclusive_handler_gets_its_events_alone() {
    let home = shop();
    let handlers = |topic| {
        let emitted = home.json(&[&emit(&[topic])[..], &["--json"]].concat());
        let results = emitted["results"].as_array().unwrap().clone();
        results.iter().map(|result| result["handler"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(handlers("only.one"), ["shop.alone:p"]);
    assert_eq!(handlers("only.two"), ["shop.first:p"]);
}

#[test]
fn an_event_is_handled_once_however_often_it_is_emitted() {
    let home = shop();
    let arguments = emit(&["order.paid", "--payload", r#"{"order":7}"#, "--event-id", "order-7", "--json"]);
    let first = home.json(&arguments);
    let second = home.json(&arguments);
    assert_holds(&first, &json!({"event_id": "order-7", "duplicate": false, "matched_handlers": 1}));
    assert_holds(&second, &json!({"event_id": "order-7", "duplicate": true, "matched_handlers": 1}));
    assert_eq!(second["results"][0]["success"], true);
    let book = std::fs::read_to_string(home.path().join("book")).unwrap();
    assert_eq!(book.lines().filter(|line| !line.is_empty()).count(), 1, "{book}");
}

#[test]
fn what_is_said_of_an_event_reaches_a_program_that_handles_it() {
    let home = shop();
    let said = emit(&[
        "order.paid",
        "--event-id",
        "e-1",
        "--source",
        "till",
        "--priority",
        "high",
        "--routing-key",
        "eu.de",
        "--tag",
        "vip",
        "--tag",
        "new",
        "--correlation-id",
        "c-1",
        "--expires-in",
        "600",
        "--headers",
        r#"{"trace_id":"t-1"}"#,
        "--json",
    ]);
    home.json(&said);
    let book = std::fs::read_to_string(home.path().join("book")).unwrap();
    let got: Value = serde_json::from_str(book.trim()).unwrap();
    let headers = json!({
        "event_id": "e-1", "source": "till", "correlation_id": "c-1", "trace_id": "t-1", "version": "1.0.0",
    });
    let expected = json!({
        "topic": "order.paid", "payload": {}, "headers": headers,
        "priority": "high", "routing_key": "eu.de", "tags": ["new", "vip"], "delivery": "at_least_once",
    });
    let event = got.get("event").unwrap_or(&got);
    assert_holds(event, &expected);
    assert!(event["expires_at"].is_i64(), "{got:#}");
}

#[test]
fn a_handler_that_fails_is_told_with_its_tries_and_ends_with_1() {
    let home = shop();
    let ended = home.run(&emit(&["order.sent", "--event-id", "e-1"])).exits(1);
    let row: Vec<_> = ended.stdout.lines().nth(2).unwrap().split_whitespace().collect();
    assert_eq!((row[0], row[1], row[3]), ("shop.mail:sh", "failed", "3"), "{ended:?}");
    assert!(ended.stdout.contains("the server is away"), "{ended:?}");
    assert!(ended.stderr.contains("1 of 1 handler failed"), "{ended:?}");
    let json = home.run(&emit(&["order.sent", "--json"])).exits(1);
    assert_holds(&json.json()["results"][0], &json!({"success": false, "value": null, "attempts": 3}));
    assert_eq!(json.error()["message"], "1 of 1 handler failed");
}

#[test]
fn an_event_that_nobody_wants_is_no_failure_and_names_what_is_near() {
    let home = shop();
    let ended = home.run(&emit(&["order.piad", "--event-id", "e-1"])).exits(0);
    assert_eq!(ended.stdout, "event e-1 order.piad: nobody wants it\ndid you mean `order.paid`?\n");
    // Without a manifest there is nobody.
    let alone = Home::new().run(&["event", "emit", "order.paid", "--event-id", "e-1"]).exits(0);
    assert!(alone.stdout.starts_with("event e-1 order.paid: nobody wants it\n"), "{alone:?}");
}

#[test]
fn a_secret_in_what_a_handler_returns_is_not_shown_to_people() {
    let home = shop();
    let payload = r#"{"order":7,"auth":{"api_key":"hunter2"}}"#;
    let ended = home.run(&emit(&["only.one", "--payload", payload])).exits(0);
    assert!(ended.stdout.contains(r#"{"auth":{"api_key":"***"},"order":7}"#), "{ended:?}");
}

#[test]
fn what_has_expired_is_not_delivered_any_more() {
    let home = shop();
    let arguments = emit(&["order.paid", "--expires-in", "0.001", "--detach", "--event-id", "e-1"]);
    home.run(&arguments).exits(0);
    let mut serving = home.command(&["--manifest", "shop.yaml", "orchestrate"]).spawn().unwrap();
    until("it has expired", || {
        let again = home.run(&emit(&["order.paid", "--event-id", "e-1", "--json"]));
        again.json()["results"][0]["error"].as_str().is_some_and(|error| error.contains("expired"))
    });
    kill(Pid::from_raw(serving.id().cast_signed()), Signal::SIGTERM).unwrap();
    serving.wait().unwrap();
    assert!(!home.path().join("book").exists());
}

#[test]
fn what_is_left_to_others_is_delivered_by_whoever_serves() {
    let home = shop();
    let arguments = emit(&["order.paid", "--detach", "--event-id", "e-1", "--json"]);
    let left = home.json(&arguments);
    let waits = json!([{"handler": "shop.book:sh", "success": false, "pending": true, "attempts": 0}]);
    assert_holds(&left["results"], &waits);
    assert!(!home.path().join("book").exists());
    assert!(home.json(&arguments)["duplicate"].as_bool().unwrap());
    let mut serving = home.command(&["--manifest", "shop.yaml", "orchestrate"]).spawn().unwrap();
    until("it is delivered", || home.path().join("book").exists());
    // Those that come while it serves reach it without waiting for its next look.
    home.run(&emit(&["order.paid", "--detach", "--event-id", "e-2"])).exits(0);
    until("the second is delivered, too", || {
        let book = std::fs::read_to_string(home.path().join("book")).unwrap_or_default();
        book.lines().filter(|line| line.contains("event_id")).count() == 2
    });
    kill(Pid::from_raw(serving.id().cast_signed()), Signal::SIGTERM).unwrap();
    serving.wait().unwrap();
}

#[test]
fn an_event_waits_for_a_paused_handler_until_that_takes_work_again() {
    let home = shop();
    home.run(&["pause", "--domain", "event", "shop.book", "--note", "stocktaking"]).exits(0);
    let ended = home.run(&emit(&["order.paid", "--event-id", "e-1"])).exits(0);
    let row = ended.stdout.lines().nth(2).unwrap();
    assert!(row.contains("waits") && row.ends_with("shop.book is paused: stocktaking"), "{ended:?}");
    assert!(ended.stdout.ends_with("  next: oneiric orchestrate --manifest shop.yaml\n"), "{ended:?}");
    let mut serving = home.command(&["--manifest", "shop.yaml", "orchestrate"]).spawn().unwrap();
    // It is there, and was told of the pause.
    until("it serves", || home.run(&["status", "--json"]).json()["status"][0]["pid"].is_u64());
    assert!(!home.path().join("book").exists());
    home.run(&["resume", "--domain", "event", "shop.book"]).exits(0);
    until("it is delivered", || home.path().join("book").exists());
    kill(Pid::from_raw(serving.id().cast_signed()), Signal::SIGTERM).unwrap();
    serving.wait().unwrap();
}

#[test]
fn the_workflows_that_an_event_starts_are_carried_out_where_somebody_waits_for_them() {
    let home = shop();
    let order = ["order.due", "--payload", r#"{"order":7}"#];
    let waited = home.json(&[&emit(&order)[..], &["--wait", "--json"]].concat());
    assert_holds(&waited["runs"], &json!([{"workflow": "shop.checkout", "status": "completed"}]));
    let run = waited["runs"][0]["run_id"].as_str().unwrap();
    let shown = home.json(&["run", "show", run, "--json"]);
    assert_eq!(shown["results"]["charge"], json!({"order": 7}));
    // Without somebody who waits, the next command is there to be copied.
    let ended = home.run(&emit(&order)).exits(0);
    let next = ended.stdout.lines().last().unwrap().trim().strip_prefix("next: oneiric ").unwrap();
    home.run(&next.split(' ').collect::<Vec<_>>()).exits(0);
}

#[test]
fn the_workflows_of_an_event_are_waited_for_wherever_they_are_carried_out() {
    let home = shop();
    let mut serving = home.command(&["--manifest", "shop.yaml", "orchestrate"]).spawn().unwrap();
    until("it serves", || home.run(&["status", "--json"]).json()["status"][0]["pid"].is_u64());
    let arguments = emit(&["order.due", "--payload", r#"{"order":7}"#, "--wait", "--json"]);
    for _ in 0..3 {
        let waited = home.json(&arguments);
        assert_holds(&waited["runs"], &json!([{"workflow": "shop.checkout", "status": "completed"}]));
    }
    kill(Pid::from_raw(serving.id().cast_signed()), Signal::SIGTERM).unwrap();
    serving.wait().unwrap();
}

#[test]
fn a_signal_says_what_was_accepted_and_the_next_process_goes_on() {
    let home = shop();
    let child = home.command(&emit(&["order.slow", "--event-id", "e-1"])).spawn().unwrap();
    until("the handler is at work", || home.path().join("begun").exists());
    let pid = Pid::from_raw(child.id().cast_signed());
    kill(pid, Signal::SIGINT).unwrap();
    // The handler does not stop by itself; a second signal does not wait for it.
    let mut child = child;
    until("it has left", || {
        let _ = kill(pid, Signal::SIGINT);
        child.try_wait().unwrap().is_some()
    });
    let ended = wait(child).exits(130);
    assert!(ended.stderr.contains("event e-1 was accepted"), "{ended:?}");
    assert!(ended.stdout.contains("shop.slow:sh  waits"), "{ended:?}");
}

#[test]
fn what_is_promised_to_nobody_is_not_stored() {
    let home = shop();
    let passing = emit(&["order.paid", "--delivery", "fire-and-forget", "--json"]);
    let emitted = home.json(&passing);
    assert_holds(&emitted, &json!({"stored": false, "matched_handlers": 1, "duplicate": false}));
    assert!(home.path().join("book").exists());
    let told = home.json(&["--manifest", "shop.yaml", "orchestrate", "--events", "--json"]);
    assert_eq!(told["events"]["last_event"], json!({}));
    // What starts a workflow is, whatever is promised.
    let started = home.json(&emit(&["order.due", "--delivery", "fire-and-forget", "--json"]));
    assert_holds(&started, &json!({"stored": true, "runs": [{"workflow": "shop.checkout"}]}));
}

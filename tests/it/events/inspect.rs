//! `orchestrate --events` and `doctor --metrics`: who wants which events, and what was counted of them.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oneiric_testkit::data::shared;
use serde_json::{Value, json};

use crate::support::{Home, assert_holds, until};

/// Two handlers in order, one that wants more than a topic, and one that has some events for itself.
const SHOP: &str = r#"
entries:
- {domain: event, key: shop.first, provider: p, factory: 'builtin:echo', event_topics: ['order.*'], event_fanout_policy: ordered, event_priority: 9}
- {domain: event, key: shop.second, provider: p, factory: 'builtin:echo', event_topics: ['order.*'], event_fanout_policy: ordered, event_priority: 5}
- {domain: event, key: shop.big, provider: p, factory: 'builtin:echo', event_topics: [order.paid], event_when: 'payload.total > 100'}
- {domain: event, key: shop.gone, provider: p, factory: 'builtin:echo', event_topics: [order.gone], event_fanout_policy: exclusive}
- domain: event
  key: shop.fails
  provider: p
  factory: 'exec:sh'
  event_topics: [order.failed]
  event_fanout_policy: exclusive
  retry_policy: {attempts: 2, base_delay: 0}
  metadata: {exec: {args: ['-c', 'exit 3'], stdout: none}}
"#;

fn shop() -> Home {
    let home = Home::new();
    home.file("shop.yaml", SHOP);
    home
}

const EVENTS: [&str; 4] = ["--manifest", "shop.yaml", "orchestrate", "--events"];

fn events<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&EVENTS[..], arguments].concat()
}

#[test]
fn the_handlers_of_both_fixtures_are_shown_as_the_python_project_shows_them() {
    let check = |manifest: &str, expected: Value| {
        let Some(manifest) = shared(&format!("manifests/{manifest}.yaml")) else { return };
        let home = Home::new();
        let front = ["--manifest", manifest.to_str().unwrap(), "orchestrate"];
        for inspector in ["--events", "--print-subscribers"] {
            let shown = home.json(&[&front[..], &[inspector, "--inspect-json"]].concat());
            assert_holds(&shown, &json!({"events": {"handlers": [expected], "last_event": {}}}));
        }
        assert_eq!(home.contents(), Vec::<std::path::PathBuf>::new(), "looking leaves nothing behind");
    };
    check(
        "fastblocks_parity_fixture",
        json!({
            "name": "fastblocks.order.created:fastblocks",
            "topics": ["fastblocks.order.created"],
            "max_concurrency": 5,
            "priority": 0,
            "fanout_policy": "broadcast",
            "retry_policy": {},
            "filters": [
                {"path": "payload.tenant", "equals": null, "any_of": ["fastblocks"], "exists": null},
            ],
            "triggers": ["fastblocks.workflows.fulfillment"],
        }),
    );
    check(
        "sample_remote_manifest",
        json!({
            "name": "remote.event:remote",
            "topics": ["demo.user.created", "demo.user.updated"],
            "max_concurrency": 5,
            "priority": 25,
            "fanout_policy": "exclusive",
            "retry_policy": {},
            "filters": [
                {"path": "payload.environment", "equals": null, "any_of": ["prod", "staging"], "exists": null},
            ],
            "triggers": [],
        }),
    );
}

#[test]
fn who_would_get_an_event_is_who_gets_it() {
    let home = shop();
    for (topic, payload) in [
        ("order.paid", r#"{"total":7}"#),
        ("order.paid", r#"{"total":700}"#),
        ("order.paid", "{}"),
        ("order.gone", "{}"),
        ("order.sent", "{}"),
        ("else", "{}"),
    ] {
        let told = home.json(&events(&["--topic", topic, "--payload", payload, "--json"]));
        let explained = told["events"]["explained"].as_array().unwrap();
        let would = explained.iter().filter(|one| one["verdict"] == "gets").map(|one| &one["handler"]);
        let emit = ["--manifest", "shop.yaml", "event", "emit", topic, "--payload", payload, "--json"];
        let emitted = home.json(&emit);
        let gets = emitted["results"].as_array().unwrap().iter().map(|result| &result["handler"]);
        assert_eq!(would.collect::<Vec<_>>(), gets.collect::<Vec<_>>(), "{topic} {payload}");
    }
}

#[test]
fn people_are_told_why_a_handler_would_not_get_an_event() {
    let home = shop();
    let told = home.run(&events(&["--topic", "order.paid", "--payload", r#"{"total":7}"#])).exits(0);
    let expected = "order.paid: 2 handlers would get it; 2 want other topics
  shop.first:p   yes  gets it as number 1, in order
  shop.second:p  yes  gets it as number 2, in order
  shop.big:p     no   `payload.total > 100` does not hold
";
    assert_eq!(told.stdout, expected);
    // Without a payload only the topic counts.
    let told = home.run(&events(&["--topic", "order.paid"])).exits(0);
    let rows = told.stdout.lines().filter(|line| line.contains(":p ")).count();
    assert_eq!(rows, 3, "{told:?}");
    let alone = home.run(&events(&["--topic", "order.gone", "--payload", "{}"])).exits(0);
    assert!(alone.stdout.contains("no   `shop.gone:p` has it for itself"), "{alone:?}");
    assert_eq!(home.run(&events(&["--topic", "else"])).exits(0).stdout, "nobody wants else\n");
}

#[test]
fn the_newest_event_is_told_whichever_process_emitted_it() {
    let home = shop();
    home.run(&["--manifest", "shop.yaml", "event", "emit", "order.failed", "--event-id", "e-1"]).exits(1);
    let told = home.json(&events(&["--json"]));
    let last = json!({
        "topic": "order.failed", "event_id": "e-1", "matched_handlers": 1, "failures": 1,
        "handlers": [{"handler": "shop.fails:p", "success": false, "attempts": 2}],
    });
    assert_holds(&told["events"]["last_event"], &last);
    let text = home.run(&EVENTS).exits(0).stdout;
    assert!(text.lines().last().unwrap().starts_with("newest event: order.failed "), "{text}");
}

#[test]
fn a_live_process_tells_what_it_has_counted() {
    let home = shop();
    let mut serving = home.command(&["--manifest", "shop.yaml", "orchestrate"]).spawn().unwrap();
    until("it serves", || home.json(&events(&["--json"]))["events"]["processes"][0]["pid"].is_u64());
    let emit = |topic| {
        home.run(&["--manifest", "shop.yaml", "event", "emit", topic, "--detach"]).exits(0);
    };
    emit("order.sent");
    emit("order.failed");
    let of = |told: &Value, name: &str| {
        let handlers = told["events"]["processes"][0]["handlers"].as_array().unwrap().clone();
        handlers.into_iter().find(|handler| handler["handler"] == name).unwrap()
    };
    let mut told = Value::Null;
    until("both are over", || {
        told = home.json(&events(&["--json"]));
        let (second, fails) = (of(&told, "shop.second:p"), of(&told, "shop.fails:p"));
        second["counts"]["succeeded"]["count"] == 1 && fails["counts"]["dead"] == 1
    });
    assert_holds(
        &of(&told, "shop.fails:p"),
        &json!({"in_hand": 0, "shut": false, "counts": {"failed": {"count": 1}, "attempts": 2}}),
    );
    let metrics = home.run(&["doctor", "--metrics"]).exits(0).stdout;
    let labels = format!("pid=\"{}\",handler=\"shop.fails:p\",topic=\"order.failed\"", serving.id());
    for line in [
        format!("oneiric_event_handler_failures_total{{{labels},outcome=\"failed\"}} 1"),
        format!("oneiric_event_handler_attempts_sum{{{labels},outcome=\"failed\"}} 2"),
        format!("oneiric_event_handler_duration_ms_bucket{{{labels},outcome=\"failed\",le=\"+Inf\"}} 1"),
        format!("oneiric_event_dead_letters_total{{{labels}}} 1"),
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
    }
    kill(Pid::from_raw(serving.id().cast_signed()), Signal::SIGTERM).unwrap();
    serving.wait().unwrap();
    // Nobody lives, nothing is counted.
    assert!(!home.run(&["doctor", "--metrics"]).exits(0).stdout.contains("oneiric_event"));
}

//! `--dry-run`, `--smoke` and the inspectors.

use std::net::TcpListener;

use serde_json::{Value, json};

use crate::support::{Home, assert_holds};

const SHOP: &str = r#"
entries:
- {domain: task, key: shop.charge, provider: shop, factory: 'builtin:echo'}
- domain: workflow
  key: shop.checkout
  provider: shop
  factory: 'builtin:noop'
  dag: {nodes: [{id: charge, task: shop.charge}, {id: mail, task: shop.charge, depends_on: [charge]}]}
- {domain: event, key: shop.audit, provider: shop, factory: 'builtin:noop', event_topics: ['order.>']}
- {domain: service, key: worker, provider: shop, factory: 'builtin:noop',
   metadata: {service: {depends_on: [gateway], critical: false, startup_order: 1}}}
- {domain: service, key: gateway, provider: shop, factory: 'builtin:noop',
   metadata: {service: {startup_order: 10, ready: {tcp: '127.0.0.1:1'}}}}
"#;

fn dry(home: &Home, more: &[&str]) -> crate::support::Ended {
    home.run(&[&["--manifest", "shop.yaml", "orchestrate", "--dry-run", "--json"], more].concat())
}

#[test]
fn a_dry_run_says_what_would_start_and_leaves_no_trace() {
    let home = Home::new();
    home.file("shop.yaml", SHOP);
    let before = home.contents();
    let plan = dry(&home, &["--http-port", "0", "--state-dir", "deep/state"]).exits(0).json();
    assert_eq!(home.contents(), before, "nothing was written");
    assert_holds(
        &plan,
        &json!({
            "profile": {"name": "default", "watchers_enabled": true},
            "manifests": ["shop.yaml"],
            "state": {"path": "deep/state", "exists": false, "writable": true},
            "http": {"address": "127.0.0.1:0", "is_local": true, "free": true},
            "services": {"waves": [["gateway"], ["worker"]]},
            "subscriptions": [{"handler": "shop.audit:shop", "topics": ["order.>"]}],
            "schedules": [], "problems": [],
        }),
    );
    let worker = &plan["services"]["members"][1];
    assert_eq!((&worker["name"], &worker["critical"]), (&json!("worker"), &json!(false)));
    assert_eq!(plan["workflows"]["workflows"]["shop.checkout"]["node_count"], 2);
    let text = home.run(&["--manifest", "shop.yaml", "orchestrate", "--dry-run"]).exits(0).stdout;
    assert!(text.contains("gateway") && text.contains("shop.checkout"), "{text}");
    assert_eq!(home.contents(), before);
}

#[test]
fn a_dry_run_finds_everything_that_is_wrong_and_ends_with_the_worst_of_it() {
    let home = Home::new();
    home.file("shop.yaml", SHOP);
    let about = |plan: &Value| {
        let problems = plan["problems"].as_array().unwrap();
        problems.iter().map(|one| one["about"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    home.file("file", "");
    let ended = dry(&home, &["--http-port", &port, "--state-dir", "file/state"]).exits(2);
    assert_eq!(about(&ended.json()), ["state", "http"]);
    assert!(listener.local_addr().is_ok(), "nobody took it");
    home.file("shop.yaml", &SHOP.replace("depends_on: [gateway]", "depends_on: [worker]"));
    assert!(dry(&home, &[]).exits(2).stderr.contains("services depend on each other in a circle"));
    home.file("shop.yaml", &SHOP.replace("task: shop.charge}, {", "task: shop.refund}, {"));
    assert_eq!(about(&dry(&home, &[]).exits(3).json()), ["workflow:shop.checkout"]);
    // Outside of the allowlist.
    home.file("shop.yaml", &SHOP.replace("'builtin:echo'", "'shop.tasks:Charge'"));
    assert_eq!(about(&dry(&home, &[]).exits(5).json()), ["task:shop.charge", "workflow:shop.checkout"]);
    // What cannot be read at all is told as everywhere.
    home.file("shop.yaml", "entries: 3\n");
    dry(&home, &[]).exits(2);
    home.file("shop.yaml", SHOP);
    dry(&home, &["--set", "no.such=1"]).exits(2);
    assert!(home.holds_only(&["shop.yaml", "file"]));
}

#[test]
fn a_smoke_test_starts_asks_and_stops() {
    let home = Home::new();
    home.file(
        "shop.yaml",
        &SHOP.lines().filter(|line| !line.contains("service")).collect::<Vec<_>>().join("\n"),
    );
    let smoke = home.json(&["--manifest", "shop.yaml", "orchestrate", "--smoke", "--json"]);
    assert_holds(&smoke, &json!({"healthy": true, "status": "ok", "http_status": 200, "stopped": true}));
    assert!(!smoke["address"].as_str().unwrap().ends_with(":0"), "{smoke}");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = home.run(&["orchestrate", "--smoke", "--http-port", &port]).exits(2);
    assert!(ended.stderr.contains("cannot listen on"), "{ended:?}");
}

#[test]
fn inspectors_print_upstreams_shapes() {
    let home = Home::new();
    home.file("shop.yaml", SHOP);
    let look = |more: &[&str]| home.run(&[&["--manifest", "shop.yaml", "orchestrate"], more].concat());
    let seen = look(&["--print-dag", "--events", "--inspect-json"]).exits(0).json();
    let dag = &seen["workflows"]["summary"]["shop.checkout"];
    assert_holds(
        dag,
        &json!({"node_count": 2, "edge_count": 1, "entry_nodes": ["charge"], "queue_category": "queue"}),
    );
    assert_eq!((&dag["last_run"], &seen["workflows"]["missing"]), (&Value::Null, &json!([])));
    assert_eq!(seen["events"]["handlers"][0]["name"], "shop.audit:shop");
    assert_eq!(seen["events"]["last_event"], json!({}));
    assert!(home.holds_only(&["shop.yaml"]), "looking creates nothing");

    home.run(&["--manifest", "shop.yaml", "workflow", "run", "shop.checkout"]).exits(0);
    let seen = look(&["--print-dag", "--workflow", "shop.checkout", "--inspect-json"]).exits(0).json();
    let last = &seen["workflows"]["summary"]["shop.checkout"]["last_run"];
    assert_holds(
        last,
        &json!({"workflow": "shop.checkout", "node_count": 2, "entry_nodes": ["charge"], "status": "completed"}),
    );
    assert_holds(&last["nodes"][1], &json!({"node": "mail", "depends_on": ["charge"], "attempts": 1}));
    assert!(seen.get("events").is_none());
    let missing = look(&["--print-dag", "--workflow", "none", "--inspect-json"]).exits(3);
    assert_eq!(missing.json()["workflows"]["missing"], json!(["none"]));

    let plan = look(&["--plan", "--json"]).exits(0).json();
    assert_eq!(plan, home.json(&["--manifest", "shop.yaml", "workflow", "plan", "--json"]));
    look(&["--workflow", "shop.checkout"]).exits(2);
}

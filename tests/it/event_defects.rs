//! What the Python original got wrong with events, seen from the command line. The numbers are those of the list of
//! weaknesses; the others are in `crates/oneiric-events/tests/it/defects.rs`.

use oneiric_runtime::DATABASE;
use oneiric_store::sqlite::Options;
use oneiric_store::{DeliveryFilter, DeliveryStatus, SqliteStore, Store as _};
use serde_json::json;

use crate::support::Home;

#[test]
fn defect_30_a_filter_without_a_path_is_shown_where_it_stands() {
    let home = Home::new();
    home.file(
        "shop.yaml",
        "entries:\n- domain: event\n  key: audit\n  provider: p\n  factory: 'builtin:noop'\n  event_filters:\n  \
         - {pth: tenant, equals: 1}\n",
    );
    let ended = home.run(&["manifest", "validate", "shop.yaml", "--json"]).exits(2);
    let problems = &ended.json()["files"][0]["problems"];
    let told = problems.to_string();
    assert!(told.contains("`pth`") && told.contains("`path`"), "{told}");
    assert!(problems.as_array().unwrap().iter().all(|problem| problem["line"] == 7), "{told}");
    let ended = home.run(&["--manifest", "shop.yaml", "event", "emit", "order.paid"]).exits(2);
    assert!(ended.stderr.contains("shop.yaml:7"), "{ended:?}");
    assert!(home.holds_only(&["shop.yaml"]), "nothing was emitted");
}

#[test]
fn defect_31_an_emit_from_the_command_line_is_on_record() {
    let home = Home::new();
    home.file(
        "shop.yaml",
        "entries: [{domain: event, key: audit, provider: p, factory: 'builtin:echo', event_topics: ['order.>']}]",
    );
    let headers = json!({"event_id": "e-1", "correlation_id": "c-1"}).to_string();
    let emit = ["--manifest", "shop.yaml", "event", "emit", "order.paid", "--headers", &headers, "--json"];
    home.json(&emit);
    let database = home.path().join(".oneiric_cache").join(DATABASE);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(database, Options::READ_ONLY).unwrap();
        let event = store.envelope(&"e-1".parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(event.envelope.header("correlation_id"), Some("c-1"));
        let rows = store.deliveries(DeliveryFilter::of(event.id)).await.unwrap();
        let row = &rows[0].1;
        assert_eq!((row.handler.as_str(), row.state.status), ("audit:p", DeliveryStatus::Done));
    });
}

#[test]
fn what_a_handler_says_of_its_capabilities_is_explained() {
    let home = Home::new();
    home.file(
        "shop.yaml",
        r#"entries:
- domain: event
  key: audit
  provider: p
  factory: 'builtin:noop'
  capabilities:
  - {name: audit, event_types: [order.paid], payload_schema: order.v1,
     security: {classification: internal, scopes: [shop.read], signature_required: true}}
- {domain: event, key: plain, provider: p, factory: 'builtin:noop', capabilities: [one, two]}
- {domain: event, key: legacy, provider: p, factory: 'builtin:noop', metadata: {capabilities: [one, two]}}
- {domain: event, key: older, provider: p, factory: 'builtin:noop', metadata: {capabilities: [{name: one}]}}
"#,
    );
    let check = |key: &str, expected: serde_json::Value| {
        let said = home.json(&["--manifest", "shop.yaml", "explain", "--domain", "event", key]);
        assert_eq!(said["ordered"][0]["capabilities"], expected, "{said:#}");
    };
    check(
        "audit",
        json!([{"name": "audit", "event_types": ["order.paid"], "payload_schema": "order.v1",
                "security": {"classification": "internal", "scopes": ["shop.read"], "signature_required": true}}]),
    );
    check("plain", json!([{"name": "one"}, {"name": "two"}]));
    check("legacy", json!([{"name": "one"}, {"name": "two"}]));
    check("older", json!([{"name": "one"}]));
    let text =
        home.run(&["--manifest", "shop.yaml", "explain", "audit", "--domain", "event", "--format", "human"]);
    assert!(
        text.stdout.contains("can      audit (event types: order.paid; payload schema: order.v1"),
        "{text:?}"
    );
    assert!(text.stdout.contains("scopes: shop.read"), "{text:?}");
}

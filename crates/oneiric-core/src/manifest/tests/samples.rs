//! Manifests as people write them.

use serde_json::json;

use super::super::*;
use crate::retry::RetryPolicy;
use crate::{Domain, Source};

#[expect(clippy::disallowed_methods, reason = "tests find the shared inputs through the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The shared manifests of the field, or `None`, loudly, where they are not there.
fn shared(name: &str) -> Option<Vec<u8>> {
    let Some(folder) = variable("ONEIRIC_TEST_DATA") else {
        assert_ne!(variable("ONEIRIC_TEST_STRICT").as_deref(), Some("1"), "ONEIRIC_TEST_DATA is not set");
        eprintln!("SKIPPED: ONEIRIC_TEST_DATA is not set, {name} was not read");
        return None;
    };
    let path = std::path::Path::new(&folder).join("manifests").join(name);
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

#[test]
fn the_manifests_of_the_field_are_read() {
    for (name, entries) in [("sample_remote_manifest.yaml", 35), ("fastblocks_parity_fixture.yaml", 15)] {
        let Some(bytes) = shared(name) else { return };
        let manifest = parse(name, &bytes).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(manifest.entries.len(), entries, "{name}");
        let packed = to_json(name, &bytes, Layout::Pretty).unwrap();
        assert_eq!(parse("packed.json", packed.as_bytes()).unwrap(), manifest);
        assert_eq!(canonical(name, &bytes), canonical("packed.json", packed.as_bytes()));
    }
}

/// The sample of version 2 that the specification quotes.
const VERSION_2: &str = "
source: oneiric-production-v2
entries:
- {domain: event, key: webhook.dispatch, provider: http-webhook,
   factory: 'example.events.webhook:HttpWebhookHandler', stack_level: 10,
   event_topics: [webhook.received, webhook.retry], event_max_concurrency: 10,
   event_filters: [{path: payload.account_region, any_of: [us, ca]}, {path: headers.trace_id, exists: true}],
   event_priority: 75, event_fanout_policy: exclusive,
   retry_policy: {attempts: 3, base_delay: 0.25, max_delay: 3.0, jitter: 0.1}}
- domain: workflow
  key: data-pipeline
  provider: orchestrator
  factory: example.workflows.pipeline:DataPipelineWorkflow
  metadata: {scheduler: {queue_category: queue.scheduler, provider: cloudtasks},
    notifications: {adapter_provider: notifications.slack, channel: deploys}}
  dag: {nodes: [{id: extract, task: extract-task,
      retry_policy: {attempts: 3, base_delay: 0.2, max_delay: 2.0, jitter: 0.1}},
    {id: load, task: load-task, depends_on: [extract]}]}
";

#[test]
fn the_sample_of_version_2_says_what_it_said() {
    let manifest = parse("v2.yaml", VERSION_2.as_bytes()).unwrap();
    let [event, workflow] = &manifest.entries[..] else { panic!("{manifest:?}") };
    assert_eq!((&manifest.source[..], &event.domain), ("oneiric-production-v2", &Domain::EVENT));
    assert_eq!(event.event_fanout_policy, Some(FanoutPolicy::Exclusive));
    let dag = workflow.dag.as_ref().unwrap();
    let policy =
        RetryPolicy { attempts: 3, base_delay: 0.2, max_delay: Some(2.0), jitter: 0.1, ..RetryPolicy::ONCE };
    assert_eq!(dag.nodes[0].retry_policy, Some(policy));
    assert_eq!((dag.on_failure, dag.max_parallel), (OnFailure::FinishIndependent, None));
    let [extract] = &dag.nodes[1].depends_on[..] else { panic!("{dag:?}") };
    assert_eq!((extract.id.as_str(), extract.position.line, extract.position.column), ("extract", 18, 46));
    assert_eq!((dag.nodes[1].position.line, dag.nodes[1].position.column), (18, 10));
    assert_eq!((workflow.position.line, workflow.key_position.column), (10, 8));
}

#[test]
fn a_descriptor_carries_what_upstream_propagates() {
    let manifest = parse("v2.yaml", VERSION_2.as_bytes()).unwrap();
    let source = Source::RemoteManifest("https://example.org/v2.yaml".to_owned());
    let event = manifest.entries[0].descriptor(source.clone());
    assert_eq!((event.stack_level, event.priority, event.retry.map(|r| r.attempts)), (10, 0, Some(3)));
    assert_eq!(
        json!(event.metadata),
        json!({
            "source": "remote",
            "requires_secrets": false,
            "side_effect_free": false,
            "retry_policy": {"attempts": 3, "base_delay": 0.25, "max_delay": 3.0, "jitter": 0.1},
            "topics": ["webhook.received", "webhook.retry"],
            "max_concurrency": 10,
            "filters": [{"path": "payload.account_region", "any_of": ["us", "ca"]},
                        {"path": "headers.trace_id", "exists": true}],
            "event_priority": 75,
            "fanout_policy": "exclusive",
        })
    );
    let workflow = manifest.entries[1].descriptor(source);
    assert_eq!(workflow.metadata["scheduler"]["provider"], "cloudtasks");
    assert!(!workflow.metadata.contains_key("dag"));
}

#[test]
fn capabilities_are_found_in_all_their_places() {
    let check = |fields: &str, names: &[&str], descriptors: serde_json::Value| {
        let text = format!("entries:\n- {{domain: adapter, key: k, provider: p, factory: f:x, {fields}}}");
        let manifest = parse("m.yaml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        let descriptor = manifest.entries[0].descriptor(Source::Manual);
        assert_eq!(descriptor.capabilities, names, "{fields}");
        assert_eq!(
            descriptor.metadata.get("capability_descriptors").cloned().unwrap_or_default(),
            descriptors
        );
    };
    check("capabilities: [a, b]", &["a", "b"], json!([{"name": "a"}, {"name": "b"}]));
    check("metadata: {capabilities: [{name: a}, b]}", &["a", "b"], json!(null));
    check(
        "capabilities: [{name: a, event_types: [x], payload_schema: {type: object}, security: {scopes: [s], auth_required: false}}]",
        &["a"],
        json!([{"name": "a", "event_types": ["x"], "payload_schema": {"type": "object"},
                "security": {"scopes": ["s"], "auth_required": false}}]),
    );
}

/// Every field once, in the spelling of its second name where it has one.
const EVERYTHING: &str = "
source: all
signature: c2ln
signature_algorithm: ed25519
signatures: [{signature: a, algorithm: ed25519, key_id: k1}, {signature: b}]
signed_at: 2025-01-01T00:00:00Z
expires_at: '2026-01-01'
entries:
- domain: workflow
  key: k
  provider: p
  factory: builtin:graph
  uri: https://example.org/a.tar
  sha256: E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855
  stack_level: -100
  priority: 1000
  version: '1.0'
  metadata: {any: [1, null]}
  capabilities: [a]
  owner: team
  requires_secrets: true
  settings_model: m:S
  side_effect_free: true
  timeout_seconds: 1
  retry_policy: {max_attempts: 2, initial_delay: 1, max_backoff: 2, backoff_jitter: 0, retriable_status_codes: [503]}
  idempotent: false
  heartbeat_timeout: 2.5
  reconcile: look
  requires: [x]
  conflicts_with: [y]
  python_version: '>=3.11'
  os_platform: [linux]
  license: MIT
  documentation_url: https://example.org
  event_topics: [t]
  event_max_concurrency: 1
  event_filters: [{field: a, in: 1}, {path: b, value: null}]
  event_priority: -1
  event_fanout_policy: broadcast
  dag:
    tasks:
    - {key: n, task: t, depends_on: [], payload: {a: 1}, checkpoint: {b: 2}, when: 'inputs.x > 1', timeout_seconds: 0.5, idempotent: true, heartbeat_timeout: 3, reconcile: look}
    queue_category: q
    retry_policy: {}
    scheduler: {provider: cloudtasks}
    notifications: {channel: c}
    on_failure: fail_fast
    max_parallel: 4
    timeout_seconds: 3600
";

#[test]
fn every_field_is_read_and_survives_a_round_trip() {
    let manifest = parse("all.yaml", EVERYTHING.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    insta::assert_debug_snapshot!(manifest);
    let json = to_json("all.yaml", EVERYTHING.as_bytes(), Layout::Compact).unwrap();
    assert_eq!(parse("all.json", json.as_bytes()).unwrap(), manifest);
}

#[test]
fn an_entry_that_only_moved_is_the_same_entry() {
    let text = "entries:\n- {domain: task, key: k, provider: p, factory: f:x}\n";
    let moved = format!("# a comment\nsource: remote\n{text}");
    assert_eq!(parse("m.yaml", text.as_bytes()), parse("m.yaml", moved.as_bytes()));
}

#[test]
fn anchors_and_merge_keys_save_writing() {
    let text = "
entries:
- domain: workflow
  key: k
  provider: p
  factory: f:x
  dag:
    nodes:
    - &base {id: a, task: t, retry_policy: &twice {attempts: 2}}
    - {<<: *base, id: b, depends_on: [a]}
    - {id: c, task: t, retry_policy: *twice}
";
    let manifest = parse("m.yaml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let nodes = &manifest.entries[0].dag.as_ref().unwrap().nodes;
    let said: Vec<_> =
        nodes.iter().map(|n| (n.id.as_str(), n.task.as_str(), n.retry_policy.map(|r| r.attempts))).collect();
    assert_eq!(said, [("a", "t", Some(2)), ("b", "t", Some(2)), ("c", "t", Some(2))]);
}

#[test]
fn a_foreign_domain_is_the_embedders_and_a_slip_is_not() {
    let of = |domain: &str| {
        let text = format!("entries:\n- {{domain: {domain}, key: k, provider: p, factory: f:x}}");
        parse("m.yaml", text.as_bytes()).map(|m| m.entries[0].domain.name().to_owned())
    };
    assert_eq!(of("report").as_deref(), Ok("report"));
    assert_eq!(of("tasks").unwrap_err().problems[0].help.as_deref(), Some("did you mean `task`?"));
}

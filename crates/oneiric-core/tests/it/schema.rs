//! The schema of manifests, against manifests: what the reader takes it takes, and what the reader
//! refuses it refuses as far as a schema can say.

mod check;

use std::path::{Path, PathBuf};

use oneiric_core::manifest::{self, Layout};
use serde_json::Value;

use check::check as misfits;

/// A manifest as JSON, whatever the format of the text.
fn json(name: &str, text: &[u8]) -> Value {
    let packed = manifest::to_json(name, text, Layout::Compact).unwrap_or_else(|error| panic!("{error}"));
    serde_json::from_str(&packed).unwrap()
}

/// Our own manifests, and those of the field where they are at hand.
fn samples() -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests")];
    folders.extend(shared());
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    files.map(|file| file.unwrap().path()).filter(|path| path.is_file()).collect()
}

#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "tests find the shared inputs through the environment"
)]
fn shared() -> Option<PathBuf> {
    if let Ok(folder) = std::env::var("ONEIRIC_TEST_DATA") {
        return Some(Path::new(&folder).join("manifests"));
    }
    let strict = std::env::var("ONEIRIC_TEST_STRICT").is_ok_and(|value| value == "1");
    assert!(!strict, "ONEIRIC_TEST_DATA is not set, and ONEIRIC_TEST_STRICT=1 allows no skip");
    eprintln!("SKIPPED: ONEIRIC_TEST_DATA is not set, the manifests of the field were not looked at");
    None
}

#[test]
fn every_manifest_that_there_is_fits_the_schema() {
    let schema = manifest::schema();
    for path in samples() {
        let found = json(path.to_str().unwrap(), &std::fs::read(&path).unwrap());
        let wrong = misfits(&schema, &found);
        assert!(wrong.is_empty(), "{}: {wrong:#?}", path.display());
    }
}

/// An entry with further fields.
fn entry(more: &str) -> String {
    format!("{{entries: [{{domain: task, key: k, provider: p, factory: 'builtin:noop'{more}}}]}}")
}

/// A workflow with these nodes and further fields.
fn dag(fields: &str) -> String {
    entry(&format!(", dag: {{{fields}}}"))
}

fn value(text: &str) -> Value {
    // The texts are YAML flow, which the reader turns into values whether or not they are a manifest.
    let wrapped =
        format!("entries: [{{domain: task, key: k, provider: p, factory: x, metadata: {{it: {text}}}}}]");
    json("wrapped.yaml", wrapped.as_bytes())["entries"][0]["metadata"]["it"].clone()
}

#[test]
fn schema_and_reader_take_the_same() {
    let schema = manifest::schema();
    let check = |text: &str| {
        let parsed = manifest::parse("m.yaml", text.as_bytes());
        assert!(parsed.is_ok(), "the reader refuses {text}: {parsed:?}");
        let wrong = misfits(&schema, &value(text));
        assert!(wrong.is_empty(), "the schema refuses {text}: {wrong:?}");
    };
    for text in ["{}", "{source: null, entries: null}", "{source: x, signatures: [{signature: abc}]}"] {
        check(text);
    }
    for more in [
        "",
        ", uri: null, sha256: null, priority: null, dag: null, retry_policy: null",
        ", priority: -1000, stack_level: 100, version: '1.0'",
        ", capabilities: [upload, {name: list, security: {scopes: [a]}, payload_schema: '#/x'}]",
        ", retry_policy: {max_attempts: 3, initial_delay: 0.5, max_backoff: 3, backoff_jitter: 0.1}",
        ", retry_policy: {attempts: 3, retriable_status_codes: [503]}",
        ", event_filters: [{path: topic, equals: null}, {field: a, in: [1]}, {path: b, any_of: c}]",
        ", event_filters: [{path: topic, exists: false, value: 1}], event_fanout_policy: exclusive",
        ", metadata: {anything: [at, all]}, timeout_seconds: 0.001, idempotent: false",
        ", heartbeat_timeout: 2.5, reconcile: look",
    ] {
        check(&entry(more));
    }
    for fields in [
        "nodes: []",
        "tasks: [{key: a, task: t}, {id: b, task: t, depends_on: [a], payload: 1, when: 'true'}]",
        "nodes: [{id: a, task: t, checkpoint: null}], on_failure: fail_fast, max_parallel: 1, scheduler: {}",
    ] {
        check(&dag(fields));
    }
    check("{entries: [{domain: my-own.domain, key: k, provider: p, factory: 'exec:sh -c true'}]}");
}

#[test]
fn schema_and_reader_refuse_the_same() {
    let schema = manifest::schema();
    let check = |text: &str| {
        assert!(manifest::parse("m.yaml", text.as_bytes()).is_err(), "the reader takes {text}");
        assert!(!misfits(&schema, &value(text)).is_empty(), "the schema takes {text}");
    };
    for text in [
        "[]",
        "{enries: []}",
        "{source: 1}",
        "{entries: {}}",
        "{entries: [1]}",
        "{entries: [{domain: task, key: k, provider: p}]}",
        "{entries: [{domain: task, key: k, provider: null, factory: x}]}",
        "{entries: [{domain: task, key: a/b, provider: p, factory: x}]}",
        "{entries: [{domain: task, key: a..b, provider: p, factory: x}]}",
        "{entries: [{domain: 7, key: k, provider: p, factory: x}]}",
        "{entries: [{domain: task, key: k, provider: p, factory: ' '}]}",
        "{entries: [{domain: task, key: k, provider: p, factory: \"a\\tb\"}]}",
        "{signatures: [{key_id: a}]}",
        "{signatures: [{signature: null}]}",
    ] {
        check(text);
    }
    for more in [
        ", factroy: x",
        ", priority: 1001",
        ", priority: high",
        ", priority: 1.5",
        ", stack_level: -101",
        ", uri: ../up",
        ", sha256: abc",
        ", requires: one",
        ", requires: [1]",
        ", requires_secrets: 'no'",
        ", metadata: []",
        ", timeout_seconds: 0",
        ", timeout_seconds: 99999999",
        ", capabilities: [{nam: x}]",
        ", capabilities: ['']",
        ", capabilities: [{name: ''}]",
        ", capabilities: [{name: x, payload_schema: 1}]",
        ", capabilities: [{name: x, security: {scope: [a]}}]",
        ", retry_policy: {attempts: 0}",
        ", retry_policy: {attempts: 1001}",
        ", retry_policy: {attempts: 1, max_attempts: 2}",
        ", retry_policy: {base_delay: -1}",
        ", retry_policy: {jitter: 100000}",
        ", retry_policy: {retriable_status_codes: [99]}",
        ", retry_policy: 3",
        ", event_filters: [{pth: topic}]",
        ", event_filters: [{path: topic}]",
        ", event_filters: [{path: '', equals: 1}]",
        ", event_filters: [{path: topic, any_of: []}]",
        ", event_filters: [{path: topic, any_of: null}]",
        ", event_filters: [{path: topic, field: x, equals: 1}]",
        ", event_filters: [{path: topic, any_of: [1], in: [1]}]",
        ", event_fanout_policy: exclusiv",
        ", event_max_concurrency: 0",
    ] {
        check(&entry(more));
    }
    for fields in [
        "",
        "nodes: null",
        "nodes: [], tasks: []",
        "nodes: {a: {task: t}}",
        "nodes: [{id: a}]",
        "nodes: [{task: t}]",
        "nodes: [{id: a, key: a, task: t}]",
        "nodes: [{id: 7, task: t}]",
        "nodes: [{id: a, task: t, depends_on: b}]",
        "nodes: [{id: a, task: t, depends_on: [1]}]",
        "nodes: [{id: a, task: t, when: true}]",
        "nodes: [{id: a, task: t, timeout_seconds: -1}]",
        "nodes: [{id: a, task: t, idempotent: 'yes'}]",
        "nodes: [{id: a, task: t, retries: 3}]",
        "nodes: [], on_failure: stop",
        "nodes: [], max_parallel: 0",
        "nodes: [], scheduler: cron",
    ] {
        check(&dag(fields));
    }
}

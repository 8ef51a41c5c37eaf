//! What is wrong is found before anything runs, and has a kind.

use oneiric_runtime::{Error, Kind, Oneiric, RunRequest};
use serde_json::json;

use crate::support::{builder, key, process};

/// Loads a manifest and runs workflow `wf` of it.
fn error_of(entries: &str) -> Error {
    process(async {
        let text = format!("entries:\n{entries}");
        match builder().manifest_text("m.yaml", text.into_bytes()).start().await {
            Err(error) => error,
            Ok(oneiric) => oneiric.run(RunRequest::new(key("wf"))).await.unwrap_err(),
        }
    })
}

fn workflow(nodes: &str) -> String {
    format!(
        "- {{domain: workflow, key: wf, provider: p, factory: 'builtin:noop', dag: {{nodes: {nodes}}}}}\n"
    )
}

fn check(entries: &str, kind: Kind, message: &str) {
    let error = error_of(entries);
    assert!(error.to_string().contains(message), "`{error}` does not say `{message}`");
    assert_eq!(error.kind(), kind, "{error}");
}

#[test]
fn every_trouble_has_its_kind() {
    let node = workflow("[{id: a, task: t}]");
    let task =
        |factory: &str| format!("- {{domain: task, key: t, provider: p, factory: '{factory}'}}\n{node}");
    check(&node, Kind::Resolution, "workflow `wf`: task `t` is unknown");
    check(
        "- {domain: workflow, key: wf, provider: p, factory: 'builtin:noop'}",
        Kind::Configuration,
        "has no `dag`",
    );
    check(
        "- {domain: task, key: t, provider: p, factory: 'builtin:noop'}",
        Kind::Resolution,
        "workflow `wf` is unknown",
    );
    check(&task("evil.module:Thing"), Kind::Security, "ONEIRIC_FACTORY_ALLOWLIST");
    check(&task("builtin:nope"), Kind::Resolution, "nope");
    check(&task("exec:/no/such/program"), Kind::Configuration, "/no/such/program");
    check(
        &task("oneiric.remote.samples:demo_remote_adapter"),
        Kind::Resolution,
        "does not play the role `task`",
    );
    check(&workflow("[{id: a, task: t, depends_on: [b]}]"), Kind::Configuration, "m.yaml:2:");
}

#[test]
fn a_factory_that_no_runtime_recognises_is_a_matter_of_resolution() {
    process(async {
        let text = "entries:\n- {domain: task, key: t, provider: p, factory: 'oneiric.something:Real'}";
        let node = json!({"nodes": [{"id": "a", "task": "t"}]});
        // Without the runtimes that are compiled in: which ones those are is not the matter here.
        let builder = Oneiric::builder().workflow("wf", &node).manifest_text("m.yaml", text.as_bytes());
        let oneiric = builder.start().await.unwrap();
        let error = oneiric.run(RunRequest::new(key("wf"))).await.unwrap_err();
        assert_eq!(error.to_string(), "task `t`: nothing here builds the factory `oneiric.something:Real`");
        assert_eq!(error.kind(), Kind::Resolution);
    });
}

//! Every command of the operators' runbook, as it is written there, beside a live orchestrator.

use std::process::Child;

use serde_json::json;

use crate::support::{Home, assert_holds, until};

/// The commands of the runbook in its order, behind `python -m oneiric.cli`.
const COMMANDS: [&str; 6] = [
    "supervisor-info --json",
    "activity --json",
    "health --probe --json",
    "pause --domain adapter --key cache",
    "drain --domain workflow --key fastblocks.workflows.fulfillment",
    "resume --domain workflow --key fastblocks.workflows.fulfillment",
];

struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_runbook_can_be_followed_to_the_letter() {
    let home = Home::new();
    let manifest = "entries:
- {domain: adapter, key: cache, provider: p, factory: 'builtin:noop'}
- {domain: task, key: wait, provider: p, factory: 'builtin:noop'}
- domain: workflow
  key: fastblocks.workflows.fulfillment
  provider: p
  factory: 'builtin:noop'
  dag: {nodes: [{id: a, task: wait}]}
";
    home.file("m.yaml", manifest);
    let _serving =
        Serving(home.command(&["--manifest", "m.yaml", "orchestrate", "--no-http"]).spawn().unwrap());
    until("it serves", || home.json(&["health", "--json"])["report"]["phase"] == "serving");
    let [info, activity, health, pause, drain, resume] =
        COMMANDS.map(|line| line.split(' ').collect::<Vec<_>>());

    let toggles = json!({
        "profile_default": true, "runtime_config": true, "env_override": null, "supervisor_enabled": true,
        "watchers_enabled": true, "remote_enabled": true, "inline_manifest_only": false,
    });
    assert_holds(&home.json(&info), &toggles);
    assert_holds(&home.json(&activity), &json!({"totals": {"paused": 0, "draining": 0}}));
    let told = home.json(&health);
    let blocks = json!({
        "profile": {"name": "default"}, "secrets": {"status": "ready"},
        "runtime": {"supervisor": {"enabled": true}, "activity_state": {}, "lifecycle_state": {}},
    });
    assert_holds(&told, &blocks);
    let file = home.path().join(".oneiric_cache/runtime_health.json");
    let read = || serde_json::from_slice::<serde_json::Value>(&std::fs::read(&file).unwrap()).unwrap();
    until("the file is there", || file.exists());
    assert_holds(&read(), &json!({"supervisor": {"enabled": true}, "profile": {"name": "default"}}));

    home.run(&pause).exits(0);
    assert_holds(&home.json(&activity), &json!({"domains": {"adapter": {"counts": {"paused": 1}}}}));
    home.run(&drain).exits(0);
    assert_holds(&home.json(&activity), &json!({"totals": {"paused": 1, "draining": 1}}));
    let key = "fastblocks.workflows.fulfillment";
    assert_eq!(home.json(&health)["runtime"]["activity_state"]["workflow"][key]["draining"], true);
    until("the file follows", || read()["activity_state"]["workflow"][key]["draining"] == true);
    home.run(&resume).exits(0);
    assert_holds(&home.json(&activity), &json!({"totals": {"paused": 1, "draining": 0}}));
}

#[test]
fn a_variable_overrides_what_the_files_say_of_the_supervisor() {
    let home = Home::new();
    let mut command = home.command(&["supervisor-info", "--json"]);
    command.env("ONEIRIC_PROFILE", "serverless").env("ONEIRIC_RUNTIME_SUPERVISOR__ENABLED", "false");
    let said = crate::support::Ended::of(&command.output().unwrap()).exits(0).json();
    let expected = json!({
        "profile": "serverless", "runtime_config": true, "env_override": false, "supervisor_enabled": false,
        "watchers_enabled": false, "inline_manifest_only": true,
    });
    assert_holds(&said, &expected);
    let text = home.run(&["supervisor-info"]).exits(0).stdout;
    assert!(text.starts_with("Supervisor toggles: profile=on runtime=on poll_interval=2.00s\n"), "{text}");
    let remote = home.json(&["remote-status", "--json"]);
    assert!(remote["last_success_at"].is_null() && remote["last_per_domain"].is_object(), "{remote}");
}

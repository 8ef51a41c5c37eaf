//! Whether components are healthy: asked in live processes, or tried out where there is none.

use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::live::{SHOP, Shop};
use crate::support::{Home, assert_holds, until};

#[test]
fn the_components_of_a_live_process_are_asked() {
    let mut shop = Shop::new();
    let pid = shop.open();
    let known = shop.home.json(&["health", "--json"]);
    assert_eq!(known["lifecycle"].as_array().unwrap().len(), 2, "charge and wait were used: {known:#}");
    assert!(known["lifecycle"][0].get("probe_result").is_none(), "nobody was asked");
    let asked = shop.home.json(&["health", "--probe", "--key", "shop.charge", "--json"]);
    let expected = json!({
        "lifecycle": [{"domain": "task", "key": "shop.charge", "state": "ready", "current_provider": "old",
                       "pid": pid, "probe_result": true}],
        "lifecycle_summary": {"samples": 1, "success_rate": 1.0},
        "runtime": {"orchestrator_pid": pid, "phase": "serving", "stale_after_seconds": 150},
        "report": {"status": "ok", "ready": true, "store": {"status": "ok"}},
        "snapshot": null,
        "profile": {"name": "default", "watchers_enabled": true, "supervisor_enabled": true},
        "secrets": {"provider": "env", "inline_entries": 0},
        "processes": [{"pid": pid}],
    });
    assert_holds(&asked, &expected);
    let text = shop.home.run(&["health", "--probe"]).exits(0).stdout;
    assert!(text.contains("2 components, all healthy"), "{text}");
    // The manifest of the process has it, and nobody asked for it yet.
    let unused = shop.home.run(&["health", "--probe", "--key", "shop.price"]).exits(0);
    assert!(unused.stdout.contains("nobody asked for a component yet"), "{unused:?}");

    shop.end(Signal::SIGINT);
    let after = shop.home.run(&["health"]).exits(0);
    assert!(after.stdout.contains("no live process"), "{after:?}");
}

#[test]
fn a_component_that_lost_its_program_is_unhealthy_and_goes_on_serving() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let tool = home.file("tool", "#!/bin/sh\necho '{}'\n");
    std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
    let manifest = SHOP.replace(
        "provider: old, factory: 'builtin:echo'",
        &format!("provider: old, factory: 'exec:{}'", tool.display()),
    );
    let mut shop = Shop::with(home, &manifest);
    shop.open();
    let probe = ["health", "--probe", "--key", "shop.charge", "--json"];
    assert_eq!(shop.home.json(&probe)["lifecycle"][0]["probe_result"], true);
    std::fs::remove_file(&tool).unwrap();
    let said = shop.home.run(&probe).exits(1).json();
    let row = &said["lifecycle"][0];
    assert_holds(row, &json!({"probe_result": false, "state": "ready", "current_provider": "old"}));
    assert!(row["probe_error"].as_str().unwrap().contains("tool"), "{row:#}");
    let text = shop.home.run(&["health", "--probe"]).exits(1).stdout;
    assert!(text.contains("2 components, 1 unhealthy"), "{text}");
}

#[test]
fn without_a_live_process_components_are_started_asked_and_stopped() {
    let shop = Shop::new();
    let before = shop.home.contents();
    let health = ["--manifest", "shop.yaml", "health"];
    let with = |more: &[&str]| shop.home.run(&[&health[..], more].concat());
    let quiet = with(&["--json"]).exits(0).json();
    assert_eq!((&quiet["lifecycle"], &quiet["processes"]), (&json!([]), &json!([])));
    let asked = with(&["--probe", "--json"]).exits(0).json();
    let keys: Vec<_> = asked["lifecycle"].as_array().unwrap().iter().map(|row| &row["key"]).collect();
    assert_eq!(keys, ["shop.price", "shop.charge", "shop.wait"], "a workflow has no instance");
    for row in asked["lifecycle"].as_array().unwrap() {
        assert_eq!((&row["probe_result"], &row["pid"]), (&json!(true), &json!(null)));
    }
    assert_eq!(shop.home.contents(), before, "trying creates nothing");
}

#[test]
fn one_that_does_not_come_up_is_a_row_and_the_exit_code() {
    let home = Home::new();
    home.file(
        "m.yaml",
        "entries:
- {domain: adapter, key: good, provider: p, factory: 'builtin:noop'}
- {domain: adapter, key: lost, provider: p, factory: 'exec:no-such-program-anywhere'}
- {domain: adapter, key: named, provider: p, factory: 'builtin:slep'}
- {domain: adapter, key: refused, provider: p, factory: 'shop.adapters:Queue'}
",
    );
    let check = |key: &str, code: i32, healthy: bool| {
        let said =
            home.run(&["--manifest", "m.yaml", "health", "--probe", "--key", key, "--json"]).exits(code);
        assert_eq!(said.json()["lifecycle"][0]["probe_result"], healthy, "{key}");
    };
    check("good", 0, true);
    check("lost", 2, false);
    check("named", 3, false);
    check("refused", 5, false);
    let all = home.run(&["--manifest", "m.yaml", "health", "--probe"]).exits(5);
    assert!(all.stdout.contains("4 components, 3 unhealthy"), "{all:?}");
    assert!(all.stdout.contains("did you mean `builtin:sleep`?"), "{all:?}");
    assert_eq!(all.stderr, "", "what was found is the result");
}

/// An orchestrator, and the snapshot that it keeps.
struct Orchestrator(Child);

impl Orchestrator {
    fn start(home: &Home, more: &[&str]) -> Self {
        let child = home.command(&[&["orchestrate", "--no-http"], more].concat()).spawn().unwrap();
        until("it serves", || home.json(&["health", "--json"])["report"]["phase"] == "serving");
        Self(child)
    }

    fn end(mut self, signal: Signal) {
        kill(Pid::from_raw(self.0.id().cast_signed()), signal).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Orchestrator {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn snapshot(home: &Home) -> Value {
    let path = home.path().join(".oneiric_cache/runtime_health.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).expect("it is whole whenever it is read")
}

#[test]
fn the_snapshot_follows_operators_and_the_end() {
    let home = Home::new();
    let orchestrator = Orchestrator::start(&home, &["--health-path", "probe.json"]);
    until("it is written", || home.path().join("probe.json").exists());
    home.run(&["pause", "--domain", "adapter", "--key", "cache", "--note", "audit"]).exits(0);
    until("the pause is in it", || snapshot(&home)["activity_state"]["adapter"]["cache"]["note"] == "audit");
    assert_eq!(snapshot(&home)["supervisor"]["enabled"], true);
    home.run(&["health", "--path", "probe.json"]).exits(0);
    orchestrator.end(Signal::SIGTERM);
    assert_holds(&snapshot(&home), &json!({"phase": "stopped", "ready": false, "watchers_running": false}));
    home.run(&["health", "--path", "probe.json"]).exits(1);
    home.run(&["health", "--path", "no-such.json"]).exits(1);
    let left = home.json(&["health", "--json"]);
    assert_holds(
        &left,
        &json!({"runtime": {"phase": "stopped"}, "snapshot": {"stale": false}, "processes": []}),
    );
}

#[test]
fn what_a_killed_process_left_is_not_trusted_for_long() {
    let home = Home::new();
    let orchestrator = Orchestrator::start(&home, &[]);
    until("it is written", || home.path().join(".oneiric_cache/runtime_health.json").exists());
    orchestrator.end(Signal::SIGKILL);
    let mut old = snapshot(&home);
    old["generated_at"] = "2020-01-01T00:00:00.000000Z".into();
    let path = home.file("old.json", &old.to_string());
    let checked = home.run(&["health", "--path", &path.display().to_string(), "--json"]).exits(1).json();
    assert_holds(&checked, &json!({"healthy": false, "stale": true, "phase": "serving"}));
}

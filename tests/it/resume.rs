//! A process is asked to stop, or dies, in the middle of a run; somebody goes on with it later.

use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Ended, Home, until, wait};

/// A home in which the second of three nodes waits until it is let through.
struct Stage {
    home: Home,
    effects: PathBuf,
    gate: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let home = Home::new();
        let (effects, gate) = (home.path().join("effects"), home.path().join("gate"));
        let exec = |script: &str| json!({"stdout": "none", "args": ["-euc", script], "env": {"EFFECTS": effects, "GATE": gate}});
        let task = |key: &str, script: &str| {
            json!({"domain": "task", "key": key, "provider": "sh", "factory": "exec:sh",
                   "metadata": {"exec": exec(script)}})
        };
        let mark = r#"echo "$ONEIRIC_NODE" >> "$EFFECTS""#;
        let held = r#"echo "$ONEIRIC_NODE" >> "$EFFECTS"; while [ ! -e "$GATE" -a -e "$EFFECTS" ]; do sleep 0.02; done"#;
        let nodes = json!([
            {"id": "first", "task": "mark"},
            {"id": "held", "task": "held", "depends_on": ["first"]},
            {"id": "last", "task": "mark", "depends_on": ["held"]},
        ]);
        let workflow = json!({"domain": "workflow", "key": "w", "provider": "test",
                              "factory": "builtin:noop", "dag": {"nodes": nodes}});
        let entries = json!({"entries": [task("mark", mark), task("held", held), workflow]});
        home.file("w.json", &entries.to_string());
        Self { home, effects, gate }
    }

    fn effects(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.effects).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Begins the run and ends its process once the second node is under way.
    fn stopped_by(&self, signal: Signal) -> Ended {
        let child = self.home.command(&["--manifest", "w.json", "workflow", "run", "w"]).spawn().unwrap();
        until("the second node runs", || self.effects().len() == 2);
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        wait(child)
    }

    fn listed(&self) -> Value {
        self.home.json(&["run", "list", "--json"])["runs"][0].clone()
    }
}

#[test]
fn an_interrupted_run_is_listed_and_finished_from_another_folder_without_its_manifest() {
    let stage = Stage::new();
    let ended = stage.stopped_by(Signal::SIGINT).exits(130);
    assert!(ended.stderr.contains("oneiric run resume"), "the way to go on is told: {ended:?}");
    assert_eq!(stage.listed()["status"], "running");

    std::fs::remove_file(stage.home.path().join("w.json")).unwrap();
    std::fs::write(&stage.gate, "").unwrap();
    let elsewhere = Home::new();
    let state = stage.home.path().join(".oneiric_cache");
    let state = state.to_str().unwrap();
    let run = elsewhere.json(&["run", "resume", "latest", "--state-dir", state, "--json"]);
    assert_eq!(run["status"], "completed");
    assert!(elsewhere.holds_only(&[]));
    assert_eq!(stage.effects(), ["first", "held", "held", "last"]);
    assert_eq!(stage.listed()["status"], "completed");
    assert_eq!(stage.home.json(&["store", "check", "--json"])["problems"], json!([]));
}

#[test]
fn a_terminated_process_says_so_and_leaves_its_run_to_the_next() {
    let stage = Stage::new();
    stage.stopped_by(Signal::SIGTERM).exits(143);
    std::fs::write(&stage.gate, "").unwrap();
    let runs = stage.home.json(&["run", "resume", "--all", "--json"]);
    assert_eq!(runs["runs"][0]["status"], "completed", "{runs:#}");
    assert_eq!(stage.effects(), ["first", "held", "held", "last"]);
}

#[test]
fn a_killed_run_goes_on_behind_its_last_checkpoint() {
    let stage = Stage::new();
    stage.stopped_by(Signal::SIGKILL).exits(-1);
    std::fs::write(&stage.gate, "").unwrap();
    let run = stage.home.json(&["run", "resume", "latest", "--json"]);
    assert_eq!((&run["status"], &run["nodes"]["held"]["attempts"]), (&json!("completed"), &json!(2)));
    assert_eq!(stage.effects(), ["first", "held", "held", "last"]);
}

#[test]
fn a_cancelled_run_is_over() {
    let stage = Stage::new();
    stage.stopped_by(Signal::SIGINT).exits(130);
    stage.home.run(&["run", "cancel", "latest", "--reason", "ordered twice"]).exits(0);
    let run = stage.home.json(&["run", "show", "latest", "--json"]);
    assert_eq!(run["status"], "cancelled");
    assert!(run["fault"]["message"].as_str().unwrap().contains("ordered twice"), "{run:#}");
    stage.home.run(&["run", "resume", "latest"]).exits(1);
    stage.home.run(&["doctor"]).exits(0);
    assert_eq!(stage.effects(), ["first", "held"]);
}

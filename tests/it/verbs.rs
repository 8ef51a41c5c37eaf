//! What people ask of runs that another process has: two real processes on one state.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Ended, Home, until, wait};

/// A home with a run of three nodes, the second of which waits until it is let through.
struct Stage {
    home: Home,
    effects: PathBuf,
    gate: PathBuf,
}

impl Stage {
    fn new() -> Self {
        let home = Home::new();
        let (effects, gate) = (home.path().join("effects"), home.path().join("gate"));
        let task = |key: &str, script: &str, more: Value| {
            let exec = json!({"stdout": "none", "args": ["-euc", script],
                              "env": {"EFFECTS": effects, "GATE": gate, "FLAW": home.path().join("flaw")}});
            let mut entry = json!({"domain": "task", "key": key, "provider": "sh", "factory": "exec:sh",
                                   "metadata": {"exec": exec}});
            entry.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
            entry
        };
        let mark = r#"echo "$ONEIRIC_NODE" >> "$EFFECTS""#;
        let held = r#"echo "$ONEIRIC_NODE" >> "$EFFECTS"; while [ ! -e "$GATE" -a -e "$EFFECTS" ]; do sleep 0.02; done"#;
        let flawed = r#"echo "$ONEIRIC_NODE" >> "$EFFECTS"; test ! -e "$FLAW""#;
        let nodes = |second: &str| {
            json!([
                {"id": "first", "task": "mark"},
                {"id": "second", "task": second, "depends_on": ["first"]},
                {"id": "last", "task": "mark", "depends_on": ["second"]},
            ])
        };
        let workflow = |key: &str, second: &str| {
            json!({"domain": "workflow", "key": key, "provider": "test", "factory": "builtin:noop",
                   "dag": {"nodes": nodes(second)}})
        };
        let patient = json!({"retry_policy": {"attempts": 2, "base_delay": 3600}});
        let entries = json!({"entries": [
            task("mark", mark, json!({})),
            task("held", held, json!({})),
            task("flawed", flawed, json!({})),
            task("patient", flawed, patient),
            workflow("w", "held"),
            workflow("flawed", "flawed"),
            workflow("patient", "patient"),
        ]});
        home.file("w.json", &entries.to_string());
        Self { home, effects, gate }
    }

    fn effects(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.effects).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn begin(&self, workflow: &str) -> Child {
        self.home.command(&["--manifest", "w.json", "workflow", "run", workflow]).spawn().unwrap()
    }

    /// A run whose second node is under way in another process.
    fn under_way(&self) -> Child {
        let child = self.begin("w");
        until("the second node runs", || self.effects().len() == 2);
        child
    }

    fn let_through(&self) {
        std::fs::write(&self.gate, "").unwrap();
    }

    fn status(&self) -> String {
        let shown = self.home.json(&["run", "list", "--json"]);
        shown["runs"][0]["status"].as_str().unwrap().to_owned()
    }

    fn reasons(&self) -> Vec<(String, String)> {
        let told = self.home.json(&["run", "explain", "latest", "--json"]);
        let text = |reason: &Value, key: &str| reason[key].as_str().unwrap_or_default().to_owned();
        let reasons = told["reasons"].as_array().unwrap().iter();
        reasons.map(|reason| (text(reason, "reason"), text(reason, "node"))).collect()
    }
}

fn pair(reason: &str, node: &str) -> (String, String) {
    (reason.to_owned(), node.to_owned())
}

#[test]
fn a_run_of_another_process_is_paused_and_goes_on_in_a_third() {
    let stage = Stage::new();
    let owner = stage.under_way();
    let told = stage.home.json(&["run", "pause", "latest", "--reason", "lunch", "--json"]);
    assert_eq!(
        (&told["outcome"], &told["status"], &told["running"]),
        (&json!("done"), &json!("running"), &json!(1))
    );
    assert_eq!(stage.reasons()[0], pair("pausing", ""));
    let again = stage.home.json(&["run", "pause", "latest", "--json"]);
    assert_eq!(again["outcome"], "already");
    stage.let_through();
    let ended = wait(owner).exits(1);
    assert!(ended.stderr.contains("is paused: lunch"), "{ended:?}");
    assert_eq!(stage.reasons(), [pair("paused", "")]);
    let resumed = stage.home.json(&["run", "resume", "latest", "--json"]);
    assert_eq!(resumed["status"], "completed");
    assert_eq!(stage.effects(), ["first", "second", "last"]);
}

#[test]
fn a_pause_is_taken_back_before_it_has_come_into_effect() {
    let stage = Stage::new();
    let owner = stage.under_way();
    stage.home.run(&["run", "pause", "latest"]).exits(0);
    let back = stage.home.run(&["run", "resume", "latest"]).exits(0);
    assert!(back.stdout.contains("goes on, in another process"), "{back:?}");
    let nothing = stage.home.run(&["run", "resume", "latest"]).exits(0);
    assert!(nothing.stdout.contains("nothing was to be done"), "{nothing:?}");
    stage.let_through();
    wait(owner).exits(0);
}

#[test]
fn a_run_of_another_process_is_cancelled() {
    let stage = Stage::new();
    let owner = stage.under_way();
    let told = stage.home.json(&["run", "cancel", "latest", "--reason", "ordered twice", "--json"]);
    assert_eq!((&told["status"], &told["outcome"]), (&json!("cancelled"), &json!("done")));
    let ended = wait(owner).exits(1);
    assert!(ended.stderr.contains("was cancelled: ordered twice"), "{ended:?}");
    assert_eq!(stage.reasons(), [pair("ended", "")]);
    let over = stage.home.run(&["run", "cancel", "latest"]).exits(1);
    assert!(over.stderr.contains("is cancelled"), "{over:?}");
}

#[test]
fn a_deadline_is_moved_and_taken_away() {
    let stage = Stage::new();
    let owner = stage.under_way();
    let none = stage.home.run(&["run", "extend", "latest", "--by", "10m"]).exits(1);
    assert!(none.stderr.contains("has no deadline") && none.stderr.contains("--until"), "{none:?}");
    let until = stage.home.json(&["run", "extend", "latest", "--until", "2100-01-01T00:00:00Z", "--json"]);
    assert_eq!(until["deadline"], "2100-01-01T00:00:00.000000Z");
    let more = stage.home.json(&["run", "extend", "latest", "--by", "24h", "--json"]);
    assert_eq!(more["deadline"], "2100-01-02T00:00:00.000000Z");
    assert!(stage.reasons().contains(&pair("deadline", "")));
    let free = stage.home.run(&["run", "extend", "latest", "--none"]).exits(0);
    assert!(free.stdout.contains("as long as it takes"), "{free:?}");
    stage.home.run(&["run", "extend", "latest", "--until", "2020-01-01T00:00:00Z"]).exits(0);
    let ended = wait(owner).exits(1);
    assert!(ended.stderr.contains("time was up"), "{ended:?}");
}

#[test]
fn a_node_that_waits_for_an_hour_is_tried_at_once() {
    let stage = Stage::new();
    stage.home.file("flaw", "");
    let owner = stage.begin("patient");
    until("it waits", || stage.effects().len() == 2 && stage.reasons()[0] == pair("retry", "second"));
    let misspelt = stage.home.run(&["run", "retry-now", "latest", "--node", "secnod"]).exits(3);
    assert!(misspelt.stderr.contains("did you mean `second`"), "{misspelt:?}");
    let stale = stage.home.run(&["run", "retry-now", "latest", "--node", "last"]).exits(1);
    assert!(stale.stderr.contains("has no such node that waits"), "{stale:?}");
    std::fs::remove_file(stage.home.path().join("flaw")).unwrap();
    let told = stage.home.run(&["run", "retry-now", "latest"]).exits(0);
    assert!(told.stdout.contains("tries them at once, in another process"), "{told:?}");
    wait(owner).exits(0);
}

#[test]
fn what_failed_is_done_again_in_a_new_run_that_says_what_it_kept() {
    let stage = Stage::new();
    stage.home.file("flaw", "");
    wait(stage.begin("flawed")).exits(1);
    std::fs::remove_file(stage.home.path().join("flaw")).unwrap();
    let old = stage.home.json(&["run", "show", "latest", "--json"])["run_id"].clone();
    let new = stage.home.json(&["run", "rerun", "latest", "--failed", "--json"]);
    assert_eq!((&new["status"], &new["parent"]), (&json!("completed"), &old));
    assert_eq!(stage.effects(), ["first", "second", "second", "last"], "what went well is not done again");
    let shown = stage.home.json(&["run", "show", "latest", "--json"]);
    assert_eq!((&shown["nodes"]["first"]["kept"], &shown["parent"]), (&json!(true), &old));
    let text = stage.home.run(&["run", "show", "latest"]).exits(0).stdout;
    let kept = format!("kept from run {}", &old.as_str().unwrap()[24..]);
    assert!(
        text.contains(&kept) && text.contains(&format!("repeats  run {}", old.as_str().unwrap())),
        "{text}"
    );
    let from = stage.home.json(&["run", "rerun", "latest", "--from", "last", "--json"]);
    assert_eq!((&from["nodes"]["second"]["kept"], &from["status"]), (&json!(true), &json!("completed")));
    let before = stage.effects().len();
    let fork = stage.home.json(&["run", "fork", "latest", "--context", r#"{"order": 8}"#, "--json"]);
    assert_eq!((&fork["status"], stage.effects().len()), (&json!("completed"), before + 3));
    let same = stage.home.json(&["run", "fork", "latest", "--json"]);
    assert_eq!((&same["status"], stage.effects().len()), (&json!("completed"), before + 3));
    let misspelt = stage.home.run(&["run", "rerun", "latest", "--from", "frist"]).exits(3);
    assert!(misspelt.stderr.contains("did you mean `first`"), "{misspelt:?}");
}

#[test]
fn a_run_that_is_left_to_others_waits_and_says_for_whom() {
    let stage = Stage::new();
    stage.let_through();
    let left = stage.home.run(&["--manifest", "w.json", "workflow", "run", "w", "--detach"]).exits(0);
    let id = left.stdout.trim().to_owned();
    assert!(id.len() == 32 && left.stderr.contains("no process serves this state"), "{left:?}");
    assert_eq!(stage.reasons(), [pair("nobody_serves", ""), pair("dependencies", "")]);
    stage.home.run(&["run", "pause", &id]).exits(0);
    assert_eq!(stage.status(), "paused");
    let resumed = stage.home.json(&["run", "resume", &id, "--detach", "--json"]);
    assert_eq!(resumed["status"], "running");
    assert_eq!(stage.effects(), Vec::<String>::new());
    assert_eq!(stage.home.json(&["run", "resume", &id, "--json"])["status"], "completed");
    let rerun = stage.home.run(&["run", "rerun", &id, "--detach"]).exits(0).stdout;
    assert_eq!(stage.home.json(&["run", "show", rerun.trim(), "--json"])["parent"], id.as_str());
}

#[test]
fn a_dead_process_is_named_and_its_run_is_cancelled_all_the_same() {
    let stage = Stage::new();
    let owner = stage.under_way();
    assert_eq!(stage.reasons(), [pair("running", "second"), pair("dependencies", "")]);
    kill(Pid::from_raw(owner.id().cast_signed()), Signal::SIGKILL).unwrap();
    wait(owner);
    assert_eq!(stage.reasons()[0], pair("owner_dead", ""));
    let text = stage.home.run(&["run", "explain", "latest"]).exits(0).stdout;
    assert!(text.contains("is dead") && text.contains("do    oneiric run resume "), "{text}");
    let told = stage.home.json(&["run", "cancel", "latest", "--json"]);
    assert_eq!(told["status"], "cancelled");
    let shown = stage.home.json(&["run", "show", "latest", "--json"]);
    assert_eq!(shown["nodes"]["second"]["status"], "cancelled");
    stage.home.run(&["store", "check"]).exits(0);
}

#[test]
fn a_run_of_another_process_is_watched_to_its_end() {
    let stage = Stage::new();
    let owner = stage.under_way();
    let mut lines = stage.home.command(&["run", "watch", "--json"]).spawn().unwrap();
    let mut events = BufReader::new(lines.stdout.take().unwrap()).lines();
    let first: Value = serde_json::from_str(&events.next().unwrap().unwrap()).unwrap();
    assert_eq!((&first["seq"], &first["event"]["type"]), (&json!(1), &json!("started")));
    let people = stage.home.command(&["run", "watch", "latest"]).spawn().unwrap();
    stage.let_through();
    wait(owner).exits(0);
    let all: Vec<Value> = events.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
    let succeeded = all.iter().filter(|line| line["event"]["type"] == "succeeded");
    let nodes: Vec<_> = succeeded.map(|line| line["node"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(nodes, ["first", "second", "last"]);
    assert_eq!(all.last().unwrap()["status"], "completed");
    assert_eq!(Ended::of(&lines.wait_with_output().unwrap()).code, 0);
    let seen = wait(people).exits(0);
    assert!(seen.stdout.contains("completed: 3 ok"), "{seen:?}");
}

#[test]
fn who_stops_watching_leaves_the_run_alone() {
    let stage = Stage::new();
    let owner = stage.under_way();
    let mut watching = stage.home.command(&["run", "watch", "--json"]).spawn().unwrap();
    let mut events = BufReader::new(watching.stdout.take().unwrap());
    events.read_line(&mut String::new()).unwrap();
    kill(Pid::from_raw(watching.id().cast_signed()), Signal::SIGINT).unwrap();
    let ended = Ended::of(&watching.wait_with_output().unwrap());
    assert_eq!(ended.code, 130, "{ended:?}");
    assert_eq!(stage.status(), "running");
    stage.let_through();
    wait(owner).exits(0);
}

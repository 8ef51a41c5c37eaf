//! Components that are paused, drained and resumed, over processes and without any.

mod races;

use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::live::{SHOP, Shop};
use crate::support::{Ended, Home, assert_holds, until, wait};

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(pid.cast_signed()), signal).unwrap();
}

/// What `activity --json` has, times aside.
fn activity(home: &Home) -> Value {
    let mut said = home.json(&["activity", "--json"]);
    for domain in said["domains"].as_object_mut().unwrap().values_mut() {
        for entry in domain["entries"].as_array_mut().unwrap() {
            entry.as_object_mut().unwrap().remove("at").expect("since when it is so");
        }
    }
    said
}

#[test]
fn what_operators_say_stays_without_a_process_and_has_the_shape_of_the_python_project() {
    let home = Home::new();
    let said = home.run(&["pause", "cache", "--note", "warm it up first"]).exits(0);
    assert_eq!(said.stdout, "Paused adapter:cache (note=warm it up first)\n  nothing is in flight\n");
    assert_eq!(said.stderr, "");
    home.run(&["cli", "drain", "--domain", "workflow", "--key", "shop.checkout", "--json"]).exits(0);
    let entry = |key: &str, paused, draining, note: Value| json!({"key": key, "paused": paused, "draining": draining, "note": note, "in_flight": 0});
    let expected = json!({
        "domains": {
            "adapter": {"counts": {"paused": 1, "draining": 0, "note_only": 0},
                        "entries": [entry("cache", true, false, json!("warm it up first"))]},
            "workflow": {"counts": {"paused": 0, "draining": 1, "note_only": 0},
                         "entries": [entry("shop.checkout", false, true, Value::Null)]},
        },
        "totals": {"paused": 1, "draining": 1, "note_only": 0},
        "processes": [],
    });
    assert_eq!(activity(&home), expected);
    // The note stays until somebody says another one, also where work is taken again.
    let said = home.run(&["pause", "--key", "cache", "--resume"]).exits(0);
    assert_eq!(said.stdout, "Resumed adapter:cache (note=warm it up first)\n");
    home.run(&["resume", "shop.checkout", "--domain", "workflow"]).exits(0);
    let after = activity(&home);
    assert_eq!(after["totals"], json!({"paused": 0, "draining": 0, "note_only": 1}));
    assert_eq!(after["domains"].as_object().unwrap().len(), 1, "what says nothing is gone");
    home.run(&["resume", "cache", "--note", ""]).exits(0);
    assert_eq!(activity(&home)["domains"], json!({}));
    let shown = home.run(&["activity"]).exits(0).stdout;
    assert!(shown.contains("every component takes work; nothing is in flight"), "{shown}");
}

#[test]
fn who_only_reads_or_takes_back_creates_nothing() {
    let home = Home::new();
    home.run(&["activity"]).exits(0);
    home.run(&["resume", "cache"]).exits(0);
    home.run(&["pause", "cache", "--resume"]).exits(0);
    let said = home.run(&["drain", "cache", "--clear"]).exits(0);
    assert_eq!(said.stdout, "Cleared draining for adapter:cache (note=none)\n  it took work already\n");
    assert_eq!(home.contents(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn silly_mistakes_are_told_with_the_way_out() {
    let home = Home::new();
    home.file("shop.yaml", SHOP);
    let refused = |arguments: &[&str], code: i32, words: &[&str]| {
        let said = home.run(&[&["--manifest", "shop.yaml"], arguments].concat()).exits(code);
        for word in words {
            assert!(said.stderr.contains(word), "`{word}` is missing: {said:?}");
        }
    };
    refused(&["pause", "shop.charge"], 3, &["adapter `shop.charge` is unknown", "add `--domain task`"]);
    refused(&["drain", "shop.wait"], 3, &["adapter `shop.wait` is unknown", "add `--domain task`"]);
    refused(&["pause"], 2, &["<KEY|--key <KEY>>"]);
    refused(&["pause", "a", "--key", "b"], 2, &["cannot be used with"]);
    refused(&["pause", "a b"], 2, &["contains ' '"]);
    refused(&["drain", "a", "--clear", "--no-wait"], 2, &["cannot be used with"]);
    refused(&["drain", "a", "--deadline", "0"], 2, &["more than 0"]);
    let long = "x".repeat(1001);
    assert!(home.holds_only(&["shop.yaml"]), "a mistake creates nothing");
    refused(&["pause", "shop.charge", "--domain", "task", "--note", &long], 2, &["at most 1000 are kept"]);
    // Nobody knows it yet, and it may come later.
    let said = home.run(&["--manifest", "shop.yaml", "pause", "shop.chrge", "--domain", "tasks"]).exits(0);
    assert!(said.stderr.contains("did you mean `shop.charge`?"), "{said:?}");
    refused(&["resume", "shop.chrge"], 3, &["task:shop.chrge is paused", "add `--domain task`"]);
    let said = home.run(&["resume", "latest"]).exits(0);
    assert!(said.stdout.contains("for runs there is `oneiric run resume`"), "{said:?}");
}

#[test]
fn a_paused_workflow_and_a_paused_action_are_refused_with_the_way_out() {
    let home = Home::new();
    home.file("shop.yaml", SHOP);
    home.run(&["pause", "shop.checkout", "--domain", "workflow"]).exits(0);
    home.run(&["drain", "shop.price", "--domain", "action"]).exits(0);
    let run = home.run(&["--manifest", "shop.yaml", "workflow", "run", "shop.checkout", "--json"]).exits(1);
    assert_eq!(run.error()["message"], "denied by activity: workflow:shop.checkout is paused");
    assert!(run.error()["help"].as_str().unwrap().contains("oneiric resume"), "{run:?}");
    let call = ["--manifest", "shop.yaml", "action-invoke", "shop.price", "--payload", "{\"n\": 1}"];
    let said = home.run(&call).exits(1);
    assert!(said.stderr.contains("denied by activity: action:shop.price is draining"), "{said:?}");
    home.run(&["resume", "shop.price", "--domain", "action"]).exits(0);
    assert_eq!(home.json(&call), json!({"n": 1}));
}

#[test]
fn a_status_says_what_is_paused() {
    let mut shop = Shop::new();
    shop.open();
    shop.home.run(&["pause", "shop.charge", "--domain", "task", "--note", "the bank is closed"]).exits(0);
    let status = shop.home.json(&["status", "--domain", "task", "--json"]);
    assert_eq!(status["summary"]["activity"], json!({"paused": 1, "draining": 0}));
    let paused = json!({"paused": true, "draining": false, "note": "the bank is closed"});
    assert_eq!(shop.rows("shop.charge")[0]["activity"], paused);
    let nothing = json!({"paused": false, "draining": false, "note": null});
    assert_eq!(shop.rows("shop.wait")[0]["activity"], nothing);
    let shown = shop.home.run(&["status"]).exits(0).stdout;
    assert!(shown.contains("paused: the bank is closed"), "{shown}");
    let swap = shop.home.run(&["swap", "shop.charge", "--domain", "task", "--provider", "new"]).exits(1);
    assert!(swap.stderr.contains("denied by activity: task:shop.charge is paused"), "{swap:?}");
    shop.home.run(&["swap", "shop.charge", "--domain", "task", "--provider", "new", "--force"]).exits(0);
}

#[test]
fn a_drain_says_who_holds_it_up_and_ends_when_nothing_is_in_flight() {
    let mut shop = Shop::new();
    let pid = shop.open();
    let drain = ["drain", "shop.wait", "--domain", "task", "--deadline"];
    let with = |more: &[&str]| shop.home.run(&[&drain[..], more].concat());
    let late = with(&["0.2"]).exits(1);
    let line = format!("draining task:shop.wait: 1 in flight (process {pid}: 1)");
    assert!(late.stderr.starts_with(&line), "{late:?}");
    assert!(late.stderr.contains("task:shop.wait still has 1 in flight after"), "{late:?}");
    assert!(late.stderr.contains("oneiric resume shop.wait --domain task"), "{late:?}");
    let late = with(&["0.2", "--json"]).exits(1);
    let expected = json!({"domain": "task", "key": "shop.wait", "paused": false, "draining": true, "note": null,
        "drained": false, "ended": "late", "in_flight": 1, "processes": [{"pid": pid, "in_flight": 1}]});
    assert_holds(&late.json(), &expected);
    let known = activity(&shop.home);
    assert_eq!(known["domains"]["task"]["entries"][0]["in_flight"], 1);
    let busy = json!([{"domain": "task", "key": "shop.wait", "count": 1},
                      {"domain": "workflow", "key": "shop.checkout", "count": 1}]);
    assert_eq!(known["processes"][0]["in_flight"], busy);

    // It lives, and what it has in flight is not known.
    signal(pid, Signal::SIGSTOP);
    let silent = with(&["0.2", "--json"]).exits(1);
    assert_eq!(silent.json()["processes"], json!([{"pid": pid, "in_flight": null}]));
    signal(pid, Signal::SIGCONT);
    shop.end(Signal::SIGKILL);
    let done = shop.home.run(&[&drain[..], &["30"]].concat()).exits(0);
    assert!(done.stdout.contains("Drained task:shop.wait in "), "{done:?}");
}

#[test]
fn a_signal_ends_the_waiting_and_not_the_drain() {
    let mut shop = Shop::new();
    shop.open();
    let drain = shop.home.command(&["drain", "shop.wait", "--domain", "task"]).spawn().unwrap();
    until("it drains", || activity(&shop.home)["totals"]["draining"] == 1);
    until("it catches signals", || catches_interrupt(&drain));
    signal(drain.id(), Signal::SIGINT);
    let given_up = wait(drain).exits(130);
    assert!(given_up.stderr.contains("gave up waiting; task:shop.wait goes on draining"), "{given_up:?}");
    assert_eq!(activity(&shop.home)["totals"]["draining"], 1);
    // Whoever waits is told when somebody takes work again.
    let drain = shop.home.command(&["drain", "shop.wait", "--domain", "task", "--json"]).spawn().unwrap();
    until("it has begun", || catches_interrupt(&drain));
    shop.home.run(&["resume", "shop.wait", "--domain", "task"]).exits(0);
    // It may have said so only after that: then it is said once more.
    if activity(&shop.home)["totals"]["draining"] == 1 {
        shop.home.run(&["resume", "shop.wait", "--domain", "task"]).exits(0);
    }
    let cleared = wait(drain).exits(1);
    assert_eq!(cleared.json()["ended"], "cleared");
}

/// Whether the process has a handler for SIGINT, as the system tells.
fn catches_interrupt(child: &Child) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
    caught & (1 << (Signal::SIGINT as u32 - 1)) != 0
}

/// Five nodes in a row, each of which leaves a line and takes a moment.
const ROW: &str = r#"
entries:
- domain: task
  key: mark
  provider: sh
  factory: 'exec:sh'
  metadata: {exec: {args: [-euc, 'echo $ONEIRIC_NODE >> "$EFFECTS"; sleep 0.15'], stdout: none, env: {EFFECTS: FILE}}}
- domain: workflow
  key: row
  provider: t
  factory: 'builtin:noop'
  dag:
    nodes:
    - {id: a, task: mark}
    - {id: b, task: mark, depends_on: [a]}
    - {id: c, task: mark, depends_on: [b]}
    - {id: d, task: mark, depends_on: [c]}
    - {id: e, task: mark, depends_on: [d]}
"#;

fn lines(home: &Home) -> Vec<String> {
    let text = std::fs::read_to_string(home.path().join("effects")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn row(home: &Home) -> Child {
    let effects = home.path().join("effects");
    home.file("row.yaml", &ROW.replace("FILE", effects.to_str().unwrap()));
    let child = home.command(&["--manifest", "row.yaml", "workflow", "run", "row"]).spawn().unwrap();
    until("the run begins", || !lines(home).is_empty());
    child
}

/// Pauses the task under a run, and waits until its node is held.
fn held(home: &Home) -> Vec<String> {
    home.run(&["drain", "mark", "--domain", "task"]).exits(0);
    let before = lines(home);
    until("a node is held", || {
        let run = home.json(&["run", "show", "latest", "--json"]);
        run["nodes"].as_object().unwrap().values().any(|node| node["status"] == "held")
    });
    assert_eq!(lines(home), before, "nothing begins after the mark");
    before
}

fn resumed(home: &Home) {
    home.run(&["resume", "mark", "--domain", "task"]).exits(0);
}

#[test]
fn a_run_is_held_by_another_process_and_goes_on_when_that_is_taken_back() {
    let home = Home::new();
    let child = row(&home);
    let before = held(&home);
    assert!((1..5).contains(&before.len()), "{before:?}");
    resumed(&home);
    wait(child).exits(0);
    assert_eq!(lines(&home), ["a", "b", "c", "d", "e"]);
}

#[test]
fn a_held_run_survives_its_process_and_ends_elsewhere() {
    let home = Home::new();
    let mut child = row(&home);
    let before = held(&home);
    child.kill().unwrap();
    child.wait().unwrap();
    let next = home.command(&["run", "resume", "latest"]).spawn().unwrap();
    until("somebody has it", || activity(&home)["processes"] != json!([]));
    assert_eq!(lines(&home), before, "it is held there, too");
    resumed(&home);
    wait(next).exits(0);
    assert_eq!(lines(&home), ["a", "b", "c", "d", "e"], "what was completed did not run again");
}

#[test]
fn another_process_heeds_a_pause_within_a_second() {
    let mut shop = Shop::new();
    let pid = shop.open();
    let swap = ["swap", "shop.charge", "--domain", "task", "--provider", "new"];
    let began = crate::support::now();
    shop.home.run(&["pause", "shop.charge", "--domain", "task"]).exits(0);
    let refused = |said: &Ended| said.stderr.contains(&format!("process {pid}: denied by activity"));
    let said = shop.home.run(&swap).exits(1);
    assert!(refused(&said), "{said:?}");
    // Both commands and what they asked for: a tenth of this on an idle machine.
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

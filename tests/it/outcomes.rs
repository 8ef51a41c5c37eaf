//! Nodes that ended neither well nor badly: asked about, parked, silent, poisonous.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Home, until, wait};

/// A task that is a shell script, with more about its entry.
fn task(key: &str, script: &str, more: &Value) -> Value {
    let mut entry = json!({
        "domain": "task", "key": key, "provider": "sh", "factory": "exec:sh",
        "metadata": {"exec": {"args": ["-euc", script]}},
    });
    merge(&mut entry, more);
    entry
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

/// A home with one manifest of these tasks, whose workflow `w` has a node of each of `nodes`.
fn home(tasks: &[Value], nodes: &Value) -> Home {
    let home = Home::new();
    let workflow = json!({"domain": "workflow", "key": "w", "provider": "test", "factory": "builtin:noop",
                          "dag": {"nodes": nodes}});
    let entries: Vec<_> = tasks.iter().cloned().chain([workflow]).collect();
    home.file("w.json", &json!({ "entries": entries }).to_string());
    home
}

const RUN: [&str; 5] = ["--manifest", "w.json", "workflow", "run", "w"];

#[test]
fn a_charge_that_went_through_before_a_kill_is_asked_about_and_not_repeated() {
    let charge = r#"echo "$ONEIRIC_IDEMPOTENCY_KEY" >> charged; while [ ! -e gone ]; do sleep 0.02; done"#;
    let look = r#"if grep -qx "$ONEIRIC_IDEMPOTENCY_KEY" charged; then
        echo '{"outcome":"done","output":{"receipt":"R-7"}}'
      else echo '{"outcome":"not_done"}'; fi"#;
    let home = home(
        &[
            task("charge", charge, &json!({"idempotent": false, "reconcile": "look"})),
            task("look", look, &json!({})),
        ],
        &json!([
            {"id": "charge", "task": "charge"},
            {"id": "ship", "task": "look", "depends_on": ["charge"], "payload": "${{ nodes.charge.output }}"},
        ]),
    );
    let lines = || std::fs::read_to_string(home.path().join("charged")).unwrap_or_default().lines().count();
    let child = home.command(&RUN).spawn().unwrap();
    until("the card is charged", || lines() == 1);
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
    wait(child).exits(-1);
    let run = home.json(&["run", "resume", "latest", "--json"]);
    assert_eq!(run["status"], "completed", "{run:#}");
    assert_eq!(run["results"]["charge"], json!({"receipt": "R-7"}));
    assert_eq!((lines(), &run["nodes"]["charge"]["attempts"]), (1, &json!(1)));
    let journal = home.run(&["run", "show", "latest", "--journal"]).exits(0);
    assert!(journal.stdout.contains("charge turned out to have happened"), "{journal:?}");
    std::fs::write(home.path().join("gone"), "").unwrap();
}

#[test]
fn a_hook_that_is_not_there_is_found_before_anything_runs() {
    let home = home(
        &[task("charge", "touch charged", &json!({"reconcile": "lok"})), task("look", "true", &json!({}))],
        &json!([{"id": "charge", "task": "charge"}]),
    );
    let ended = home.run(&RUN).exits(3);
    assert!(ended.stderr.contains("`reconcile` of node `charge` of workflow `w`"), "{ended:?}");
    assert!(!home.path().join("charged").exists());
}

/// A workflow whose first node fails until `fixed` is there, and waits for a person after two tries.
fn exhausted() -> Home {
    let policy = json!({"attempts": 2, "base_delay": 0.01, "on_exhausted": "pause"});
    let home = home(
        &[
            task("push", "echo try >> tries; test -e fixed", &json!({"retry_policy": policy})),
            task("mark", "echo '1'", &json!({})),
        ],
        &json!([
            {"id": "push", "task": "push"},
            {"id": "after", "task": "mark", "depends_on": ["push"]},
            {"id": "beside", "task": "mark"},
        ]),
    );
    let ended = home.run(&RUN).exits(1);
    assert!(ended.stderr.contains("is paused: node `push`"), "{ended:?}");
    assert!(ended.stderr.contains("--unknown retry"), "{ended:?}");
    assert_eq!(tries(&home), 2);
    home
}

fn tries(home: &Home) -> usize {
    std::fs::read_to_string(home.path().join("tries")).unwrap_or_default().lines().count()
}

#[test]
fn a_node_that_was_tried_often_enough_waits_for_a_person_who_lets_it_try_again() {
    let home = exhausted();
    let run = home.json(&["run", "show", "latest", "--json"]);
    assert_eq!(
        (&run["status"], &run["fault"]["code"]),
        (&json!("paused"), &json!("parked-nodes")),
        "{run:#}"
    );
    let statuses = ["push", "after", "beside"].map(|node| run["nodes"][node]["status"].clone());
    assert_eq!(statuses, ["parked", "pending", "completed"]);
    let shown = home.run(&["run", "show", "latest"]).exits(0);
    assert!(shown.stdout.contains("1 node(s) were tried often enough"), "{shown:?}");
    assert!(shown.stdout.contains("1 parked"), "{shown:?}");

    // Nothing has changed: it is tried once more, and parked again.
    home.run(&["run", "resume", "latest", "--unknown", "retry"]).exits(1);
    let before = tries(&home);
    assert_eq!(before, 3);
    std::fs::write(home.path().join("fixed"), "").unwrap();
    let run = home.json(&["run", "resume", "latest", "--unknown", "retry", "--json"]);
    assert_eq!((&run["status"], tries(&home)), (&json!("completed"), before + 1));
    assert_eq!(home.json(&["store", "check", "--json"])["problems"], json!([]));
}

#[test]
fn a_person_may_count_an_exhausted_node_as_failed() {
    let home = exhausted();
    home.run(&["run", "resume", "latest"]).exits(1);
    assert_eq!(tries(&home), 2, "a resume without a word leaves it parked");
    home.run(&["run", "resume", "latest", "--unknown", "fail"]).exits(1);
    let run = home.json(&["run", "show", "latest", "--json"]);
    assert_eq!((&run["status"], &run["nodes"]["after"]["status"]), (&json!("failed"), &json!("skipped")));
    assert_eq!(tries(&home), 2);
}

#[test]
fn another_process_sees_how_far_a_node_is() {
    let slow = r#"echo "::progress 40% page 2 of 5" >&2; echo "an ordinary line" >&2
      while [ ! -e enough -a -e w.json ]; do sleep 0.02; done; echo '"done"'"#;
    let home = home(&[task("slow", slow, &json!({}))], &json!([{"id": "slow", "task": "slow"}]));
    let child = home.command(&[&RUN[..], &["--json"]].concat()).spawn().unwrap();
    let mut seen = Value::Null;
    until("its progress is seen", || {
        let shown = home.run(&["run", "show", "latest", "--json"]);
        if shown.code == 0 {
            seen = shown.json()["nodes"]["slow"]["progress"].clone();
        }
        !seen.is_null()
    });
    assert_eq!((&seen["fraction"], &seen["text"]), (&json!(0.4), &json!("page 2 of 5")));
    assert!(seen["at"].is_string(), "{seen:#}");
    let shown = home.run(&["run", "show", "latest"]).exits(0);
    assert!(shown.stdout.contains("40% page 2 of 5"), "{shown:?}");
    std::fs::write(home.path().join("enough"), "").unwrap();
    wait(child).exits(0);
    // It is kept in memory only, and is no line of the log.
    let run = home.json(&["run", "show", "latest", "--json"]);
    assert_eq!(run["nodes"]["slow"].get("progress"), None, "{run:#}");
    let log = home.run(&["run", "show", "latest", "--log"]).exits(0);
    assert!(log.stdout.contains("an ordinary line") && !log.stdout.contains("::progress"), "{log:?}");
}

#[test]
fn a_program_that_falls_silent_is_stopped_and_one_that_beats_is_not() {
    let silent =
        r#"echo "$$" > pid; if [ -e silent ]; then echo '"back"'; exit; fi; touch silent; sleep 600"#;
    let beating =
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo ::progress >&2; sleep 0.1; done; echo '\"beat\"'";
    let retry = json!({"attempts": 2});
    let more = json!({"heartbeat_timeout": 1, "retry_policy": retry});
    let home = home(
        &[task("silent", silent, &more), task("beating", beating, &json!({}))],
        &json!([
            {"id": "silent", "task": "silent"},
            {"id": "beating", "task": "beating", "heartbeat_timeout": 1, "depends_on": ["silent"]},
        ]),
    );
    let run = home.json(&[&RUN[..], &["--json"]].concat());
    assert_eq!(run["results"]["silent"], "back", "{run:#}");
    assert_eq!(
        (&run["nodes"]["silent"]["attempts"], &run["nodes"]["beating"]["attempts"]),
        (&json!(2), &json!(1))
    );
    let journal = home.run(&["run", "show", "latest", "--journal"]).exits(0);
    assert!(journal.stdout.contains("was silent for 1s (transient, heartbeat)"), "{journal:?}");
}

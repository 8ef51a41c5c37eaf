//! Tasks in other languages, kept in processes that are called again and again.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Ended, Home, until, wait};

const SHOP: &str = r#"
import os, time

class Charge:
    def __init__(self, settings=None):
        self.count = 0

    async def run(self, payload, context):
        self.count += 1
        print("charging", payload["amount"])
        return {"amount": payload["amount"], "node": context.node, "count": self.count, "pid": os.getpid()}

def fragile(payload, context):
    """Takes its process with it, except on its second try."""
    if context.attempt == 1:
        os.kill(os.getpid(), 9)
    return context.attempt

def stuck(payload):
    open("pid", "w").write("%d\n" % os.getpid())
    time.sleep(1000)
"#;

const ANNOUNCER: &str = r#"
import json, sys
for line in sys.stdin:
    m = json.loads(line)
    if m["type"] == "hello":
        print('{"type":"ready","roles":["task"]}', flush=True)
    elif m["type"] == "call":
        out = "sold for %d" % m["input"]["amount"]
        print(json.dumps({"type": "result", "id": m["id"], "output": out}), flush=True)
    elif m["type"] == "stop":
        break
"#;

/// A home with the modules and a workflow of these nodes; `charge` and `fragile` are tasks by name.
fn home(nodes: &Value) -> Home {
    let home = Home::new();
    home.file("shop.py", SHOP);
    home.file("announcer.py", ANNOUNCER);
    let task = |key: &str, factory: &str, more: Value| {
        let mut entry = json!({"domain": "task", "key": key, "provider": "test", "factory": factory});
        for (name, value) in more.as_object().unwrap() {
            entry[name] = value.clone();
        }
        entry
    };
    let retry = json!({"retry_policy": {"attempts": 2, "base_delay": 0}});
    let entries = json!({"entries": [
        task("charge", "shop:Charge", json!({})),
        task("fragile", "shop:fragile", retry),
        task("stuck", "shop:stuck", json!({})),
        task("announce", "worker:python3", json!({"metadata": {"worker": {"args": ["announcer.py"]}}})),
        {"domain": "workflow", "key": "w", "provider": "test", "factory": "builtin:noop", "dag": {"nodes": nodes}},
    ]});
    home.file("w.json", &entries.to_string());
    home
}

fn command(home: &Home) -> std::process::Command {
    let mut command = home.command(&["--manifest", "w.json", "--json", "workflow", "run", "w"]);
    command.env("ONEIRIC_FACTORY_ALLOWLIST", "shop");
    command
}

fn run(home: &Home) -> Ended {
    Ended::of(&command(home).output().unwrap())
}

fn alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    !matches!(state, None | Some('Z' | 'X'))
}

fn pid_in(home: &Home) -> Option<i32> {
    std::fs::read_to_string(home.path().join("pid")).ok()?.strip_suffix('\n')?.parse().ok()
}

#[test]
fn a_python_class_and_a_worker_are_tasks_of_one_workflow() {
    let home = home(&json!([
        {"id": "first", "task": "charge", "payload": {"amount": 7}},
        {"id": "second", "task": "charge", "payload": "${{ nodes.first.output }}", "depends_on": ["first"]},
        {"id": "told", "task": "announce", "payload": "${{ nodes.second.output }}", "depends_on": ["second"]},
    ]));
    let found = run(&home).exits(0).json();
    let results = &found["results"];
    assert_eq!(results["told"], "sold for 7", "{found}");
    assert_eq!((&results["first"]["count"], &results["second"]["count"]), (&json!(1), &json!(2)));
    assert_eq!(results["first"]["pid"], results["second"]["pid"], "one interpreter serves both");
    assert_eq!(results["second"]["node"], "second");
    let pid = results["first"]["pid"].as_i64().unwrap();
    assert!(!alive(pid.try_into().unwrap()), "it ended with the command");
}

#[test]
fn an_interpreter_that_dies_costs_one_try() {
    let home = home(&json!([{"id": "n", "task": "fragile", "payload": {}}]));
    assert_eq!(run(&home).exits(0).json()["results"]["n"], 2);
}

#[test]
fn a_task_that_blocks_for_ever_is_cut_by_its_timeout() {
    let home = home(&json!([{"id": "n", "task": "stuck", "payload": {}, "timeout_seconds": 0.3}]));
    let ended = run(&home).exits(1);
    assert!(ended.stdout.contains("timed out after 300ms"), "{ended:?}");
    assert!(!alive(pid_in(&home).unwrap()));
}

#[test]
fn a_killed_orchestrator_leaves_no_interpreter_behind() {
    let home = home(&json!([{"id": "n", "task": "stuck", "payload": {}}]));
    let child = command(&home).spawn().unwrap();
    until("the task works", || pid_in(&home).is_some());
    let pid = pid_in(&home).unwrap();
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
    wait(child);
    until("the interpreter is gone", || !alive(pid));
}

#[test]
fn a_module_that_is_not_there_is_a_matter_of_resolution() {
    let home = home(&json!([{"id": "n", "task": "charge"}]));
    std::fs::rename(home.path().join("shop.py"), home.path().join("shops.py")).unwrap();
    let ended = run(&home).exits(3);
    assert!(ended.stderr.contains("no module `shop`"), "{ended:?}");
    assert!(ended.stderr.contains("did you mean `shops`?"), "{ended:?}");
    assert!(!home.path().join(".oneiric_cache").exists(), "nothing ran, and something was created");
}

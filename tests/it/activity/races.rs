//! `workflow run` beside `drain`, `pause`, `resume`, SIGTERM and SIGKILL, at moments made of seeds.

use std::process::Child;
use std::time::Duration;

use nix::sys::signal::Signal;
use oneiric_core::Rng as _;
use oneiric_core::rng::SeededRng;
use serde_json::json;

use super::signal;
use crate::support::{Home, nap, until, wait};

const TRIALS: u64 = 20;

/// The nodes of a run, six at a time.
const NODES: usize = 18;

/// What becomes of the process that has the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Lives,
    Terminated,
    Killed,
}

/// Lines of begun and ended nodes, by file.
fn count(home: &Home, name: &str) -> usize {
    std::fs::read(home.path().join(name)).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

fn manifest(home: &Home) -> String {
    let (begun, ended) = (home.path().join("begun"), home.path().join("ended"));
    let script = "echo $ONEIRIC_NODE >> \"$BEGUN\"; sleep 0.02; echo $ONEIRIC_NODE >> \"$ENDED\"";
    let exec = json!({"args": ["-euc", script], "stdout": "none",
                      "env": {"BEGUN": begun.to_str().unwrap(), "ENDED": ended.to_str().unwrap()}});
    let nodes: Vec<_> = (0..NODES)
        .map(|n| {
            let after = if n < 6 { json!([]) } else { json!([format!("n{}", n - 6)]) };
            json!({"id": format!("n{n}"), "task": "mark", "depends_on": after})
        })
        .collect();
    json!({"entries": [
        {"domain": "task", "key": "mark", "provider": "sh", "factory": "exec:sh", "metadata": {"exec": exec}},
        {"domain": "workflow", "key": "many", "provider": "t", "factory": "builtin:noop",
         "dag": {"nodes": nodes}},
    ]})
    .to_string()
}

fn run(home: &Home) -> Child {
    home.command(&["--manifest", "many.json", "--json", "workflow", "run", "many"]).spawn().unwrap()
}

#[test]
fn a_drain_beside_a_run_is_final_and_loses_nothing() {
    for seed in 0..TRIALS {
        let rng = SeededRng::new(seed);
        let below = |bound: u64| rng.next_u64() % bound;
        let home = Home::new();
        home.file("many.json", &manifest(&home));
        let child = run(&home);
        let first = 1 + below(12) as usize;
        until("nodes have begun", || count(&home, "begun") >= first);
        if below(2) == 0 {
            home.run(&["pause", "mark", "--domain", "task"]).exits(0);
            nap(Duration::from_millis(below(20)));
            home.run(&["pause", "mark", "--domain", "task", "--resume"]).exits(0);
        }
        let fate = [Fate::Lives, Fate::Lives, Fate::Terminated, Fate::Killed][below(4) as usize];
        let drain = home.command(&["drain", "mark", "--domain", "task"]).spawn().unwrap();
        nap(Duration::from_millis(below(60)));
        match fate {
            Fate::Lives => {}
            Fate::Terminated => signal(child.id(), Signal::SIGTERM),
            Fate::Killed => signal(child.id(), Signal::SIGKILL),
        }
        wait(drain).exits(0);
        let begun = count(&home, "begun");
        let over = if fate == Fate::Killed {
            // What a killed process had begun is nobody's work, and may still write its lines.
            Some(wait(child).code)
        } else {
            let all = begun == NODES;
            nap(Duration::from_millis(60));
            assert_eq!(count(&home, "begun"), begun, "{seed} {fate:?}: begun after the drain");
            let unended = begun - count(&home, "ended");
            assert!(unended == 0 || fate == Fate::Terminated, "{seed}: {unended} in flight after the drain");
            home.run(&["resume", "mark", "--domain", "task"]).exits(0);
            let code = wait(child).code;
            // One that was asked to stop may have been through by then.
            assert!(code == 0 || (code == 143 && fate == Fate::Terminated), "{seed} {fate:?} {all}: {code}");
            Some(code)
        };
        if over != Some(0) {
            home.run(&["resume", "mark", "--domain", "task"]).exits(0);
            home.run(&["run", "resume", "--all"]).exits(0);
        }
        let shown = home.json(&["run", "show", "latest", "--json"]);
        assert_eq!(shown["status"], "completed", "{seed} {fate:?}: {shown:#}");
        assert!(count(&home, "ended") >= NODES, "{seed} {fate:?}");
    }
}

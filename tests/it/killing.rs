//! A long run is killed twenty times at random moments, and loses nothing.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use oneiric_core::Rng;
use oneiric_core::rng::SeededRng;
use oneiric_testkit::graphs::{id, random_shape};
use serde_json::{Value, json};

use crate::support::{Ended, Home, nap, note, now, until};

const NODES: usize = 300;
const KILLS: usize = 20;
const PARALLEL: &str = "8";

/// No node is poison here, however often its process dies: it is the test that kills.
const INNOCENT: (&str, &str) = ("ONEIRIC_EXECUTION__MAX_DELIVERIES", "1000");

/// Every node leaves its effect halfway through, so that kills hit before and after it. Nodes differ in
/// length, so that not all of them end at once.
const SCRIPT: &str = r#"n=${ONEIRIC_NODE#n}
sleep 0.00$((n % 7 + 2)); echo "$ONEIRIC_NODE" >> "$EFFECTS"; sleep 0.0$((n % 4 + 1))"#;

/// When a process is killed. Those that wait for effects kill in the middle of the work however slow
/// the machine is, the others also while the process starts.
#[derive(Debug)]
enum Moment {
    After(Duration),
    Effects(usize, Duration),
}

fn below(rng: &dyn Rng, bound: u64) -> u64 {
    rng.next_u64() % bound
}

fn moment(rng: &dyn Rng, nth: usize) -> Moment {
    let tail = Duration::from_micros(below(rng, 30_000));
    // The first process has to live long enough for there to be a run at all.
    if nth == 0 || below(rng, 2) == 0 {
        Moment::Effects(1 + below(rng, 10) as usize, tail)
    } else {
        Moment::After(Duration::from_micros(below(rng, 120_000)))
    }
}

/// The seed of this time: `ONEIRIC_TEST_SEED` repeats an earlier one.
#[expect(clippy::disallowed_methods, reason = "whoever repeats a test says so in the environment")]
pub(crate) fn seed() -> u64 {
    let said = std::env::var("ONEIRIC_TEST_SEED").ok();
    said.map_or_else(
        || u64::from(std::process::id()) ^ now_nanos(),
        |seed| seed.parse().expect("ONEIRIC_TEST_SEED is a number"),
    )
}

#[expect(clippy::disallowed_methods, reason = "a seed that differs from the last one")]
fn now_nanos() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.unwrap().as_nanos() as u64
}

fn manifest(rng: &dyn Rng, effects: &Path) -> String {
    let nodes: Vec<Value> = random_shape(rng, NODES, 30)
        .iter()
        .enumerate()
        .map(|(place, upstream)| {
            let upstream: Vec<_> = upstream.iter().map(|place| id(*place).to_string()).collect();
            json!({"id": id(place).to_string(), "task": "mark", "depends_on": upstream})
        })
        .collect();
    let exec = json!({
        "args": ["-euc", SCRIPT], "env": {"EFFECTS": effects.to_str().unwrap()}, "stdout": "none",
    });
    let entries = json!([
        {"domain": "task", "key": "mark", "provider": "sh", "factory": "exec:sh", "metadata": {"exec": exec}},
        {"domain": "workflow", "key": "long", "provider": "test", "factory": "builtin:noop",
         "dag": {"nodes": nodes}},
    ]);
    json!({"source": "killing", "entries": entries}).to_string()
}

/// How often each node has left its effect.
fn effects(path: &Path) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
        *counts.entry(line.to_owned()).or_default() += 1;
    }
    counts
}

fn lines(path: &Path) -> usize {
    std::fs::read(path).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

/// The nodes that the store calls completed.
fn completed(home: &Home) -> Vec<String> {
    let run = home.json(&["run", "show", "latest", "--json"]);
    let nodes = run["nodes"].as_object().unwrap();
    nodes.iter().filter(|(_, node)| node["status"] == "completed").map(|(id, _)| id.clone()).collect()
}

/// Starts a process that nobody listens to while it lives.
fn spawn(home: &Home, command: &mut Command) -> Child {
    let log = std::fs::File::create(home.path().join("log")).unwrap();
    command.stdout(std::process::Stdio::null()).stderr(log).spawn().unwrap()
}

fn log(home: &Home) -> String {
    std::fs::read_to_string(home.path().join("log")).unwrap_or_default()
}

#[test]
fn a_run_killed_twenty_times_repeats_nothing_that_was_checkpointed() {
    let seed = seed();
    note(&format!("ONEIRIC_TEST_SEED={seed} repeats this"));
    let rng = SeededRng::new(seed);
    let home = Home::new();
    let marks = home.path().join("effects");
    let manifest = home.file("long.json", &manifest(&rng, &marks));
    let manifest = manifest.to_str().unwrap();

    // For each node how often it had left its effect when it was first seen completed.
    let mut settled: HashMap<String, usize> = HashMap::new();
    let mut story = String::new();
    for nth in 0..KILLS {
        let mut command = match nth {
            0 => {
                home.command(&["--manifest", manifest, "workflow", "run", "long", "--max-parallel", PARALLEL])
            }
            n if n % 2 == 0 => home.command(&["run", "resume", "--all"]),
            _ => home.command(&["run", "resume", "latest"]),
        };
        command.env(INNOCENT.0, INNOCENT.1);
        let before = lines(&marks);
        let moment = moment(&rng, nth);
        let start = now();
        let mut child = spawn(&home, &mut command);
        match moment {
            Moment::After(delay) => nap(delay),
            Moment::Effects(wanted, tail) => {
                until("there are effects", || {
                    lines(&marks) >= before + wanted || child.try_wait().unwrap().is_some()
                });
                nap(tail);
            }
        }
        assert!(
            child.try_wait().unwrap().is_none(),
            "process {nth} ended before it was killed\n{story}{}",
            log(&home)
        );
        child.kill().unwrap();
        child.wait().unwrap();
        let seen = completed(&home);
        let counts = effects(&marks);
        for node in seen {
            let count = counts.get(&node).copied().unwrap_or_default();
            settled.entry(node).or_insert(count);
        }
        let (lived, effects) = (start.elapsed(), lines(&marks));
        let _ = writeln!(story, "{nth}: {moment:?}, {lived:?}; {effects} effects, {} settled", settled.len());
    }
    note(&story);
    assert!(!settled.is_empty() && settled.len() < NODES, "the kills missed the work\n{story}");

    let mut last = home.command(&["run", "resume", "latest", "--json"]);
    let last = Ended::of(&last.env(INNOCENT.0, INNOCENT.1).output().unwrap()).exits(0).json();
    assert_eq!(last["status"], "completed");
    let counts = effects(&marks);
    let missing: Vec<_> = (0..NODES).map(|n| id(n).to_string()).filter(|n| !counts.contains_key(n)).collect();
    assert!(missing.is_empty(), "without effect: {missing:?}");
    let repeated: Vec<_> = settled.iter().filter(|(node, count)| counts[*node] != **count).collect();
    assert!(repeated.is_empty(), "ran again after their checkpoint: {repeated:?}");
    assert!(counts.values().all(|count| *count <= KILLS + 1));

    let check = home.json(&["store", "check", "--json"]);
    assert_eq!(check["problems"], json!([]));
    let over = home.json(&["run", "resume", "--all", "--json"]);
    assert_eq!(over["runs"], json!([]), "nothing is left to go on with");
}

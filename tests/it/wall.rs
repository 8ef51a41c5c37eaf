//! Real workflow graphs on the wall clock: how far a run is from its critical path.
//!
//! As a rule no test asserts a time. This one prints how far the run is off, and asserts only what no
//! machine excuses.

use std::collections::HashMap;
use std::time::Duration;

use oneiric_testkit::data::shared;
use oneiric_testkit::graphs::{Shape, critical_path};
use serde_json::{Value, json};

use crate::support::{Home, note};

/// What each graph is scaled to.
const CRITICAL: Duration = Duration::from_secs(2);

/// How much longer a run may take; the aim for a release build on an idle machine is 5 %.
const TOLERANCE: f64 = 0.25;

/// The graph as a manifest in which every node sleeps for its scaled time.
fn manifest(instance: &Value) -> Value {
    let nodes = instance["nodes"].as_array().unwrap();
    let places: HashMap<&str, usize> =
        nodes.iter().enumerate().map(|(place, node)| (node["id"].as_str().unwrap(), place)).collect();
    let upstream = |node: &Value| {
        let ids = node["depends_on"].as_array().unwrap();
        ids.iter().map(|id| places[id.as_str().unwrap()]).collect::<Vec<_>>()
    };
    let shape: Shape = nodes.iter().map(upstream).collect();
    let time: Vec<_> =
        nodes.iter().map(|node| Duration::from_secs_f64(node["runtime_s"].as_f64().unwrap())).collect();
    let scale = CRITICAL.as_secs_f64() / critical_path(&shape, &time).as_secs_f64();
    // The names of tasks in the wild are not always names to us.
    let nodes = shape.iter().zip(&time).enumerate().map(|(place, (upstream, time))| {
        let upstream: Vec<_> = upstream.iter().map(|place| format!("n{place}")).collect();
        let seconds = time.as_secs_f64() * scale;
        json!({"id": format!("n{place}"), "task": "sleep", "depends_on": upstream, "payload": {"seconds": seconds}})
    });
    json!({"entries": [
        {"domain": "task", "key": "sleep", "provider": "test", "factory": "builtin:sleep"},
        {"domain": "workflow", "key": "real", "provider": "test", "factory": "builtin:noop",
         "dag": {"nodes": nodes.collect::<Vec<_>>()}},
    ]})
}

fn check(name: &str) {
    let Some(path) = shared(&format!("wfinstances/{name}")) else { return };
    let instance = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let home = Home::new();
    home.file("real.json", &manifest(&instance).to_string());
    let arguments =
        ["--manifest", "real.json", "workflow", "run", "real", "--max-parallel", "100000", "--json"];
    let run = home.json(&arguments);
    let took = run["duration"].as_f64().unwrap();
    let over = took / CRITICAL.as_secs_f64() - 1.0;
    note(&format!("{name}: {took:.3} s, {:+.1} % of the critical path", over * 100.0));
    assert!((0.0..TOLERANCE).contains(&over), "{name}: {took} s");
}

#[test]
fn montage_takes_its_critical_path_on_the_wall_clock() {
    check("montage-chameleon-2mass-03d-001.json");
}

#[test]
fn epigenomics_takes_its_critical_path_on_the_wall_clock() {
    check("epigenomics-chameleon-hep-7seq-50k-001.json");
}

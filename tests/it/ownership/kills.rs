//! Several processes on one file, killed one by one and all at once while work comes in.
//!
//! `ONEIRIC_TEST_KILLS=500` makes a long one of it.

use std::time::Duration;

use oneiric_core::rng::SeededRng;

use super::stage::{Process, Stage, below, number};
use crate::killing::seed;
use crate::support::{nap, note, now};

const NODES: usize = 5;

/// Processes that serve.
const SERVING: usize = 3;

#[test]
fn processes_that_are_killed_at_any_time_lose_nothing_and_apply_nothing_twice() {
    let cycles = number("ONEIRIC_TEST_KILLS").unwrap_or(50);
    let seed = seed();
    note(&format!("ONEIRIC_TEST_SEED={seed} repeats this"));
    let rng = SeededRng::new(seed);
    let mut stage = Stage::new(&rng, NODES, "sleep 0.01", "");
    let start = now();
    let mut serving: Vec<Process> = (0..SERVING).map(|n| stage.orchestrate(&format!("{n}"), &[])).collect();
    let mut alone: Vec<Process> = Vec::new();
    let (mut kills, mut begun) = (0, 0);
    for cycle in 0..cycles {
        stage.submit(&rng, 1 + below(&rng, 3) as usize);
        if below(&rng, 3) == 0 {
            // Its run is its own until it dies, and then anybody's.
            let command = stage.command(&["--manifest", "w.json", "workflow", "run", "w"]);
            alone.push(stage.spawn("alone", command, &[]));
            begun += 1;
        }
        nap(Duration::from_micros(below(&rng, 120_000)));
        let all = below(&rng, 5) == 0;
        let one = below(&rng, SERVING as u64) as usize;
        for (n, process) in serving.iter_mut().enumerate().filter(|(n, _)| all || *n == one) {
            assert!(!process.has_ended(), "process {n} ended by itself\n{}", process.text());
            process.kill();
            *process = stage.orchestrate(&format!("{n}"), &[]);
            kills += 1;
        }
        if alone.len() > 2 || all {
            kills += alone.drain(..).map(|mut process| process.kill()).count();
        }
        assert!(start.elapsed() < Duration::from_secs(3600), "cycle {cycle}");
    }
    drop(alone);
    stage.settle();
    let lasted = start.elapsed();
    for mut process in serving {
        // The last one may have been started a moment ago, and signals are caught from its start on.
        process.has_started();
        process.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(process.ended(), Some(0), "{}", process.text());
    }
    let tries = stage.audit();
    let runs = stage.runs();
    note(&format!(
        "{cycles} cycles, {kills} kills; {} runs submitted, {begun} begun, {runs} in the store, {} nodes, {tries} tries; \
         {lasted:.1?}; 0 lost, 0 applied twice, 0 ran again behind their checkpoint",
        stage.submitted(),
        runs * NODES
    ));
}

//! A process that is told to stop at any time, under load: what it accepted is there, nothing of it is lost, and the
//! next one goes on.
//!
//! `ONEIRIC_TEST_SIGNALS=300` makes a long one of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use oneiric_core::rng::SeededRng;
use oneiric_core::{Rng, RunId};
use serde_json::json;

use super::stage::{Process, Stage, below, number};
use crate::killing::seed;
use crate::support::{nap, note, now, until};
use crate::web;

const NODES: usize = 3;

/// Clients that submit while the process lives.
const CLIENTS: u64 = 3;

/// What the process may take to end once it was told to; and what it may take beyond that.
const GRACE: Duration = Duration::from_secs(10);
const SLACK: Duration = Duration::from_secs(1);

/// How long a first signal is followed by another one that is taken to be the same.
const TOGETHER: Duration = Duration::from_millis(300);

#[test]
fn a_process_that_is_told_to_stop_at_any_time_keeps_what_it_accepted_one() {
    trials(0);
}

#[test]
fn a_process_that_is_told_to_stop_at_any_time_keeps_what_it_accepted_two() {
    trials(1);
}

/// Half of the trials each, on a state folder of their own.
fn trials(half: u64) {
    let trials = number("ONEIRIC_TEST_SIGNALS").unwrap_or(60).div_ceil(2);
    let seed = seed().wrapping_add(half);
    note(&format!("ONEIRIC_TEST_SEED={seed} repeats this"));
    let rng = SeededRng::new(seed);
    // One in forty tries does not stop when it is asked to, and ends on its own after a while.
    let stubborn = r#"case "$ONEIRIC_RUN_ID" in *00|*01|*02|*03|*04|*05|*06) trap '' TERM; sleep 0.6;; *) sleep 0.01;; esac"#;
    let mut stage = Stage::new(&rng, NODES, stubborn, "");
    let (mut longest, mut accepted, mut twice) = (Duration::ZERO, 0, 0);
    for _ in 0..trials {
        let trial = trial(&stage, &rng);
        longest = longest.max(trial.took);
        accepted += trial.accepted.len();
        twice += usize::from(trial.code != 0);
        trial.accepted.into_iter().for_each(|run| stage.was_submitted(run));
        assert_eq!(stage.missing(), [], "what was accepted is in the store");
    }
    let mut last = stage.orchestrate("last", &[]);
    stage.settle();
    last.signal(Signal::SIGTERM);
    assert_eq!(last.ended(), Some(0), "{}", last.text());
    let tries = stage.audit();
    note(&format!(
        "{trials} processes told to stop, {twice} of them twice; {accepted} runs accepted, {tries} tries, 0 lost; \
         the longest end took {longest:.1?}"
    ));
}

struct Trial {
    accepted: Vec<RunId>,
    took: Duration,
    code: i32,
}

fn trial(stage: &Stage, rng: &dyn Rng) -> Trial {
    let arguments = ["--manifest", "w.json", "orchestrate", "--grace", "10", "--http-port", "0"];
    let mut process = stage.spawn("trial", stage.command(&arguments), &[]);
    let address = listening(&process);
    let is_over = AtomicBool::new(false);
    let seeds: Vec<u64> = (0..CLIENTS).map(|_| rng.next_u64()).collect();
    let wait = Duration::from_micros(below(rng, 120_000));
    let (first, second) = (any_signal(rng), any_signal(rng));
    let again = (below(rng, 4) == 0).then(|| TOGETHER + Duration::from_micros(below(rng, 300_000)));
    let together = below(rng, 4) == 0;
    std::thread::scope(|scope| {
        let clients: Vec<_> =
            seeds.iter().map(|seed| scope.spawn(|| submit(&address, *seed, &is_over))).collect();
        nap(wait);
        let start = now();
        process.signal(first);
        if together {
            process.signal(second);
        }
        let code = ended(&mut process, start, again.map(|wait| (wait, second)));
        let took = start.elapsed();
        is_over.store(true, Ordering::Relaxed);
        let allowed: &[i32] = if again.is_some() { &[0, 130, 143] } else { &[0] };
        assert!(allowed.contains(&code), "it ended with {code}\n{}", process.text());
        assert!(took <= GRACE + SLACK, "it took {took:?} to end\n{}", process.text());
        let accepted = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
        Trial { accepted, took, code }
    })
}

/// Waits for the end; the second signal comes after a while, where there is one.
fn ended(process: &mut Process, start: Instant, mut again: Option<(Duration, Signal)>) -> i32 {
    until("the process ends", || {
        if let Some((_, signal)) = again.take_if(|(wait, _)| start.elapsed() >= *wait) {
            process.signal(signal);
        }
        process.has_ended()
    });
    process.ended().expect("it ended by itself")
}

/// Where a process listens.
pub(crate) fn listening(process: &Process) -> String {
    let mut address = None;
    until("it listens", || {
        let pid = process.pid();
        // A log that several processes write one after the other: the last one counts.
        let is_ours = process.said("orchestrator started").last().is_some_and(|line| line["pid"] == pid);
        let said = process.said("listening");
        address = said.last().filter(|_| is_ours).and_then(|line| Some(line["address"].as_str()?.to_owned()));
        address.is_some() && said.len() == process.said("orchestrator started").len()
    });
    address.expect("it was just seen")
}

/// Submits until nobody listens any more; what was accepted.
fn submit(address: &str, seed: u64, is_over: &AtomicBool) -> Vec<RunId> {
    let rng = SeededRng::new(seed);
    let mut accepted = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let run = RunId::from_bytes(
            ((u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64())).to_be_bytes(),
        );
        let body = json!({"workflow": "w", "run_id": run.to_string()});
        match web::post(address, "/v1/runs", &body) {
            Ok(answer) if answer.status == 201 => accepted.push(run),
            Ok(answer) => assert!(matches!(answer.status, 429 | 503), "{answer:?}"),
            // It goes down: whether this one was accepted is not known.
            Err(_) => break,
        }
        nap(Duration::from_micros(below(&rng, 20_000)));
    }
    accepted
}

fn any_signal(rng: &dyn Rng) -> Signal {
    if below(rng, 2) == 0 { Signal::SIGTERM } else { Signal::SIGINT }
}

//! A kill at each boundary between an event, its effect and the record of it: each point twenty times.

use nix::sys::signal::Signal;
use oneiric_core::rng::SeededRng;

use super::stage::Stage;
use crate::killing::seed;
use crate::ownership::stage::below;
use crate::support::note;

const KILLS: usize = 20;

/// How many processes may come through without passing a point often enough to be killed there.
const MISSES: usize = 60;

/// The points that have a test here.
pub(crate) const TESTED: [&str; 3] = ["event.accepted", "delivery.before_effect", "delivery.after_effect"];

/// Kills at the point, at one of its first passings; whoever comes next takes over what the last one left.
fn check(point: usize, passings: u64, serves: bool) {
    let point = TESTED[point];
    if !cfg!(debug_assertions) {
        note("SKIPPED: a binary that is built for others has no failpoints");
        return;
    }
    let seed = seed();
    note(&format!("ONEIRIC_TEST_SEED={seed} repeats this"));
    let rng = SeededRng::new(seed);
    let mut stage = Stage::new("0");
    let (mut kills, mut processes) = (0, 0);
    while kills < KILLS {
        processes += 1;
        assert!(processes <= KILLS + MISSES, "{point} killed only {kills} of {processes} processes");
        let at = format!("{point}:{}", 1 + below(&rng, passings));
        let fate = [("ONEIRIC_FAILPOINT", at.as_str())];
        // Whoever serves waits for the next event where there is none to die of.
        let serves = serves && processes > 1 && stage.open_deliveries() >= 4 && below(&rng, 2) == 0;
        if serves {
            let mut serving = stage.orchestrate(&fate);
            assert_eq!(serving.ended(), None, "{}", serving.text());
            kills += 1;
            continue;
        }
        let mut emitter = stage.emit(&fate);
        match emitter.process.ended() {
            None => {
                kills += 1;
                assert!(stage.is_accepted(&emitter.event), "it is killed behind the acceptance");
            }
            Some(code) => assert_eq!(code, 0, "{at}\n{}", emitter.process.text()),
        }
    }
    let mut last = stage.orchestrate(&[]);
    stage.settle();
    last.signal(Signal::SIGTERM);
    assert_eq!(last.ended(), Some(0), "{}", last.text());
    let accepted = stage.audit();
    note(&format!("{point}: {kills} kills of {processes} processes, {accepted} events"));
}

#[test]
fn a_kill_behind_an_acceptance_loses_no_event() {
    check(0, 1, false);
}

#[test]
fn a_kill_before_a_handler_is_called_loses_no_event() {
    check(1, 4, true);
}

#[test]
fn a_kill_between_a_handlers_effect_and_its_record_loses_no_event() {
    check(2, 4, true);
}

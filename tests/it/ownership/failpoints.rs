//! A kill at every boundary between an effect and its record: each point twenty times, on the real binary.

use nix::sys::signal::Signal;
use oneiric_core::Timestamp;
use oneiric_core::rng::SeededRng;
use oneiric_store::Command;
use oneiric_store::failpoint::POINTS;

use super::stage::{Stage, below};
use crate::killing::seed;
use crate::support::{note, until};

/// How often each point kills.
const KILLS: usize = 20;

/// How many processes may come through without passing a point often enough to be killed there.
const MISSES: usize = 60;

const NODES: usize = 5;

/// Kills at `point`, at its first passing or one of the next `passings`; whoever comes next goes on with
/// what the last one left, and meets the same end.
fn check(point: &str, passings: u64) {
    assert!(POINTS.contains(&point), "{point}");
    if !cfg!(debug_assertions) {
        note("SKIPPED: a binary that is built for others has no failpoints");
        return;
    }
    let seed = seed();
    note(&format!("ONEIRIC_TEST_SEED={seed} repeats this"));
    let rng = SeededRng::new(seed);
    // Long enough for some beats of the shortest lease.
    let after = if point.starts_with("beat.") { "sleep 0.15" } else { "" };
    let mut stage = Stage::new(&rng, NODES, "", after);
    let (mut kills, mut processes) = (0, 0);
    while kills < KILLS {
        processes += 1;
        assert!(processes <= KILLS + MISSES, "{point} killed only {kills} of {processes} processes");
        let begins = stage.open_runs() == 0 && below(&rng, 2) == 0;
        let command = if begins {
            stage.command(&["--manifest", "w.json", "workflow", "run", "w"])
        } else {
            if stage.open_runs() == 0 {
                stage.submit(&rng, 1);
            }
            stage.command(&["run", "resume", "--all"])
        };
        let nth = 1 + below(&rng, passings);
        let mut process = stage.spawn(
            "process",
            command,
            &[("ONEIRIC_FAILPOINT", &format!("{point}:{nth}")), ("ONEIRIC_EXECUTION__LEASE_SECONDS", "0.5")],
        );
        match process.ended() {
            // By the signal.
            None => kills += 1,
            Some(code) => assert_eq!(code, 0, "{point}:{nth}\n{}", process.text()),
        }
    }
    let mut last = stage.spawn("last", stage.command(&["run", "resume", "--all"]), &[]);
    assert_eq!(last.ended(), Some(0), "{}", last.text());
    stage.home.run(&["doctor", "--fix"]).exits(0);
    let tries = stage.audit();
    note(&format!("{point}: {kills} kills of {processes} processes, {} runs, {tries} tries", stage.runs()));
}

macro_rules! points {
    ($($name:ident: $point:literal, $passings:literal;)*) => {
        /// The points that have a test.
        const TESTED: &[&str] = &[$($point),*];
        $(#[test]
        fn $name() {
            check($point, $passings);
        })*
    };
}

points! {
    a_kill_before_a_process_is_known_loses_nothing: "enter.locked", 1;
    a_kill_before_a_run_begins_loses_nothing: "run.before_begin", 1;
    a_kill_between_a_run_and_its_first_node_loses_nothing: "run.begun", 1;
    a_kill_before_an_effect_loses_nothing: "node.before_effect", 5;
    a_kill_between_an_effect_and_its_record_loses_nothing: "node.after_effect", 5;
    a_kill_before_a_transaction_loses_nothing: "commit.before_begin", 9;
    a_kill_at_the_end_of_a_transaction_loses_nothing: "commit.before_commit", 9;
    a_kill_behind_a_transaction_loses_nothing: "commit.after_commit", 9;
    a_kill_between_burying_and_taking_loses_nothing: "claim.buried", 1;
    a_kill_behind_a_claim_loses_nothing: "claim.taken", 2;
    a_kill_before_a_beat_loses_nothing: "beat.before", 3;
    a_kill_behind_a_beat_loses_nothing: "beat.after", 3;
    a_kill_before_taking_leave_loses_nothing: "leave.before", 1;
    a_kill_before_the_lock_is_given_up_loses_nothing: "leave.after", 1;
}

#[test]
fn a_kill_behind_a_command_leaves_it_to_be_obeyed_once() {
    if !cfg!(debug_assertions) {
        note("SKIPPED: a binary that is built for others has no failpoints");
        return;
    }
    let rng = SeededRng::new(seed());
    let mut stage = Stage::new(&rng, 2, r#"while [ ! -e "$LEDGER/go" ]; do sleep 0.02; done"#, "");
    stage.submit(&rng, 1);
    for nth in 0..KILLS {
        let mut process = stage.orchestrate(
            "process",
            &[("ONEIRIC_FAILPOINT", "command.obeyed"), ("ONEIRIC_EXECUTION__LEASE_SECONDS", "0.5")],
        );
        // Sometimes while the run is under way, sometimes before; those that nobody obeyed yet are still there.
        if below(&rng, 2) == 0 {
            let known = stage.tries();
            until("the run is under way", || stage.tries() > known || process.has_ended());
        }
        // In the year 2100, one after the other.
        let deadline = Timestamp::from_micros(4_102_444_800_000_000 + nth as i64);
        stage.ask(&rng, Command::Extend { deadline });
        assert_eq!(process.ended(), None, "{}", process.text());
    }
    let count = |sql| stage.database().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let mut last = stage.orchestrate("last", &[]);
    // Before the run ends: a run that is over obeys nothing.
    until("all of them are obeyed", || count("SELECT count(*) FROM commands") == 0);
    std::fs::write(stage.home.path().join("ledger/go"), "").unwrap();
    stage.settle();
    last.signal(Signal::SIGTERM);
    assert_eq!(last.ended(), Some(0), "{}", last.text());
    let obeyed = "SELECT count(*) FROM journal WHERE json_extract(event, '$.type') = 'extended'";
    assert_eq!(count(obeyed), KILLS as i64, "each was obeyed once");
    stage.audit();
}

#[test]
fn every_failpoint_has_a_test() {
    let elsewhere = ["command.obeyed"].iter().chain(&crate::events::failpoints::TESTED);
    let elsewhere = elsewhere.copied().chain([crate::events::triggers::TESTED]);
    let tested: Vec<_> = TESTED.iter().copied().chain(elsewhere).collect();
    assert_eq!(tested, POINTS);
}

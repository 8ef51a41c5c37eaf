//! An owner that stands still for longer than its lease, and comes back: others have its runs by then, and it
//! can write nothing of them any more.
//!
//! `ONEIRIC_TEST_STOPS=12` makes a long one of it, with a stop every ten seconds.

use std::time::Duration;

use nix::sys::signal::Signal;
use oneiric_core::rng::SeededRng;
use rusqlite::Connection;

use super::stage::{Process, Stage, number};
use crate::killing::seed;
use crate::support::{LONG, nap, note, now, until};

const LEASE: Duration = Duration::from_secs(2);

/// How long it stands still.
const STILL: Duration = Duration::from_secs(4);

/// Runs that are under way at a time; each has a node or two in flight.
const RUNS: usize = 60;

/// How many open runs a process owns.
fn owned(conn: &Connection, process: &Process) -> i64 {
    let sql =
        "SELECT count(*) FROM runs r JOIN boots b ON b.id = r.owner WHERE b.pid = ?1 AND r.status IN (0, 1)";
    conn.query_row(sql, [process.pid()], |row| row.get(0)).unwrap()
}

/// The boots that a process has had, and whether the last one stands.
fn boots(conn: &Connection, process: &Process) -> (i64, bool) {
    let sql = "SELECT count(*), max(ended_at IS NULL) FROM boots WHERE pid = ?1";
    conn.query_row(sql, [process.pid()], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// Stops it between two of its transactions. One that is stopped inside of one holds the lock of the file,
/// which nobody can take from it: then everybody waits until it goes on or dies, and nothing is wrong.
fn stop(conn: &Connection, process: &Process) -> u32 {
    let mut missed = 0;
    loop {
        process.signal(Signal::SIGSTOP);
        let start = now();
        // The other one may have it for a moment.
        while start.elapsed() < Duration::from_millis(300) {
            conn.busy_timeout(Duration::ZERO).unwrap();
            let free = conn.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok();
            conn.busy_timeout(LONG).unwrap();
            if free {
                return missed;
            }
            nap(Duration::from_millis(5));
        }
        missed += 1;
        process.signal(Signal::SIGCONT);
        nap(Duration::from_millis(37));
    }
}

fn refused(process: &Process) -> usize {
    let lost = process.said("run lost");
    lost.iter()
        .filter(|line| line["error"].as_str().is_some_and(|why| why.contains("moved on to epoch")))
        .count()
}

#[test]
fn an_owner_that_was_stopped_for_longer_than_its_lease_writes_nothing_when_it_comes_back() {
    let long = number("ONEIRIC_TEST_STOPS");
    let stops = long.unwrap_or(2);
    let seed = seed();
    note(&format!("ONEIRIC_TEST_SEED={seed} repeats this"));
    let rng = SeededRng::new(seed);
    let mut stage = Stage::new(&rng, 8, "sleep 0.5", "");
    let variables = [("ONEIRIC_EXECUTION__LEASE_SECONDS", "2"), ("ONEIRIC_EXECUTION__MAX_PARALLEL", "60")];
    let processes = ["left", "right"].map(|name| stage.orchestrate(name, &variables));
    let conn = stage.database();
    let mut took = Vec::new();
    for nth in 0..stops {
        let begun = now();
        let open = stage.open_runs();
        stage.submit(&rng, RUNS.saturating_sub(open));
        until("somebody owns most of them", || {
            processes.iter().map(|process| owned(&conn, process)).sum::<i64>() >= RUNS as i64 / 2
        });
        // Some of its nodes are under way.
        nap(Duration::from_millis(300));
        let [left, right] = &processes;
        // It is the other one's turn each time: the one that came back works on, and takes over.
        let owner = if owned(&conn, left) > owned(&conn, right) { left } else { right };
        let at_stake = owned(&conn, owner);
        let missed = stop(&conn, owner);
        let stopped = now();
        let mut over = None;
        while stopped.elapsed() < STILL {
            if over.is_none() && owned(&conn, owner) == 0 {
                over = Some(stopped.elapsed());
            }
            nap(Duration::from_millis(10));
        }
        until("its runs are taken over", || {
            let free = owned(&conn, owner) == 0;
            if free && over.is_none() {
                over = Some(stopped.elapsed());
            }
            free
        });
        let over = over.unwrap_or(LEASE);
        let late = refused(owner);
        owner.signal(Signal::SIGCONT);
        until("it gets up under the boot that it had", || boots(&conn, owner) == (1, true));
        note(&format!(
            "stop {nth}: {at_stake} runs taken over after {over:.2?}, {} late commits refused; \
             {missed} stops inside of a transaction",
            refused(owner) - late
        ));
        took.push(over);
        if long.is_some() {
            nap(Duration::from_secs(10).saturating_sub(begun.elapsed()));
        }
    }
    stage.settle();
    let late: usize = processes.iter().map(refused).sum();
    took.sort_unstable();
    let (half, most) = (took[took.len() / 2], took[took.len() - 1]);
    note(&format!(
        "{stops} stops: takeover {:.2?} to {most:.2?}, median {half:.2?}, lease {LEASE:?}; {late} late commits refused",
        took[0]
    ));
    // The claim is a lease and a second; a machine that is busy with something else may add to it.
    assert!(most < LEASE + Duration::from_secs(4), "{took:?}");
    assert!(late > 0, "nothing was late: the test stops nobody in the middle");
    for mut process in processes {
        process.signal(Signal::SIGTERM);
        assert_eq!(process.ended(), Some(0), "{}", process.text());
    }
    stage.audit();
}

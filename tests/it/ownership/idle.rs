//! What a process costs that has nothing to do, and one that only waits.

use std::time::Duration;

use oneiric_core::rng::SeededRng;

use super::stage::{Process, Stage};
use crate::support::{nap, now, until};

/// How long it is watched.
const WATCHED: Duration = Duration::from_secs(3);

/// Read and write calls so far (`/proc/PID/io`), whatever they were about.
fn calls(process: &Process) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/io", process.pid())).unwrap();
    let of = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    of("syscr:") + of("syscw:")
}

/// How often any of its threads gave up the processor because it had nothing to do: wake-ups.
fn wakes(process: &Process) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", process.pid())).unwrap();
    let texts = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok());
    texts
        .filter_map(|text| {
            let line = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
            line.trim().parse::<u64>().ok()
        })
        .sum()
}

/// Transactions that others have committed while it looks, as SQLite counts them.
fn writes(stage: &Stage, time: Duration) -> usize {
    let conn = stage.database();
    let version = || conn.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).unwrap();
    let (mut last, mut seen, start) = (version(), 0, now());
    while start.elapsed() < time {
        nap(Duration::from_millis(5));
        let found = version();
        seen += usize::from(found != last);
        last = found;
    }
    seen
}

#[test]
fn a_process_that_owns_nothing_neither_writes_nor_reads_nor_wakes() {
    let rng = SeededRng::new(1);
    let mut stage = Stage::new(&rng, 2, "", "");
    let serving = stage.orchestrate("serving", &[("ONEIRIC_EXECUTION__LEASE_SECONDS", "1")]);
    // It has worked before: what it began for that has to end with it.
    stage.submit(&rng, 3);
    stage.settle();
    let mut before = calls(&serving);
    until("it comes to rest", || {
        nap(Duration::from_millis(700));
        std::mem::replace(&mut before, calls(&serving)) == before
    });
    let woken = wakes(&serving);
    assert_eq!(writes(&stage, WATCHED), 0);
    assert_eq!(calls(&serving), before, "not even a look at the file");
    let woken = wakes(&serving) - woken;
    assert!(woken < 10, "{woken} wake-ups in {WATCHED:?}");
    drop(serving);
}

#[test]
fn a_process_that_waits_for_its_nodes_writes_a_beat_per_interval_and_no_more() {
    let rng = SeededRng::new(2);
    let gate = r#"while [ ! -e "$LEDGER/go" ]; do sleep 0.05; done"#;
    let mut stage = Stage::new(&rng, 1, gate, "");
    let _serving = stage.orchestrate("serving", &[("ONEIRIC_EXECUTION__LEASE_SECONDS", "2")]);
    stage.submit(&rng, 20);
    until("all of them wait", || stage.tries() >= 20);
    nap(Duration::from_millis(300));
    // A quarter of two seconds.
    let beats = writes(&stage, WATCHED);
    assert!((3..=7).contains(&beats), "{beats} writes in {WATCHED:?}");
    std::fs::write(stage.home.path().join("ledger/go"), "").unwrap();
    stage.settle();
}

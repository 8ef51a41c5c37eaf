//! Wall clocks that are set forward and back under processes that work: an hour and ten years.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use oneiric_core::rng::SeededRng;

use super::stage::Stage;
use crate::support::{nap, note};

/// Where Debian's package `faketime` puts it.
const LIBRARY: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// The library; `None` where it is not there.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says that none may be skipped")]
fn library() -> Option<&'static str> {
    let found = LIBRARY.into_iter().find(|path| Path::new(path).exists());
    if found.is_none() {
        let strict = std::env::var("ONEIRIC_TEST_STRICT").is_ok_and(|value| value == "1");
        assert!(!strict, "libfaketime is not there (`apt install faketime`), and no skip is allowed");
        note("SKIPPED: libfaketime is not there");
    }
    found
}

#[test]
fn a_clock_that_is_set_costs_no_lease_and_no_retry() {
    let Some(library) = library() else { return };
    let rng = SeededRng::new(1);
    // The first try of every node fails, so that a retry is in flight at every moment.
    let mut stage = Stage::retrying(&rng, 6, r#"[ "$ONEIRIC_ATTEMPT" -ge 2 ] || exit 1"#, "", 0.3);
    let time = stage.home.file("time", "+0");
    let variables = [
        ("LD_PRELOAD", library),
        ("FAKETIME_TIMESTAMP_FILE", time.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        // Only what people set: the monotonic clock is the system's.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("ONEIRIC_EXECUTION__LEASE_SECONDS", "2"),
    ];
    let mut left = stage.orchestrate("left", &variables);
    let right = stage.orchestrate("right", &variables);
    for offset in ["+3600", "+0", "-3600", "+0", "+315360000", "-315360000", "+0"] {
        std::fs::write(&time, offset).unwrap();
        stage.submit(&rng, 3);
        nap(Duration::from_millis(700));
    }
    let runs = stage.submitted();
    stage.settle();
    for process in [&left, &right] {
        assert!(process.said("run lost").is_empty(), "{}", process.text());
        assert!(process.said("a process was silent for longer than its lease").is_empty());
    }
    let taken = left.said("run taken over").len() + right.said("run taken over").len();
    assert_eq!(taken, runs, "each run had one owner");
    assert_eq!(stage.tries(), runs * 6 * 2, "each node was tried again once");

    // Retries that a process noted in another time than its successor has.
    std::fs::write(&time, "+315360000").unwrap();
    stage.submit(&rng, 4);
    nap(Duration::from_millis(400));
    left.kill();
    std::fs::write(&time, "-3600").unwrap();
    let left = stage.orchestrate("next", &variables);
    stage.settle();
    for mut process in [left, right] {
        process.signal(Signal::SIGTERM);
        assert_eq!(process.ended(), Some(0), "{}", process.text());
    }
    stage.audit();
}

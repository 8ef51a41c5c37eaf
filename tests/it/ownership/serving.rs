//! `orchestrate`: what it takes over, how it ends, and what it says.

use std::time::Duration;

use nix::sys::signal::Signal;
use oneiric_core::rng::SeededRng;
use serde_json::json;

use super::stage::Stage;
use crate::support::{Home, nap, now, until};

#[test]
fn what_is_submitted_and_what_a_dead_process_left_goes_on_without_a_manifest() {
    let rng = SeededRng::new(1);
    let gate = r#"while [ "$ONEIRIC_NODE" = n3 -a ! -e "$LEDGER/go" ]; do sleep 0.02; done"#;
    let mut stage = Stage::new(&rng, 5, gate, "");
    let begin = stage.command(&["--manifest", "w.json", "workflow", "run", "w"]);
    let mut first = stage.spawn("first", begin, &[]);
    until("it is under way", || stage.tries() > 0);
    first.kill();
    std::fs::write(stage.home.path().join("ledger/go"), "").unwrap();
    std::fs::remove_file(stage.home.path().join("w.json")).unwrap();
    stage.submit(&rng, 3);

    let mut serving = stage.orchestrate("serving", &[]);
    stage.settle();
    // The bell is heard by a process that has nothing to do.
    stage.submit(&rng, 2);
    stage.settle();
    serving.signal(Signal::SIGTERM);
    assert_eq!(serving.ended(), Some(0), "{}", serving.text());
    assert_eq!(serving.said("orchestrator started").len(), 1);
    assert_eq!(serving.said("orchestrator stopped").len(), 1);
    assert_eq!(serving.said("run taken over").len(), 6);
    stage.audit();
}

#[test]
fn a_process_that_is_told_to_stop_leaves_its_runs_to_the_next() {
    let rng = SeededRng::new(2);
    let mut stage = Stage::new(&rng, 3, r#"while [ ! -e "$LEDGER/go" ]; do sleep 0.02; done"#, "");
    stage.submit(&rng, 4);
    let mut serving = stage.orchestrate("serving", &[]);
    until("all of them are under way", || stage.tries() >= 4);
    serving.signal(Signal::SIGINT);
    assert_eq!(serving.ended(), Some(0), "{}", serving.text());
    let sick = stage.home.run(&["doctor", "--json"]).exits(0).json();
    assert_eq!((&sick["findings"], &sick["hints"][0]["kind"]), (&json!([]), &json!("nobody_serves")));
    std::fs::write(stage.home.path().join("ledger/go"), "").unwrap();
    let _next = stage.orchestrate("next", &[]);
    stage.settle();
    stage.audit();
}

#[test]
fn a_second_signal_leaves_at_once() {
    let rng = SeededRng::new(3);
    // It does not stop when it is asked to.
    let stubborn = r#"trap '' TERM; while [ ! -e "$LEDGER/go" ]; do sleep 0.02; done"#;
    let mut stage = Stage::new(&rng, 1, stubborn, "");
    stage.submit(&rng, 1);
    let mut serving = stage.orchestrate("serving", &[]);
    until("it is under way", || stage.tries() > 0);
    serving.signal(Signal::SIGTERM);
    until("it is stopping", || {
        serving.said("orchestrator is stopping; a second signal leaves at once").len() == 1
    });
    // Two that come close together are one, so that it may take more than one more.
    until("it has left", || {
        serving.signal(Signal::SIGTERM);
        !serving.said("orchestrator left at once; the next one goes on with its runs").is_empty()
    });
    assert_eq!(serving.ended(), Some(143), "{}", serving.text());
    assert_eq!(serving.said("orchestrator stopped").len(), 0);
    std::fs::write(stage.home.path().join("ledger/go"), "").unwrap();
    let _next = stage.orchestrate("next", &[]);
    stage.settle();
    stage.audit();
}

#[test]
fn a_run_that_another_process_begins_is_watched_from_its_beginning() {
    let rng = SeededRng::new(4);
    let stage = Stage::new(&rng, 2, r#"while [ ! -e "$LEDGER/go" ]; do sleep 0.02; done"#, "");
    let serving = stage.orchestrate("serving", &[]);
    until("it serves", || serving.said("orchestrator started").len() == 1);
    // It has nothing to do, and looks by itself once a minute.
    nap(Duration::from_millis(500));
    let mut other =
        stage.spawn("other", stage.command(&["--manifest", "w.json", "workflow", "run", "w"]), &[]);
    until("the other one is at work", || stage.tries() > 0);
    other.kill();
    let killed = now();
    until("it is taken over", || serving.said("run taken over").len() == 1);
    assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());
    std::fs::write(stage.home.path().join("ledger/go"), "").unwrap();
    stage.settle();
    stage.audit();
}

#[test]
fn a_manifest_that_is_wrong_is_told_before_anything_is_created() {
    let home = Home::new();
    home.file("bad.yaml", "entries: 3\n");
    let ended = home.run(&["--manifest", "bad.yaml", "orchestrate"]).exits(2);
    assert!(ended.stderr.contains("entries"), "{ended:?}");
    assert!(home.holds_only(&["bad.yaml"]));
}

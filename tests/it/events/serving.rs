//! Processes that serve: what they take over, what they leave alone, how they go down.

use nix::sys::signal::Signal;

use super::stage::Stage;
use crate::support::{nap, until};

/// An event that was accepted by a process that died right then.
fn left(stage: &mut Stage) -> String {
    let mut emitter = stage.emit(&[("ONEIRIC_FAILPOINT", "event.accepted")]);
    assert_eq!(emitter.process.ended(), None, "{}", emitter.process.text());
    emitter.event
}

#[test]
fn an_event_waits_for_a_process_that_knows_its_handlers() {
    let mut stage = Stage::new("0");
    left(&mut stage);
    // It frees what the dead had, and knows none of these handlers.
    let mut ignorant = stage.spawn("ignorant", &["orchestrate"], &[]);
    let owned = "SELECT count(*) FROM deliveries WHERE owner IS NOT NULL";
    until("the dead is buried", || stage.count(owned) == 0);
    assert_eq!(stage.home.run(&["doctor", "--json"]).exits(0).json()["findings"], serde_json::json!([]));
    assert_eq!(stage.calls().len(), 0);
    assert_eq!(stage.open_deliveries(), 4);

    let mut serving = stage.orchestrate(&[]);
    stage.settle();
    for process in [&mut ignorant, &mut serving] {
        process.signal(Signal::SIGTERM);
        assert_eq!(process.ended(), Some(0), "{}", process.text());
    }
    assert_eq!(stage.audit(), 1);
}

#[test]
fn a_process_that_is_told_to_stop_ends_what_is_at_work_and_leaves_the_rest() {
    const EVENTS: usize = 6;
    let mut stage = Stage::new("0.3");
    for _ in 0..EVENTS {
        left(&mut stage);
    }
    let mut serving = stage.orchestrate(&[]);
    until("handlers are at work", || !stage.calls().is_empty());
    serving.signal(Signal::SIGTERM);
    assert_eq!(serving.ended(), Some(0), "{}", serving.text());
    let (calls, done) = (stage.calls(), stage.done());
    for (delivery, times) in &calls {
        // A first call of this one fails, and is not repeated by a process that goes down.
        let fails = delivery.1 == "flaky" && *times == 1;
        assert!(fails || done.contains(delivery), "{delivery:?} was at work, and its end is not on record");
    }
    assert!(stage.open_deliveries() > 0, "there was more than the time allowed");
    assert_eq!(stage.count("SELECT count(*) FROM deliveries WHERE owner IS NOT NULL"), 0);
    nap(std::time::Duration::from_millis(50));
    assert_eq!(stage.calls(), calls, "nothing of it goes on");

    let mut next = stage.orchestrate(&[]);
    stage.settle();
    next.signal(Signal::SIGTERM);
    assert_eq!(next.ended(), Some(0), "{}", next.text());
    assert_eq!(stage.audit(), EVENTS);
    for ((event, handler), times) in stage.calls() {
        let expected = if handler == "flaky" { 2 } else { 1 };
        assert_eq!(times, expected, "{event} {handler}: what is waited for is not done twice");
    }
}

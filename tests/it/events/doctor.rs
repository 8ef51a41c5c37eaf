//! `doctor` and deliveries that nothing will move.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::stage::Stage;

fn kinds(examined: &Value) -> Vec<&str> {
    let findings = examined["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["kind"].as_str().unwrap()).collect()
}

#[test]
fn an_event_that_a_dead_process_had_is_told_and_freed() {
    let mut stage = Stage::new("0");
    let mut emitter = stage.emit(&[("ONEIRIC_FAILPOINT", "event.accepted")]);
    assert_eq!(emitter.process.ended(), None, "{}", emitter.process.text());
    let sick = stage.home.run(&["doctor", "--json"]).exits(1).json();
    assert_eq!(kinds(&sick), ["dead_process", "owner_dead", "owner_dead", "owner_dead"], "{sick:#}");
    let told = &sick["findings"][1];
    assert_eq!((&told["event"], &told["handler"]), (&json!("e1"), &json!("first:sh")), "{sick:#}");
    assert!(
        told.get("run").is_none() && told["cure"].as_str().unwrap().ends_with("doctor --fix"),
        "{told:#}"
    );
    let told = sick["findings"][0]["means"].as_str().unwrap();
    assert!(told.ends_with("it owned 0 runs and 3 events"), "{told}");

    let fixed = stage.home.run(&["doctor", "--fix", "--json"]).exits(0).json();
    assert!(fixed["fixed"][0].as_str().unwrap().ends_with("freed 0 runs and 3 events"), "{fixed:#}");
    let hint = fixed["hints"][0]["says"].as_str().unwrap();
    assert!(hint.ends_with(": events for 3 handlers"), "{hint}");
    let mut serving = stage.orchestrate(&[]);
    stage.settle();
    serving.signal(Signal::SIGTERM);
    serving.ended();
    assert_eq!(stage.audit(), 1);
}

#[test]
fn deliveries_that_nothing_moves_are_told_by_kind_and_freed() {
    let mut stage = Stage::new("0");
    for _ in 0..3 {
        assert_eq!(stage.emit(&[]).process.ended(), Some(0));
    }
    // What no release of ours writes: an owner that nobody knows, one of a delivery that is over, a handler at
    // work in no process, one that waits for nobody.
    stage
        .database()
        .execute_batch(
            "UPDATE deliveries SET status = 1, owner = zeroblob(16) WHERE event = 1 AND handler = 'plain:sh';
             UPDATE deliveries SET owner = (SELECT id FROM boots LIMIT 1) WHERE event = 2 AND handler = 'plain:sh';
             UPDATE deliveries SET status = 2, owner = NULL WHERE event = 3 AND handler = 'plain:sh';
             UPDATE deliveries SET status = 0 WHERE event = 3 AND handler = 'second:sh';",
        )
        .unwrap();
    let sick = stage.home.run(&["doctor", "--json"]).exits(1).json();
    let mut found = kinds(&sick);
    found.sort_unstable();
    assert_eq!(found, ["in_flight", "leaked", "owner_ended", "stranded"], "{sick:#}");
    let fixed = stage.home.run(&["doctor", "--fix", "--json"]).exits(0).json();
    assert_eq!(fixed["fixed"].as_array().unwrap().len(), 4, "{fixed:#}");
    let mut serving = stage.orchestrate(&[]);
    stage.settle();
    serving.signal(Signal::SIGTERM);
    serving.ended();
    assert_eq!(stage.audit(), 3);
}

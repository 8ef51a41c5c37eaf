//! `doctor`: what is stuck is found, told and cured, and nothing is touched on the way.

use nix::sys::signal::Signal;
use oneiric_core::rng::SeededRng;
use serde_json::{Value, json};

use super::stage::Stage;
use crate::support::{Home, until};

fn kinds(examined: &Value) -> Vec<&str> {
    let findings = examined["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["kind"].as_str().unwrap()).collect()
}

#[test]
fn a_folder_without_state_is_left_without_one() {
    let home = Home::new();
    home.run(&["doctor"]).exits(0);
    home.run(&["doctor", "--fix"]).exits(0);
    let metrics = home.run(&["doctor", "--metrics"]).exits(0).stdout;
    assert!(metrics.contains("oneiric_liveness_violations{kind=\"owner_dead\"} 0\n"), "{metrics}");
    assert!(home.holds_only(&[]));
}

#[test]
fn a_dead_process_is_found_buried_once_and_its_runs_go_on() {
    let rng = SeededRng::new(1);
    let mut stage = Stage::new(&rng, 2, r#"while [ ! -e "$LEDGER/go" ]; do sleep 0.02; done"#, "");
    stage.submit(&rng, 2);
    let mut serving = stage.orchestrate("serving", &[]);
    until("both are under way", || stage.tries() >= 2);
    serving.kill();
    let before = stage.home.contents();

    let sick = stage.home.run(&["doctor", "--json"]).exits(1).json();
    assert_eq!(kinds(&sick), ["dead_process", "owner_dead", "owner_dead"], "{sick:#}");
    assert_eq!(sick["liveness"]["owner_dead"], 2);
    assert_eq!(sick["findings"][0]["pid"], serving.pid());
    for finding in sick["findings"].as_array().unwrap() {
        assert!(finding["cure"].as_str().unwrap().starts_with("oneiric "), "{finding:#}");
        assert!(finding["since"].is_string(), "{finding:#}");
    }
    let metrics = stage.home.run(&["doctor", "--metrics"]).exits(1).stdout;
    assert!(metrics.contains("oneiric_liveness_violations{kind=\"owner_dead\"} 2\n"), "{metrics}");
    assert!(metrics.contains("oneiric_dead_processes 1\n"), "{metrics}");
    assert_eq!(stage.home.contents(), before, "looking leaves nothing behind");

    let fixed = stage.home.run(&["doctor", "--fix", "--json"]).exits(0).json();
    assert_eq!(fixed["fixed"].as_array().unwrap().len(), 2, "the process and its socket: {fixed:#}");
    let again = stage.home.run(&["doctor", "--fix", "--json"]).exits(0).json();
    assert_eq!(again["fixed"], json!([]));
    assert_eq!(again["hints"][0]["kind"], "nobody_serves");

    std::fs::write(stage.home.path().join("ledger/go"), "").unwrap();
    let mut next = stage.orchestrate("next", &[]);
    stage.settle();
    let health = stage.home.json(&["health", "--json"]);
    assert_eq!(health["liveness"]["owner_dead"], 0, "{health:#}");
    next.signal(Signal::SIGTERM);
    next.ended();
    stage.audit();
}

#[test]
fn rows_that_nothing_moves_are_told_by_kind() {
    let rng = SeededRng::new(2);
    let mut stage = Stage::new(&rng, 2, "", "");
    stage.submit(&rng, 3);
    let mut serving = stage.orchestrate("serving", &[]);
    stage.settle();
    serving.signal(Signal::SIGTERM);
    serving.ended();
    // What no release of ours writes: an owner that nobody knows, one of a run that is over, a command for it,
    // a pause without a reason, a node that runs in it.
    stage
        .database()
        .execute_batch(
            "UPDATE runs SET status = 1, owner = zeroblob(16) WHERE n = 1;
             UPDATE runs SET owner = (SELECT id FROM boots LIMIT 1) WHERE n = 2;
             INSERT INTO commands (run, id, at, command) VALUES (2, randomblob(16), 0, '{}');
             UPDATE runs SET status = 2, fault = NULL WHERE n = 3;
             UPDATE nodes SET status = 1 WHERE run = 3 AND node = 0;",
        )
        .unwrap();
    let sick = stage.home.run(&["doctor", "--json"]).exits(1).json();
    let mut found = kinds(&sick);
    found.sort_unstable();
    assert_eq!(found, ["in_flight", "leaked", "no_reason", "owner_ended", "stale_command"], "{sick:#}");

    let fixed = stage.home.run(&["doctor", "--fix", "--json"]).exits(1).json();
    assert_eq!(fixed["fixed"].as_array().unwrap().len(), 3, "{fixed:#}");
    let mut left = kinds(&fixed);
    left.sort_unstable();
    assert_eq!(left, ["in_flight", "no_reason"], "those are for a person: {fixed:#}");
    let run = fixed["findings"][0]["run"].as_str().unwrap();
    stage.home.run(&["run", "cancel", run]).exits(0);
    assert_eq!(kinds(&stage.home.run(&["doctor", "--json"]).exits(0).json()), Vec::<&str>::new());
}

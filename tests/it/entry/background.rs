//! `start`, `stop` and `process-status`: defect 46, a start that never was.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Home, until};

/// Ends what a test started, also where it fails.
struct Started<'a>(&'a Home);

impl Drop for Started<'_> {
    fn drop(&mut self) {
        self.0.run(&["stop", "--wait", "20"]);
    }
}

fn status(home: &Home) -> Value {
    home.json(&["process-status", "--json"])
}

#[test]
fn what_start_says_is_so() {
    let home = Home::new();
    let _end = Started(&home);
    let started =
        home.json(&["start", "--profile", "serverless", "--no-remote", "--http-port", "0", "--json"]);
    let pid = started["pid"].as_u64().unwrap();
    let file = ".oneiric_cache/orchestrator.pid";
    assert_eq!(started, json!({"running": true, "pid": pid, "pid_file": file, "pid_file_exists": true}));
    assert_eq!(status(&home), started);
    // It serves: another process sees it.
    let boots = home.json(&["status", "--json"]);
    assert!(boots.is_object(), "{boots}");
    let again = home.run(&["start", "--json"]).exits(1);
    assert!(again.error()["message"].as_str().unwrap().contains(&pid.to_string()), "{again:?}");
    let stopped = home.json(&["stop", "--json"]);
    assert_eq!(stopped, json!({"stopped": true, "pid": pid, "killed": false, "pid_file": file}));
    assert_eq!(
        status(&home),
        json!({"running": false, "pid": null, "pid_file": file, "pid_file_exists": false})
    );
    assert_eq!(home.json(&["stop", "--json"])["stopped"], false);
    let log = std::fs::read_to_string(home.path().join(".oneiric_cache/orchestrator.log")).unwrap();
    assert!(log.contains("\"message\":\"orchestrator stopped\""), "{log}");
}

#[test]
fn a_process_that_does_not_come_up_is_told_with_its_own_exit_code() {
    let home = Home::new();
    home.file("bad.yaml", "entries: 3\n");
    let ended = home.run(&["--manifest", "bad.yaml", "start"]).exits(2);
    assert!(ended.stderr.contains("bad.yaml"), "{ended:?}");
    assert_eq!(status(&home)["running"], false);
    home.run(&["start", "--dry-run"]).exits(2);
}

#[test]
fn what_a_dead_process_left_is_never_taken_for_life() {
    let home = Home::new();
    let _end = Started(&home);
    let pid = home.json(&["start", "--json"])["pid"].as_u64().unwrap();
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    until("it is gone", || status(&home)["running"] == json!(false));
    assert_eq!(status(&home)["pid_file_exists"], true);
    // A number that belongs to another process by now: ours.
    home.file(".oneiric_cache/orchestrator.pid", &format!("{}\n1\n", std::process::id()));
    assert_eq!(status(&home)["running"], false);
    assert_eq!(home.json(&["stop", "--json"])["stopped"], false);
    let next = home.json(&["start", "--json"]);
    assert_eq!(next["running"], true);
}

#[test]
fn a_process_that_is_deaf_is_killed_in_the_end() {
    let home = Home::new();
    let _end = Started(&home);
    let pid = home.json(&["start", "--json"])["pid"].as_u64().unwrap();
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGSTOP).unwrap();
    let stopped = home.json(&["stop", "--wait", "0.2", "--json"]);
    assert_eq!((&stopped["stopped"], &stopped["killed"]), (&json!(true), &json!(true)));
    assert_eq!(status(&home)["running"], false);
}

//! The end of a process, whatever hangs in it.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use super::stage::serve;
use crate::support::{Home, now, until};

/// A task that does not stop when it is asked to, and says that it is at work.
const STUBBORN: &str = r#"
entries:
- domain: task
  key: stubborn
  provider: sh
  factory: 'exec:sh'
  metadata: {exec: {args: ['-c', "trap '' TERM INT; echo $$ > at-work; while :; do sleep 0.05; done"], cwd: .}}
- domain: workflow
  key: w
  provider: test
  factory: 'builtin:noop'
  dag: {nodes: [{id: a, task: stubborn}]}
"#;

/// What scheduling on a busy machine may add to the second that is promised beyond `--grace`.
const BUSY: Duration = Duration::from_secs(3);

#[test]
fn a_process_is_gone_a_second_behind_its_grace_whatever_hangs_in_it() {
    let home = Home::new();
    home.file("w.yaml", STUBBORN);
    let arguments = ["--manifest", "w.yaml", "orchestrate", "--grace", "1", "--http-port", "0"];
    let (mut process, address) = serve(&home, &arguments, &[]);
    home.run(&["--manifest", "w.yaml", "workflow", "run", "w", "--detach"]).exits(0);
    until("the task is at work", || home.path().join("at-work").exists());
    // A client that never ends its request.
    let mut client = TcpStream::connect(&address).unwrap();
    client.write_all(b"GET /v1/health/live HTTP/1.1\r\nHost: a\r\n").unwrap();
    process.signal(Signal::SIGTERM);
    let told = now();
    assert_eq!(process.ended(), Some(0), "{}", process.text());
    let took = told.elapsed();
    assert!(took < Duration::from_secs(2) + BUSY, "{took:?}: {}", process.text());
    let line = &process.said("orchestrator stopped")[0];
    let counts = [&line["drained"], &line["returned"], &line["aborted"]].map(|count| count.as_u64().unwrap());
    assert_eq!(counts.iter().sum::<u64>(), 1, "{line}");
    // Nothing of it is left: neither the task, nor a lease on its run.
    let pid = std::fs::read_to_string(home.path().join("at-work")).unwrap();
    until("the task is gone", || !std::path::Path::new(&format!("/proc/{}", pid.trim())).exists());
    let sick = home.json(&["doctor", "--json"]);
    assert_eq!(sick["findings"], json!([]), "{sick}");
    assert_eq!(home.json(&["run", "list", "--json"])["runs"].as_array().unwrap().len(), 1);
}

#[test]
fn an_idle_process_ends_at_once_and_counts_nothing() {
    let home = Home::new();
    let (mut process, _) = serve(&home, &["orchestrate", "--http-port", "0", "--grace", "3600"], &[]);
    process.signal(Signal::SIGINT);
    assert_eq!(process.ended(), Some(0), "{}", process.text());
    let line = &process.said("orchestrator stopped")[0];
    assert_eq!([&line["drained"], &line["returned"], &line["aborted"]], [&json!(0), &json!(0), &json!(0)]);
}

//! What a long-lived process tells.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::stage::serve;
use crate::ownership::stage::Process;
use crate::support::{Home, until};

fn ended(mut process: Process) -> Vec<Value> {
    process.has_started();
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended(), Some(0), "{}", process.text());
    let lines = process.log();
    assert_eq!(lines.len(), process.text().lines().count(), "every line is an object: {}", process.text());
    lines
}

#[test]
fn defect_49_every_line_has_a_message() {
    let home = Home::new();
    home.file("settings/oneiric.yaml", "logging: {service_name: shop, environment: test, release: '7'}\n");
    let (process, _) = serve(&home, &["orchestrate", "--http-port", "0", "--log-level", "trace"], &[]);
    for line in ended(process) {
        assert!(line["message"].as_str().is_some_and(|text| !text.trim().is_empty()), "{line}");
        assert_eq!(
            (&line["service.name"], &line["deployment.environment"]),
            (&"shop".into(), &"test".into())
        );
        assert_eq!(line["service.version"], "7");
    }
}

#[test]
fn settings_say_where_records_go() {
    let home = Home::new();
    home.file(
        "settings/oneiric.yaml",
        "logging:\n  level: INFO\n  sinks:\n  - {target: file, path: logs/all.log, max_bytes: 1024, backup_count: 2}\n  \
         - {target: stdout, level: ERROR}\n",
    );
    let mut process = Process::spawn(&home, "serving", home.command(&["orchestrate"]), &[]);
    let log = home.path().join("logs/all.log");
    until("it has started", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("orchestrator started"))
    });
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended(), Some(0));
    assert_eq!(process.text(), "", "nothing was that grave");
    let all = ["logs/all.log.1", "logs/all.log"]
        .map(|name| std::fs::read_to_string(home.path().join(name)).unwrap_or_default());
    assert!(all.concat().contains("orchestrator stopped"), "{all:?}");
    home.file(
        "settings/oneiric.yaml",
        "logging: {sinks: [{target: http, endpoint: 'http://127.0.0.1:1/'}]}\n",
    );
    let refused = home.run(&["orchestrate"]).exits(2);
    assert!(refused.stderr.contains("`logging.sinks[0]`: target `http` is not supported"), "{refused:?}");
}

#[test]
fn people_read_lines_where_they_ask_for_them() {
    let home = Home::new();
    let process =
        Process::spawn(&home, "serving", home.command(&["orchestrate", "--log-format", "human"]), &[]);
    until("it has started", || process.text().contains("INFO  orchestrator started"));
    process.signal(Signal::SIGTERM);
    let mut process = process;
    assert_eq!(process.ended(), Some(0));
    assert!(!process.text().contains('\u{1b}'), "no colours in a file: {}", process.text());
}

//! Manifests that change under a live process.

use std::fs::File;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Home, until, wait};

/// A handler of orders that writes down who called it: its own key, and the number of the process.
fn handler(key: &str) -> String {
    format!(
        "- {{domain: event, key: {key}, provider: sh, factory: 'exec:sh', event_topics: ['order.>'], \
         event_delivery: at_least_once, metadata: {{exec: {{args: ['-c', \
         'echo {key} $PPID >> handled; echo null'], cwd: .}}}}}}\n"
    )
}

fn manifest(handlers: &[&str]) -> String {
    format!("entries:\n{}", handlers.iter().map(|key| handler(key)).collect::<String>())
}

/// A process that serves a home, and its log.
struct Serving<'a> {
    home: &'a Home,
    child: Child,
}

impl<'a> Serving<'a> {
    fn start(home: &'a Home) -> Self {
        let log = File::create(home.path().join("log")).unwrap();
        let mut command = home.command(&[
            "--set",
            "profile.watchers_enabled=false",
            "--manifest",
            "live.yaml",
            "orchestrate",
        ]);
        let child = command.stdout(log).stderr(Stdio::inherit()).spawn().unwrap();
        let serving = Self { home, child };
        serving.said("orchestrator started", 1);
        serving
    }

    /// The lines of the log with a message, once there are as many.
    fn said(&self, message: &str, times: usize) -> Vec<Value> {
        let mut lines = Vec::new();
        until(message, || {
            let text = std::fs::read_to_string(self.home.path().join("log")).unwrap();
            let read = |line: &str| serde_json::from_str::<Value>(line).ok();
            lines = text.lines().filter_map(read).filter(|line| line.to_string().contains(message)).collect();
            lines.len() >= times
        });
        lines
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// The keys of handlers that it knows.
    fn handlers(&self) -> Vec<String> {
        let said = self.home.json(&["status", "--domain", "event", "--json"]);
        let rows = said["status"].as_array().unwrap().iter().filter(|row| row["pid"] == self.child.id());
        rows.map(|row| row["key"].as_str().unwrap().to_owned()).collect()
    }

    fn end(self) {
        self.signal(Signal::SIGTERM);
        wait(self.child).exits(0);
    }
}

#[test]
fn a_live_process_reads_its_manifests_again_when_it_is_told_to() {
    let home = Home::new();
    home.file("live.yaml", &manifest(&["audit"]));
    home.file("all.yaml", &manifest(&["audit", "mail"]));
    let serving = Serving::start(&home);
    assert_eq!(serving.handlers(), ["audit"]);
    // The event is promised to a handler that takes none now and that the live process does not know.
    home.run(&["pause", "mail", "--domain", "event"]).exits(0);
    let emit = ["--manifest", "all.yaml", "event", "emit", "order.paid", "--timeout", "1", "--json"];
    let report = home.run(&emit).json();
    assert_eq!(report["stored"], true, "{report}");
    home.run(&["resume", "mail", "--domain", "event"]).exits(0);
    let handled = || std::fs::read_to_string(home.path().join("handled")).unwrap_or_default();
    assert!(!handled().contains("mail"), "{}", handled());
    // It comes, and has what waits for it.
    home.file("live.yaml", &manifest(&["audit", "mail"]));
    serving.signal(Signal::SIGHUP);
    let lines = serving.said("were read again", 1);
    let line = lines[0].to_string();
    assert!(line.contains("event mail:sh") && !line.contains("event audit:sh"), "{line}");
    until("mail has it", || handled().contains(&format!("mail {}\n", serving.child.id())));
    assert_eq!(serving.handlers(), ["audit", "mail"]);
    // It goes.
    home.file("live.yaml", &manifest(&["mail"]));
    serving.signal(Signal::SIGHUP);
    let lines = serving.said("were read again", 2);
    assert!(lines[1].to_string().contains("event audit:sh"), "{}", lines[1]);
    assert_eq!(serving.handlers(), ["mail"]);
    serving.end();
}

#[test]
fn a_manifest_that_is_wrong_is_one_line_in_the_log_of_a_live_process_and_nothing_else() {
    let home = Home::new();
    home.file("live.yaml", &manifest(&["audit"]));
    let serving = Serving::start(&home);
    let wrong = manifest(&["audit", "mail"]).replace("order.>", "order.>.paid");
    for (times, text) in ["entries: [", wrong.as_str()].into_iter().enumerate() {
        home.file("live.yaml", text);
        serving.signal(Signal::SIGHUP);
        let lines = serving.said("what was read before counts", times + 1);
        assert_eq!(lines[times]["level"], "ERROR", "{}", lines[times]);
        assert!(lines[times].to_string().contains("live.yaml"), "{}", lines[times]);
        assert_eq!(serving.handlers(), ["audit"]);
    }
    std::fs::remove_file(home.path().join("live.yaml")).unwrap();
    serving.signal(Signal::SIGHUP);
    serving.said("what was read before counts", 3);
    assert_eq!(serving.handlers(), ["audit"]);
    home.file("live.yaml", &manifest(&["mail"]));
    serving.signal(Signal::SIGHUP);
    serving.said("were read again", 1);
    assert_eq!(serving.handlers(), ["mail"]);
    serving.end();
}

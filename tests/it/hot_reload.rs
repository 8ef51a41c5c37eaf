//! Files that change under the binary: nobody tells it, and it goes by them.

use std::fs::File;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{Home, until, wait};

/// Two providers of task `work`; `a` wins unless somebody selects.
const MANIFEST: &str = "entries:
- {domain: task, key: work, provider: a, factory: 'exec:true', priority: 1}
- {domain: task, key: work, provider: b, factory: 'exec:true'}
";

/// A process that serves a home, and its log.
struct Serving<'a> {
    home: &'a Home,
    child: Child,
}

impl<'a> Serving<'a> {
    fn start(home: &'a Home, more: &[&str]) -> Self {
        let log = File::create(home.path().join("log")).unwrap();
        let arguments = [&["--manifest", "live.yaml"], more, &["orchestrate", "--no-http"]].concat();
        let child = home.command(&arguments).stdout(log).stderr(Stdio::inherit()).spawn().unwrap();
        let serving = Self { home, child };
        serving.said("orchestrator started");
        serving
    }

    /// Waits for a line of the log with a message.
    fn said(&self, message: &str) -> Value {
        let mut found = None;
        until(message, || {
            let text = std::fs::read_to_string(self.home.path().join("log")).unwrap();
            let line = text.lines().rfind(|line| line.contains(message));
            found = line.and_then(|line| serde_json::from_str(line).ok());
            found.is_some()
        });
        found.unwrap()
    }

    fn watched(self) -> Self {
        until("the files are watched", || self.watchers()["watching"]["by"] == "notices");
        self
    }

    /// How its reloads stand.
    fn watchers(&self) -> Value {
        let health = self.home.json(&["health", "--json"]);
        let rows = health["watchers"].as_array().unwrap();
        rows.iter().find(|row| row["pid"] == self.child.id()).unwrap().clone()
    }

    /// The provider of `work` by which it goes.
    fn provider(&self) -> String {
        let said = self.home.json(&["status", "--key", "work", "--json"]);
        said["status"][0]["provider"].as_str().unwrap().to_owned()
    }

    fn goes_by(&self, provider: &str) {
        until(&format!("it goes by {provider}"), || self.provider() == provider);
    }

    fn end(self) {
        self.signal(Signal::SIGTERM);
        wait(self.child).exits(0);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }
}

#[test]
fn an_edit_of_manifest_or_settings_counts_without_anybody_saying_so() {
    let home = Home::new();
    home.file("live.yaml", MANIFEST);
    let serving = Serving::start(&home, &[]).watched();
    assert_eq!(serving.provider(), "a");
    // A folder and a file that were not there.
    home.file("settings/oneiric.yaml", "tasks: {selections: {work: b}}");
    serving.goes_by("b");
    home.file("settings/oneiric.yaml", "tasks: {selections: {}}");
    serving.goes_by("a");
    home.file("live.yaml", &MANIFEST.replace("provider: a", "provider: c"));
    serving.goes_by("c");
    let line = serving.said("task work:c");
    assert_eq!((&line["cause"], &line["level"]), (&"file".into(), &"INFO".into()), "{line}");
    serving.end();
}

#[test]
fn a_bad_file_leaves_what_counts_and_health_says_why_until_it_is_better() {
    let home = Home::new();
    home.file("live.yaml", MANIFEST);
    home.file("own.toml", "[tasks.selections]\nwork = 'b'\n");
    let serving = Serving::start(&home, &["--config", "own.toml"]).watched();
    home.file("own.toml", "[tasks.selections]\nwork = 7\n");
    until("the failure is told", || !serving.watchers()["last_error"].is_null());
    let wrong = serving.watchers()["last_error"].clone();
    assert!(wrong["message"].as_str().unwrap().contains("own.toml:2:8"), "{wrong}");
    assert!(wrong["file"].as_str().unwrap().ends_with("own.toml") && wrong["since"].is_string(), "{wrong}");
    assert_eq!(serving.provider(), "b");
    let shown = home.run(&["health"]).exits(0).stdout;
    assert!(shown.contains("keeps to what it had"), "{shown}");
    // Who asks for it is told the same, and the process lives.
    let refused = home.run(&["reload", "--json"]).exits(2).error();
    assert!(refused["message"].as_str().unwrap().contains("own.toml:2:8"), "{refused}");
    home.file("own.toml", "[tasks.selections]\nwork = 'a'\n[http]\nport = 1\n");
    serving.goes_by("a");
    until("nothing is wrong", || serving.watchers()["last_error"].is_null());
    assert_eq!(serving.watchers()["needs_restart"], serde_json::json!(["http.port"]));
    serving.end();
}

#[test]
fn whoever_wants_a_reload_is_told_what_came_of_it() {
    let home = Home::new();
    home.file("live.yaml", MANIFEST);
    let quiet = ["--set", "profile.watchers_enabled=false"];
    let serving = Serving::start(&home, &quiet);
    assert_eq!(serving.watchers()["watching"]["by"], "off");
    home.file("live.yaml", &MANIFEST.replace("provider: b", "provider: d"));
    let done = home.json(&["reload", "--json"]);
    let process = &done["processes"][0];
    assert_eq!((&process["generation"], &process["last"]["cause"]), (&2.into(), &"command".into()), "{done}");
    assert_eq!(process["last"]["added"], serde_json::json!(["task work:d"]), "{done}");
    assert_eq!(process["last"]["removed"], serde_json::json!(["task work:b"]), "{done}");
    let shown = home.run(&["reload"]).exits(0).stdout;
    assert!(shown.contains(&format!("process {}: generation 2", serving.child.id())), "{shown}");
    serving.end();
    home.run(&["reload"]).exits(3);
}

#[test]
fn in_the_serverless_profile_nothing_happens_whoever_wants_it() {
    let home = Home::new();
    home.file("live.yaml", MANIFEST);
    let serving = Serving::start(&home, &["--profile", "serverless"]);
    assert_eq!(serving.watchers()["watching"]["by"], "off");
    home.file("live.yaml", &MANIFEST.replace("provider: a", "provider: c"));
    home.file("settings/oneiric.yaml", "tasks: {selections: {work: b}}");
    serving.signal(Signal::SIGHUP);
    assert!(serving.said("nothing is read again").to_string().contains("hot reload is off"));
    let refused = home.run(&["reload", "--json"]).exits(1).error();
    assert!(refused["message"].as_str().unwrap().contains("hot reload is off"), "{refused}");
    assert_eq!(serving.provider(), "a");
    assert_eq!(serving.watchers()["generation"], 1);
    serving.end();
}

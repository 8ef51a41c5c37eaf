//! `orchestrate` keeps services up, and `service` tells and changes how they stand.

use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::support::{Ended, Home, until, wait};

const SHOP: &str = r#"
entries:
- {domain: service, key: gateway, provider: shop, factory: 'builtin:noop', metadata: {service: {startup_order: 10}}}
- {domain: service, key: worker, provider: shop, factory: 'builtin:noop', metadata: {service: {startup_order: 5, dependencies: [gateway]}}}
- {domain: service, key: extra, provider: shop, factory: 'builtin:noop', metadata: {service: {startup_order: 20, critical: false}}}
- {domain: service, key: called, provider: shop, factory: 'oneiric.remote.samples:demo_remote_service'}
"#;

struct Orchestra {
    home: Home,
    processes: Vec<Child>,
}

impl Orchestra {
    fn new(manifest: &str) -> Self {
        let home = Home::new();
        home.file("shop.yaml", manifest);
        Self { home, processes: Vec::new() }
    }

    fn spawn(&mut self) -> usize {
        let arguments = ["--manifest", "shop.yaml", "orchestrate", "--no-http"];
        self.processes.push(self.home.command(&arguments).spawn().unwrap());
        self.processes.len() - 1
    }

    fn listing(&self) -> Value {
        self.home.run(&["service", "list", "--json"]).exits(0).json()
    }

    fn states(&self) -> Vec<String> {
        let listing = self.listing();
        if listing["process"].is_null() {
            return Vec::new();
        }
        let text =
            |row: &Value| format!("{} {}", row["name"].as_str().unwrap(), row["state"].as_str().unwrap());
        listing["services"].as_array().unwrap().iter().map(text).collect()
    }

    fn all_run(&self) -> bool {
        self.states() == ["gateway running", "worker running", "extra running"]
    }

    fn signal(&self, place: usize, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.processes[place].id()).unwrap()), signal).unwrap();
    }

    fn ended(&mut self, place: usize) -> Ended {
        wait(self.processes.remove(place))
    }
}

impl Drop for Orchestra {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // It has ended already, or does so now.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The messages about services, in their order: `service is ready gateway`.
fn story(ended: &Ended) -> Vec<String> {
    let line = |line: &str| -> Option<String> {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = line.to_string();
        let message = ["service is ready", "service stopped"].into_iter().find(|one| text.contains(one))?;
        let name =
            ["gateway", "worker", "extra"].into_iter().find(|name| text.contains(&format!("\"{name}\"")))?;
        Some(format!("{message} {name}"))
    };
    ended.stdout.lines().filter_map(line).collect()
}

#[test]
fn a_signal_stops_every_service_once_in_the_reverse_order_of_its_start() {
    let mut orchestra = Orchestra::new(SHOP);
    let place = orchestra.spawn();
    until("all run", || orchestra.all_run());
    orchestra.signal(place, Signal::SIGTERM);
    let ended = orchestra.ended(place).exits(0);
    let expected = [
        "service is ready gateway",
        "service is ready worker",
        "service is ready extra",
        "service stopped extra",
        "service stopped worker",
        "service stopped gateway",
    ];
    assert_eq!(story(&ended), expected, "{ended:?}");
}

#[test]
fn services_are_stopped_started_and_restarted_from_outside() {
    let mut orchestra = Orchestra::new(SHOP);
    let nobody = orchestra.home.run(&["service", "start", "gateway"]).exits(1);
    assert!(nobody.stderr.contains("no live process keeps services up"), "{nobody:?}");
    let place = orchestra.spawn();
    until("all run", || orchestra.all_run());
    let stopped = orchestra.home.json(&["service", "stop", "gateway", "--json"]);
    assert_eq!(stopped["service"]["state"], json!("stopped"));
    assert_eq!(orchestra.states(), ["gateway stopped", "worker stopped", "extra running"]);
    orchestra.home.run(&["service", "start", "worker"]).exits(0);
    assert!(orchestra.all_run());
    orchestra.home.run(&["service", "restart", "gateway"]).exits(0);
    let unknown = orchestra.home.run(&["service", "stop", "gatewy"]).exits(3);
    assert!(unknown.stderr.contains("did you mean `gateway`?"), "{unknown:?}");
    // A pause and a drain cover services.
    orchestra.home.run(&["drain", "worker", "--domain", "service"]).exits(0);
    until("it has drained", || orchestra.states()[1] == "worker stopped");
    orchestra.home.run(&["resume", "worker", "--domain", "service"]).exits(0);
    orchestra.home.run(&["pause", "gateway", "--domain", "service"]).exits(0);
    until("it is back", || orchestra.states() == ["gateway paused", "worker running", "extra running"]);
    orchestra.signal(place, Signal::SIGINT);
    orchestra.ended(place).exits(0);
}

#[test]
fn a_critical_service_that_cannot_be_kept_up_ends_the_process() {
    let broken = "- {domain: service, key: broken, provider: shop, factory: 'builtin:echo', metadata: {service: {startup_order: 30}}}\n";
    let mut orchestra = Orchestra::new(&format!("{SHOP}{broken}"));
    let place = orchestra.spawn();
    let ended = orchestra.ended(place).exits(1);
    assert_eq!(
        story(&ended)[3..],
        ["service stopped extra", "service stopped worker", "service stopped gateway"]
    );
    assert!(ended.stdout.contains("a critical service was given up"), "{ended:?}");
}

#[test]
fn the_next_process_takes_over_the_services_of_one_that_left() {
    let mut orchestra = Orchestra::new(SHOP);
    let first = orchestra.spawn();
    until("the first keeps them up", || orchestra.all_run());
    let second = orchestra.spawn();
    let pid = orchestra.processes[second].id();
    orchestra.signal(first, Signal::SIGTERM);
    orchestra.ended(first).exits(0);
    until("the second does", || orchestra.all_run() && orchestra.listing()["process"]["pid"] == json!(pid));
}

#[test]
fn what_is_wrong_with_services_is_told_before_anything_is_created() {
    let home = Home::new();
    let check = |service: &str, expected: &str| {
        let entry = format!(
            "entries:\n- {{domain: service, key: a, provider: p, factory: 'builtin:noop', metadata: {{service: {service}}}}}\n"
        );
        home.file("bad.yaml", &entry);
        let ended = home.run(&["--manifest", "bad.yaml", "orchestrate"]).exits(2);
        assert!(ended.stderr.contains(expected), "{ended:?}");
        home.run(&["manifest", "validate", "bad.yaml"]).exits(2);
        assert!(home.holds_only(&["bad.yaml"]));
    };
    check("{dependencies: [a]}", "services depend on each other in a circle");
    check("{dependencies: [b]}", "depends on `b`, which is not there");
    check("{critcal: true}", "unknown field `critcal`");
}

#[test]
fn the_order_of_the_start_is_told_without_a_process() {
    let home = Home::new();
    home.file("shop.yaml", SHOP);
    let plan = home.json(&["--manifest", "shop.yaml", "supervisor", "critical-chain", "--json"]);
    assert_eq!(plan["waves"], json!([["gateway"], ["worker"], ["extra"]]));
    assert_eq!((&plan["chain"], &plan["chain_seconds"]), (&json!(["gateway", "worker"]), &json!(60.0)));
    assert_eq!(plan["services"][0]["dependents"], json!(["worker"]));
    let listing = home.json(&["--manifest", "shop.yaml", "service", "list", "--json"]);
    assert_eq!((&listing["process"], &listing["services"][0]["state"]), (&Value::Null, &json!("registered")));
    home.run(&["service", "logs", "gateway"]).exits(3);
    assert!(home.holds_only(&["shop.yaml"]));
}

#[test]
fn what_a_service_wrote_is_read_without_a_process() {
    let home = Home::new();
    let line = |n: u32| format!("2026-01-31T09:30:00.{n:06}Z stdout line {n}\n");
    let lines: String = (0..30).map(line).collect();
    home.file(".oneiric_cache/logs/services/web.log.1", &lines);
    home.file(".oneiric_cache/logs/services/web.log", &line(30));
    let ended = home.run(&["service", "logs", "web", "-n", "3"]).exits(0);
    assert_eq!(ended.stdout, format!("{}{}{}", line(28), line(29), line(30)));
    let last = home.run(&["service", "logs", "web", "-n", "1", "--json"]).exits(0).json();
    let expected = json!({"at": "2026-01-31T09:30:00.000030Z", "stream": "stdout", "line": "line 30"});
    assert_eq!(last, expected);
    let mut following = home.command(&["service", "logs", "web", "--follow", "-n", "1"]).spawn().unwrap();
    let mut reader = std::io::BufReader::new(following.stdout.take().unwrap());
    let mut read = || {
        let mut text = String::new();
        std::io::BufRead::read_line(&mut reader, &mut text).unwrap();
        text
    };
    assert_eq!(read(), line(30));
    let folder = home.path().join(".oneiric_cache/logs/services");
    std::fs::rename(folder.join("web.log"), folder.join("web.log.1")).unwrap();
    home.file(".oneiric_cache/logs/services/web.log", &line(31));
    assert_eq!(read(), line(31));
    kill(Pid::from_raw(i32::try_from(following.id()).unwrap()), Signal::SIGINT).unwrap();
    wait(following).exits(130);
}

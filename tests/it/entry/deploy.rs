//! The files that other systems start us by.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::stage::{address, get};
use crate::ownership::stage::Process;
use crate::support::{Home, LONG, note};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(file(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn the_line_of_the_procfile_serves_where_it_is_told_to() {
    let home = Home::new();
    let procfile = text("Procfile");
    let line = procfile.lines().find_map(|line| line.strip_prefix("web: oneiric ")).unwrap();
    let arguments: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(arguments, ["orchestrate", "--profile", "serverless", "--no-remote"]);
    let mut process = Process::spawn(&home, "web", home.command(&arguments), &[("PORT", "0")]);
    let address = address(&process).replace("0.0.0.0", "127.0.0.1");
    assert_eq!(get(&address, "/v1/health/ready").0, 200);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended(), Some(0), "{}", process.text());
}

#[test]
fn the_manifest_for_cloud_run_asks_what_is_answered() {
    let service: Value = serde_saphyr::from_str(&text("deploy/cloudrun/service.yaml")).unwrap();
    let container = &service["spec"]["template"]["spec"]["containers"][0];
    let home = Home::new();
    let words = |field: &str| {
        container[field].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(words("command"), ["oneiric"]);
    let mut arguments = words("args");
    arguments.extend(["--http-port", "0"]);
    let process = Process::spawn(&home, "serving", home.command(&arguments), &[]);
    let address = address(&process).replace("0.0.0.0", "127.0.0.1");
    for probe in ["startupProbe", "livenessProbe"] {
        let path = container[probe]["httpGet"]["path"].as_str().unwrap();
        assert_eq!(get(&address, path).0, 200, "{path}");
        assert_eq!(container[probe]["httpGet"]["port"], container["ports"][0]["containerPort"]);
    }
    // Ten seconds are what the platform gives.
    let grace = arguments.iter().position(|word| *word == "--grace").unwrap();
    assert!(arguments[grace + 1].parse::<f64>().unwrap() + 1.0 < 10.0);
}

#[test]
fn a_service_manager_hears_of_the_whole_life() {
    let home = Home::new();
    let path = home.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(LONG)).unwrap();
    let heard = |word: &str| {
        let mut bytes = [0; 512];
        loop {
            let count = manager.recv(&mut bytes).unwrap_or_else(|error| panic!("{word}: {error}"));
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            if text.lines().any(|line| line.starts_with(word)) {
                return text;
            }
        }
    };
    let variables = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "100000")];
    let mut process = Process::spawn(&home, "serving", home.command(&["orchestrate"]), &variables);
    heard("READY=1");
    heard("WATCHDOG=1");
    heard("WATCHDOG=1");
    process.signal(Signal::SIGHUP);
    assert!(heard("RELOADING=1").contains("\nMONOTONIC_USEC="));
    heard("READY=1");
    process.signal(Signal::SIGTERM);
    heard("STOPPING=1");
    assert_eq!(process.ended(), Some(0), "{}", process.text());
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    let home = Home::new();
    // The binary is not installed where the unit says.
    let unit = text("deploy/systemd/oneiric.service");
    let there = unit.replace("/usr/local/bin/oneiric", "/bin/true");
    assert_ne!(unit, there);
    let path = home.file("oneiric.service", &there);
    let output = match Command::new("systemd-analyze").arg("verify").arg(&path).output() {
        Ok(output) => output,
        Err(error) => {
            #[expect(
                clippy::disallowed_methods,
                reason = "tests are told by the environment how strict they are"
            )]
            let strict = std::env::var("ONEIRIC_TEST_STRICT").is_ok_and(|value| value == "1");
            assert!(
                !strict,
                "systemd-analyze is not there ({error}; `apt install systemd`), and no skip is allowed"
            );
            return note("SKIPPED: systemd-analyze is not there");
        }
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("oneiric.service"), "{said}");
}

#[test]
fn the_unit_gives_the_process_the_time_that_it_takes() {
    let unit = text("deploy/systemd/oneiric.service");
    let said = |name: &str| unit.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap();
    let grace = said("ExecStart").split("--grace ").nth(1).unwrap().parse::<u64>().unwrap();
    assert!(said("TimeoutStopSec").parse::<u64>().unwrap() > grace + 1);
    // Idle means idle: a sign of life a minute.
    assert!(said("WatchdogSec").parse::<u64>().unwrap() >= 120);
}

//! Profiles, and defects 47 to 50 of the system that this one takes over from.

use nix::sys::signal::Signal;
use serde_json::json;

use super::stage::{address, get, serve};
use crate::ownership::stage::Process;
use crate::support::{Home, assert_holds, until};

const ONE: &str = "entries: [{domain: task, key: one, provider: p, factory: 'builtin:echo'}]\n";
const TWO: &str = "entries: [{domain: task, key: two, provider: p, factory: 'builtin:echo'}]\n";

#[test]
fn the_variable_alone_makes_a_process_serverless() {
    let home = Home::new();
    home.file("manifests/b.yaml", TWO);
    home.file(
        "manifests/a.json",
        r#"{"entries": [{"domain": "task", "key": "one", "provider": "p", "factory": "builtin:echo"}]}"#,
    );
    let variables = [("ONEIRIC_PROFILE", "serverless"), ("PORT", "0"), ("GOOGLE_CLOUD_PROJECT", "p1")];
    let process = Process::spawn(&home, "serving", home.command(&["orchestrate"]), &variables);
    let address = address(&process);
    assert!(address.starts_with("0.0.0.0:"), "{address}");
    let local = address.replace("0.0.0.0", "127.0.0.1");
    assert_eq!(get(&local, "/v1/health/ready").0, 200);
    let lines = process.log();
    let found = lines.iter().find(|line| line["message"] == "the packaged manifests count").unwrap();
    assert_eq!(found["manifests"], "manifests/a.json, manifests/b.yaml");
    for line in &lines {
        assert!(line["severity"].is_string() && line["time"].is_string(), "{line}");
    }
    // Nothing is read again while it lives.
    process.signal(Signal::SIGHUP);
    until("it says so", || !process.said("nothing is read again").is_empty());
    process.signal(Signal::SIGTERM);
    let mut process = process;
    assert_eq!(process.ended(), Some(0), "{}", process.text());
}

#[test]
fn packaged_manifests_are_told_and_never_guessed() {
    let home = Home::new();
    let plan = |more: &[&str]| {
        home.run(&[&["orchestrate", "--dry-run", "--json", "--profile", "serverless"], more].concat())
    };
    assert_eq!(plan(&[]).exits(0).json()["manifests"], json!([]));
    home.file("manifests/shop.yaml", ONE);
    assert_eq!(plan(&[]).exits(0).json()["manifests"], json!(["manifests/shop.yaml"]));
    home.file("manifests/shop.json", "{\"entries\": []}");
    let ended = plan(&[]).exits(2);
    assert!(ended.error()["message"].as_str().unwrap().ends_with("are one manifest twice"), "{ended:?}");
    home.file("other.yaml", TWO);
    assert_eq!(plan(&["--manifest", "other.yaml"]).exits(0).json()["manifests"], json!(["other.yaml"]));
    // Other profiles do not look there.
    let plan = home.json(&["orchestrate", "--dry-run", "--json"]);
    assert_eq!(plan["manifests"], json!([]));
}

#[test]
fn defect_46_options_stand_before_or_after_the_subcommand() {
    let home = Home::new();
    let one = home.json(&["--profile", "serverless", "orchestrate", "--no-remote", "--dry-run", "--json"]);
    let other = home.json(&["orchestrate", "--profile", "serverless", "--no-remote", "--dry-run", "--json"]);
    assert_eq!(one, other);
    assert_holds(
        &one["profile"],
        &json!({"name": "serverless", "watchers_enabled": false, "remote_enabled": false, "inline_manifest_only": true}),
    );
}

#[test]
fn defect_47_every_option_of_the_handbook_is_known() {
    let home = Home::new();
    let ask = |more: &[&str]| home.json(&[&["orchestrate", "--dry-run", "--json"], more].concat());
    ask(&["--refresh-interval", "60"]);
    ask(&["--shutdown-timeout", "3", "--host", "127.0.0.1", "--port", "0"]);
    assert_eq!(ask(&["--workflow-checkpoints", "data/checkpoints.sqlite"])["state"]["path"], "data");
    let path = ask(&["--workflow-checkpoints", "data/c.sqlite", "--state-dir", "here"]);
    assert_eq!(path["state"]["path"], "here");
    for memory in [&["--workflow-checkpoints", "disabled"][..], &["--no-workflow-checkpoints"]] {
        assert_eq!(ask(memory)["state"]["path"], json!(null));
    }
    assert!(home.contents().is_empty());
}

#[test]
fn without_checkpoints_the_state_is_in_memory_and_leaves_nothing() {
    let home = Home::new();
    let arguments = ["orchestrate", "--no-workflow-checkpoints", "--http-port", "0"];
    let (mut process, address) = serve(&home, &arguments, &[]);
    assert_eq!(get(&address, "/v1/health/ready").0, 200);
    process.signal(Signal::SIGTERM);
    assert_eq!(process.ended(), Some(0), "{}", process.text());
    assert!(home.holds_only(&["serving.log"]), "{:?}", home.contents());
}

#[test]
fn defect_48_and_50_serverless_needs_nothing_and_hears_the_environment() {
    let home = Home::new();
    let off = [
        ("ONEIRIC_PROFILE", "serverless"),
        ("ONEIRIC_RUNTIME_SUPERVISOR__ENABLED", "false"),
        ("ONEIRIC_REMOTE__AUTH__TOKEN", "12345"),
        ("ONEIRIC_CACHE_DIR", "kept/here"),
    ];
    let mut command = home.command(&["orchestrate", "--smoke", "--json"]);
    let output = command.envs(off).output().unwrap();
    let smoke = crate::support::Ended::of(&output).exits(0).json();
    assert_eq!(smoke["healthy"], true, "{smoke}");
    assert!(home.path().join("kept/here/oneiric.sqlite").is_file(), "relative to the working folder");
    let output = home.command(&["orchestrate", "--dry-run", "--json"]).envs(off).output().unwrap();
    let plan = crate::support::Ended::of(&output).exits(0).json();
    assert_eq!(
        (&plan["supervisor_enabled"], &plan["profile"]["supervisor_enabled"]),
        (&json!(false), &json!(true))
    );
    let output = home.command(&["config", "show", "--json"]).envs(off).output().unwrap();
    let shown = crate::support::Ended::of(&output).exits(0).stdout;
    assert!(!shown.contains("12345"), "a number is text here, and a secret: {shown}");
}

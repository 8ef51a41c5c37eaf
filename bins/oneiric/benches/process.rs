//! What does a whole process cost?
//!
//! The limit is a Rust program that prints one line, built by the same compiler with the same
//! optimisation. Memory is the peak resident set of a child as the system accounts for it.
//!
//! `cargo bench -p oneiric`; the figures are kept in `docs/benchmarks.md`. `ONEIRIC_TEST_DATA` names
//! the folder with the shared fixture; without it a manifest of this project is planned instead.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use oneiric_testkit::bench::{compare, timed};
use serde_json::{Value, json};

const ONEIRIC: &str = env!("CARGO_BIN_EXE_oneiric");

/// Processes of one arm of one round.
const SPAWNS: u32 = 40;

fn spawn(program: &Path, args: &[&str]) -> Duration {
    timed(|| {
        for _ in 0..SPAWNS {
            let status =
                Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
            assert!(status.is_ok_and(|status| status.success()), "{} {args:?} failed", program.display());
        }
    })
    .0
}

/// A program that prints one line.
fn hello(folder: &Path) -> PathBuf {
    let (source, program) = (folder.join("hello.rs"), folder.join("hello"));
    std::fs::write(&source, "fn main() { println!(\"oneiric 0.1.0\"); }\n").expect("a fresh folder");
    let built =
        Command::new("rustc").args(["-O", "-C", "strip=symbols", "-o"]).arg(&program).arg(&source).status();
    assert!(built.is_ok_and(|status| status.success()), "rustc builds one line");
    program
}

/// The highest peak of any child so far, so that measuring goes from small to large.
fn peak_mib() -> f64 {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("a process may ask for its own usage");
    usage.max_rss() as f64 / 1024.0
}

fn memory(name: &str, args: &[&str]) {
    let output = Command::new(ONEIRIC).args(args).stdin(Stdio::null()).output().expect("it was just built");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    println!("{name:<44} peak {:.1} MiB", peak_mib());
}

/// Ten thousand nodes in layers of a hundred.
fn large(folder: &Path) -> PathBuf {
    let nodes: Vec<Value> = (0..10_000)
        .map(|n: usize| {
            let upstream: Vec<String> = match n / 100 {
                0 => vec![],
                layer => (0..2).map(|k| format!("n{}", (layer - 1) * 100 + (n * 7 + k * 31) % 100)).collect(),
            };
            json!({"id": format!("n{n}"), "task": "noop", "depends_on": upstream})
        })
        .collect();
    let manifest = json!({"entries": [
        {"domain": "task", "key": "noop", "provider": "b", "factory": "builtin:noop"},
        {"domain": "workflow", "key": "large", "provider": "b", "factory": "builtin:noop", "dag": {"nodes": nodes}},
    ]});
    let path = folder.join("large.json");
    std::fs::write(&path, serde_json::to_vec(&manifest).expect("plain data")).expect("a fresh folder");
    path
}

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |path: &Path| path.to_str().expect("a temporary folder has a plain name").to_owned();
    let manifest =
        oneiric_testkit::data::shared("manifests/fastblocks_parity_fixture.yaml").unwrap_or_else(|| {
            PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../manifests/release.yaml"))
        });
    let (manifest, state) = (path(&manifest), path(&folder.path().join("state")));
    println!("peak memory of whole processes");
    memory("--version", &["--version"]);
    memory("list", &["--manifest", &manifest, "list", "--domain", "task"]);
    memory("workflow plan", &["--manifest", &manifest, "workflow", "plan", "--json"]);
    memory("run list, empty", &["--state-dir", &state, "run", "list"]);
    let large = path(&large(folder.path()));
    memory(
        "workflow run, 10,000 nodes",
        &["--manifest", &large, "--state-dir", &state, "workflow", "run", "large"],
    );

    println!("time of whole processes; limit: a Rust program that prints one line");
    let hello = hello(folder.path());
    let oneiric = Path::new(ONEIRIC);
    let limit = || spawn(&hello, &[]);
    compare("--version", SPAWNS, limit, || spawn(oneiric, &["--version"])).print();
    let plan = ["--manifest", manifest.as_str(), "workflow", "plan", "--json"];
    compare("workflow plan", SPAWNS, limit, || spawn(oneiric, &plan)).print();
}

//! Crackerjack's quality run: thirteen closures in one workflow, without a server or a state folder.
//!
//! `cargo run -p oneiric-runtime --example crackerjack`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use oneiric_core::Fault;
use oneiric_core::linked::{fail_on_false, task_fn};
use oneiric_runtime::{Oneiric, RunRequest};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Barrier;

/// The phases, and what each waits for: a chain, but for the tests and the slow hooks.
const PHASES: [(&str, &[&str]); 13] = [
    ("config_cleanup", &[]),
    ("configuration", &["config_cleanup"]),
    ("cleaning", &["configuration"]),
    ("documentation_cleanup", &["cleaning"]),
    ("fast_hooks", &["documentation_cleanup"]),
    ("snob_tests", &["fast_hooks"]),
    ("tests", &["snob_tests"]),
    ("comprehensive_hooks", &["snob_tests"]),
    ("coverage_ratchet", &["tests", "comprehensive_hooks"]),
    ("git_cleanup", &["coverage_ratchet"]),
    ("doc_updates", &["git_cleanup"]),
    ("publishing", &["doc_updates"]),
    ("commit", &["publishing"]),
];

/// What every phase is given: `{"pkg_path": "..."}`.
#[derive(Serialize, Deserialize)]
struct Context {
    pkg_path: String,
}

static TESTS_PASS: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicU32 = AtomicU32::new(0);
// Lets nobody pass before two are there: the run ends only if both phases are under way at once.
static BOTH: LazyLock<Barrier> = LazyLock::new(|| Barrier::new(2));

/// A phase answers whether all is well, as Crackerjack's own functions do.
async fn phase(name: &str, context: Context) -> Result<bool, Fault> {
    CALLS.fetch_add(1, Ordering::Relaxed);
    if matches!(name, "tests" | "comprehensive_hooks") {
        BOTH.wait().await;
    }
    println!("  {name} in {}", context.pkg_path);
    Ok(name != "tests" || TESTS_PASS.load(Ordering::Relaxed))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let nodes = PHASES.map(|(name, after)| json!({"id": name, "task": name, "depends_on": after}));
    let builder = Oneiric::builder().workflow("crackerjack", &json!({"nodes": nodes}));
    let builder = PHASES.into_iter().fold(builder, |builder, (name, _)| {
        // `false` is an output like any other, unless the task is said to mean failure by it.
        builder.task(name, fail_on_false(task_fn(move |context| phase(name, context))))
    });
    let oneiric = builder.start().await?;

    let context = Context { pkg_path: "/src/shop".to_owned() };
    for passing in [false, true] {
        TESTS_PASS.store(passing, Ordering::Relaxed);
        let before = CALLS.load(Ordering::Relaxed);
        let ended = oneiric.run(RunRequest::of("crackerjack", &context)?).await?.completed().await;
        // The second run is a run of its own: what the first one completed is done again.
        let calls = CALLS.load(Ordering::Relaxed) - before;
        println!(
            "{calls} phases; {}",
            ended.map_or_else(|why| why.to_string(), |_| "all is well".to_owned())
        );
    }
    oneiric.shutdown(Duration::from_secs(5)).await?;
    Ok(())
}

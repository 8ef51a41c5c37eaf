//! `exec:` nothing of a call outlives it.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::time::Duration;

use oneiric_core::{Clock, Instance};
use serde_json::json;

use crate::process::{alive, children, pid_in, script};
use crate::support::{Call, LONG, RealClock, eventually, within};

/// A shell with a child of its own, whose number it writes to `pid`.
async fn family(folder: &Path) -> Instance {
    script("sleep 1000 & echo $! >pid; wait", json!({"cwd": folder.to_str().unwrap()})).await
}

async fn gone(pid: u32) {
    eventually("the process is gone", || (!alive(pid)).then_some(())).await;
}

async fn a_dropped_call_kills_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let instance = family(folder.path()).await;
    let call = Call::new(json!(1));
    let grandchild = {
        let task = instance.role::<dyn oneiric_core::roles::Task>().unwrap();
        let mut running = task.run(call.cx());
        let pid = tokio::select! {
            _ = &mut running => panic!("it runs for a thousand seconds"),
            pid = pid_in(&file) => pid,
        };
        assert!(alive(pid));
        pid
    };
    gone(grandchild).await;
    instance.component().stop().await.unwrap();
    assert_eq!(children(), [], "no zombie is left");
}

#[tokio::test]
async fn a_dropped_call_kills_grandchildren_too_and_leaves_no_zombie() {
    a_dropped_call_kills_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_call_kills_grandchildren_too_on_many_threads() {
    a_dropped_call_kills_all().await;
}

#[tokio::test]
async fn a_dropped_call_is_reaped_although_nobody_asks() {
    let instance = script("sleep 1000", json!({})).await;
    for _ in 0..20 {
        let call = Call::new(json!(1));
        assert!(within(Duration::from_millis(10), call.run(&instance)).await.is_none());
    }
    eventually("all are reaped", || children().is_empty().then_some(())).await;
}

#[test]
fn a_call_dropped_with_its_runtime_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let pid = runtime.block_on(async {
        let instance = family(folder.path()).await;
        tokio::spawn(async move { Call::new(json!(1)).run(&instance).await });
        pid_in(&folder.path().join("pid")).await
    });
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    other.block_on(gone(pid));
}

#[tokio::test]
async fn what_a_program_leaves_running_is_killed_and_does_not_hold_the_call_up() {
    let folder = tempfile::tempdir().unwrap();
    let text = "sleep 1000 & echo $! >pid; echo '\"done\"'";
    let instance = script(text, json!({"cwd": folder.path().to_str().unwrap()})).await;
    let start = RealClock.monotonic();
    assert_eq!(Call::new(json!(1)).run(&instance).await.unwrap(), json!("done"));
    assert!(RealClock.monotonic() - start < LONG / 2);
    gone(pid_in(&folder.path().join("pid")).await).await;
}

#[tokio::test]
async fn a_descendant_that_left_the_group_holds_the_call_up_for_a_second_only() {
    let folder = tempfile::tempdir().unwrap();
    let text = "setsid sh -c 'echo $$ >pid; exec sleep 1000' & while [ ! -s pid ]; do :; done; echo 1";
    let instance = script(text, json!({"cwd": folder.path().to_str().unwrap()})).await;
    let start = RealClock.monotonic();
    assert_eq!(Call::new(json!(1)).run(&instance).await.unwrap(), json!(1));
    assert!(RealClock.monotonic() - start < LONG / 2);
    let pid = pid_in(&folder.path().join("pid")).await;
    assert!(alive(pid), "it escaped, as documented");
    std::process::Command::new("kill").arg(pid.to_string()).status().unwrap();
}

#[tokio::test]
async fn a_call_is_a_group_of_its_own() {
    let instance = script("ps -o pgid= -p $$ | tr -d ' '; echo $$ >&2", json!({"stdout": "text"})).await;
    let call = Call::new(json!(1));
    let group = call.run(&instance).await.unwrap();
    let leader = &call.log.lines(oneiric_core::roles::Stream::Stderr)[0];
    assert_eq!(group.as_str(), Some(leader.as_str()));
}

#[tokio::test]
async fn a_further_try_first_ends_what_an_orchestrator_that_was_killed_left_running() {
    let mut call = Call::new(json!(1));
    // What a killed orchestrator leaves: a group of its own with the key of the call.
    let mut left = std::process::Command::new("sh")
        .args(["-c", "sleep 1000 & wait"])
        .env("ONEIRIC_IDEMPOTENCY_KEY", call.cx().idempotency_key())
        .process_group(0)
        .spawn()
        .unwrap();
    let instance = script("echo 1", json!({})).await;
    call.run(&instance).await.unwrap();
    assert!(left.try_wait().unwrap().is_none(), "a first try has no business with others");
    call.attempt = 2;
    assert_eq!(call.run(&instance).await.unwrap(), json!(1));
    // It was ended before the second try began, and its child with it.
    assert!(left.wait().unwrap().code().is_none(), "it was killed");
}

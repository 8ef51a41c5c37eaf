//! `exec:` how a cancelled call ends.

use std::path::Path;
use std::time::Duration;

use oneiric_core::roles::Stream;
use oneiric_core::{Class, Clock, Fault, Instance};
use serde_json::{Value, json};

use crate::process::{alive, children, pid_in, script};
use crate::support::{Call, LONG, RealClock, eventually};

async fn in_folder(folder: &Path, text: &str) -> Instance {
    script(text, json!({"cwd": folder.to_str().unwrap()})).await
}

/// Runs the call and cancels it once the script wrote its number to `pid`.
async fn cancel_when_ready(call: &Call, instance: &Instance, folder: &Path) -> (Result<Value, Fault>, u32) {
    tokio::join!(call.run(instance), async {
        let pid = pid_in(&folder.join("pid")).await;
        call.cancel.cancel();
        pid
    })
}

fn assert_cancelled(result: Result<Value, Fault>) {
    let fault = result.unwrap_err();
    assert_eq!((fault.class, fault.code.as_str()), (Class::Transient, "cancelled"));
    assert_eq!(fault.message, "`sh` was cancelled");
}

#[tokio::test]
async fn a_cancelled_program_runs_its_handler_and_its_last_lines_are_logged() {
    let folder = tempfile::tempdir().unwrap();
    let text = "trap 'echo bye >&2; touch handled; exit 0' TERM; echo $$ >pid; while :; do sleep 0.01; done";
    let (instance, call) = (in_folder(folder.path(), text).await, Call::new(json!(1)));
    let start = RealClock.monotonic();
    let (result, _) = cancel_when_ready(&call, &instance, folder.path()).await;
    assert_cancelled(result);
    assert!(folder.path().join("handled").exists());
    assert_eq!(call.log.lines(Stream::Stderr).last().unwrap(), "bye");
    assert!(RealClock.monotonic() - start < LONG / 2, "the grace is not waited for");
    assert_eq!(children(), []);
}

#[tokio::test]
async fn a_program_that_ignores_the_signal_is_killed_after_the_grace() {
    let folder = tempfile::tempdir().unwrap();
    let text = "trap '' TERM; echo $$ >pid; while :; do sleep 0.05; done";
    let (instance, mut call) = (in_folder(folder.path(), text).await, Call::new(json!(1)));
    call.grace = Duration::from_millis(200);
    let start = RealClock.monotonic();
    let (result, pid) = cancel_when_ready(&call, &instance, folder.path()).await;
    assert_cancelled(result);
    let took = RealClock.monotonic() - start;
    assert!((call.grace..LONG / 2).contains(&took), "{took:?}");
    assert!(!alive(pid));
    assert_eq!(children(), []);
}

#[tokio::test]
async fn a_descendant_has_its_grace_although_the_program_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let text = "sh -c \"trap 'sleep 0.2; echo cleaned >&2; touch cleaned; exit' TERM; echo \\$\\$ >pid; \
                while :; do sleep 0.05; done\" & wait";
    let (instance, call) = (in_folder(folder.path(), text).await, Call::new(json!(1)));
    let (result, pid) = cancel_when_ready(&call, &instance, folder.path()).await;
    assert_cancelled(result);
    assert!(folder.path().join("cleaned").exists());
    assert_eq!(call.log.lines(Stream::Stderr).last().unwrap(), "cleaned");
    eventually("the descendant is gone", || (!alive(pid)).then_some(())).await;
}

#[tokio::test]
async fn a_grace_of_zero_kills_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let text = "trap '' TERM; sleep 1000 & echo $! >pid; wait";
    let (instance, mut call) = (in_folder(folder.path(), text).await, Call::new(json!(1)));
    call.grace = Duration::ZERO;
    let (result, pid) = cancel_when_ready(&call, &instance, folder.path()).await;
    assert_cancelled(result);
    eventually("the grandchild is gone", || (!alive(pid)).then_some(())).await;
}

#[tokio::test]
async fn a_call_that_is_dropped_within_its_grace_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let text = "trap 'touch asked' TERM; echo $$ >pid; while :; do sleep 0.01; done";
    let (instance, call) = (in_folder(folder.path(), text).await, Call::new(json!(1)));
    let (pid, asked) = (folder.path().join("pid"), folder.path().join("asked"));
    let pid = tokio::select! {
        _ = call.run(&instance) => panic!("it ignores the signal"),
        pid = async {
            let pid = pid_in(&pid).await;
            call.cancel.cancel();
            eventually("the handler runs", || asked.exists().then_some(())).await;
            pid
        } => pid,
    };
    eventually("the program is gone", || (!alive(pid)).then_some(())).await;
}

#[tokio::test]
async fn a_call_that_is_cancelled_already_starts_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (instance, call) = (in_folder(folder.path(), "touch started").await, Call::new(json!(1)));
    call.cancel.cancel();
    assert_cancelled(call.run(&instance).await);
    assert!(!folder.path().join("started").exists());
}

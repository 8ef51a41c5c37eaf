//! `process:` how a service ends that is asked to, or dropped: with everything that it started.

use std::path::Path;
use std::time::Duration;

use oneiric_core::Clock;
use oneiric_core::roles::Stream;
use serde_json::json;

use crate::process::{alive, pid_in};
use crate::service::script;
use crate::support::{LONG, RealClock, eventually};

/// A script that starts a process which leaves the group, closes its streams and loses its parent. It writes its number
/// to `far`.
const ESCAPES: &str = "(setsid sh -c 'echo $$ >far.new; mv far.new far; exec sleep 1000' <&- >&- 2>&- &)
    while [ ! -e far ]; do sleep 0.01; done; ";

async fn gone(pid: u32) {
    eventually("the process is gone", || (!alive(pid)).then_some(())).await;
}

fn far(folder: &Path) -> impl Future<Output = u32> {
    let file = folder.join("far");
    async move { pid_in(&file).await }
}

#[tokio::test]
async fn it_stops_in_order_whatever_code_it_exits_with() {
    let folder = tempfile::tempdir().unwrap();
    let text = "trap 'echo bye; exit 9' TERM; echo $$ >pid; while :; do sleep 0.01; done";
    let stand = script(folder.path(), text, json!({})).await;
    let (end, _) = stand.run_until(pid_in(&folder.path().join("pid"))).await;
    assert_eq!(end, Ok(()));
    assert_eq!(stand.watch.lines(Stream::Stdout), ["bye"]);
    stand.leaves_nothing().await;
}

#[tokio::test]
async fn it_is_asked_with_the_signal_that_it_says() {
    for signal in ["INT", "HUP", "QUIT", "USR1", "SIGUSR2"] {
        let folder = tempfile::tempdir().unwrap();
        let bare = signal.trim_start_matches("SIG");
        let text = format!("trap 'echo {bare}; exit 0' {bare}; echo $$ >pid; while :; do sleep 0.01; done");
        let stand = script(folder.path(), &text, json!({"stop_signal": signal})).await;
        let (end, _) = stand.run_until(pid_in(&folder.path().join("pid"))).await;
        assert_eq!(end, Ok(()));
        assert_eq!(stand.watch.lines(Stream::Stdout), [bare]);
        stand.leaves_nothing().await;
    }
}

#[tokio::test]
async fn one_that_ignores_the_signal_is_killed_when_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let text = "trap '' TERM; sleep 1000 & echo $! >near; echo $$ >pid; while :; do sleep 0.05; done";
    let stand = script(folder.path(), text, json!({})).await;
    let pids = stand.drop_when(async {
        let pid = pid_in(&folder.path().join("pid")).await;
        stand.stop.cancel();
        RealClock.sleep(Duration::from_millis(50)).await;
        assert!(alive(pid), "it was asked and goes on");
        (pid, pid_in(&folder.path().join("near")).await)
    });
    let (pid, near) = pids.await;
    stand.leaves_nothing().await;
    assert!(!alive(pid));
    gone(near).await;
}

#[tokio::test]
async fn one_that_ignores_the_signal_is_killed_after_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let text = "trap '' TERM; echo $$ >pid; while :; do sleep 0.05; done";
    let stand = script(folder.path(), text, json!({"kill_after": 0.1})).await;
    let (end, pid) = stand.run_until(pid_in(&folder.path().join("pid"))).await;
    assert_eq!(end, Ok(()));
    assert!(!alive(pid));
    stand.leaves_nothing().await;
}

#[tokio::test]
async fn a_descendant_has_its_time_although_the_first_process_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let text = "sh -c \"trap 'sleep 0.2; echo cleaned; exit' TERM; echo \\$\\$ >pid; \
                while :; do sleep 0.01; done\" & wait";
    let stand = script(folder.path(), text, json!({})).await;
    let (end, pid) = stand.run_until(pid_in(&folder.path().join("pid"))).await;
    assert_eq!(end, Ok(()));
    assert_eq!(stand.watch.lines(Stream::Stdout), ["cleaned"]);
    gone(pid).await;
    stand.leaves_nothing().await;
}

#[tokio::test]
async fn what_it_leaves_running_in_its_group_is_killed_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let stand = script(folder.path(), "sleep 1000 & echo $! >near; exit 0", json!({})).await;
    assert_eq!(stand.run().await, Ok(()));
    gone(pid_in(&folder.path().join("near")).await).await;
    stand.leaves_nothing().await;
}

#[tokio::test]
async fn what_left_the_group_is_killed_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let stand = script(folder.path(), &format!("{ESCAPES} exit 0"), json!({})).await;
    assert_eq!(stand.run().await, Ok(()));
    assert!(!alive(far(folder.path()).await));
    stand.leaves_nothing().await;
}

#[tokio::test]
async fn what_left_the_group_is_killed_when_it_is_asked_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let stand = script(folder.path(), &format!("{ESCAPES} echo $$ >pid; exec sleep 1000"), json!({})).await;
    let (end, _) = stand.run_until(pid_in(&folder.path().join("pid"))).await;
    assert_eq!(end, Ok(()));
    assert!(!alive(far(folder.path()).await));
    stand.leaves_nothing().await;
}

async fn all_is_killed_when_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let stand = script(folder.path(), &format!("{ESCAPES} echo $$ >pid; exec sleep 1000"), json!({})).await;
    let pid = stand.drop_when(pid_in(&folder.path().join("pid"))).await;
    let far = far(folder.path()).await;
    stand.leaves_nothing().await;
    assert!(!alive(pid) && !alive(far));
}

#[tokio::test]
async fn what_left_the_group_is_killed_when_it_is_dropped() {
    all_is_killed_when_it_is_dropped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_left_the_group_is_killed_when_it_is_dropped_on_many_threads() {
    all_is_killed_when_it_is_dropped().await;
}

#[test]
fn all_is_killed_when_it_is_dropped_with_its_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let far = runtime.block_on(async {
        let stand =
            script(folder.path(), &format!("{ESCAPES} echo $$ >pid; exec sleep 1000"), json!({})).await;
        tokio::spawn(async move { stand.run().await });
        pid_in(&folder.path().join("pid")).await;
        far(folder.path()).await
    });
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    other.block_on(gone(far));
}

#[tokio::test]
async fn a_start_waits_for_what_the_one_before_left() {
    let folder = tempfile::tempdir().unwrap();
    // A second start that finds the first one alive would write `both`.
    let text = format!(
        "[ -e far ] && grep -q '^State:.[^ZX]' /proc/$(cat far)/status && touch both; rm -f far; {ESCAPES} echo $$ >pid;"
    );
    let stand = script(folder.path(), &format!("{text} exec sleep 1000"), json!({})).await;
    for _ in 0..3 {
        stand.drop_when(pid_in(&folder.path().join("pid"))).await;
        std::fs::remove_file(folder.path().join("pid")).unwrap();
    }
    assert!(!folder.path().join("both").exists());
    stand.leaves_nothing().await;
}

#[tokio::test]
async fn one_that_is_asked_before_it_starts_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let stand = script(folder.path(), "touch started", json!({})).await;
    stand.stop.cancel();
    assert_eq!(stand.run().await, Ok(()));
    assert!(!folder.path().join("started").exists());
}

#[tokio::test]
async fn stopping_takes_no_longer_than_the_program_does() {
    let folder = tempfile::tempdir().unwrap();
    let stand = script(folder.path(), "echo $$ >pid; exec sleep 1000", json!({"kill_after": 1000})).await;
    let start = RealClock.monotonic();
    let (end, _) = stand.run_until(pid_in(&folder.path().join("pid"))).await;
    assert_eq!(end, Ok(()));
    assert!(RealClock.monotonic() - start < LONG);
    stand.leaves_nothing().await;
}

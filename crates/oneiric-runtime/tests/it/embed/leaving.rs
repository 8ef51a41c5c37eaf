//! How an orchestrator ends: shut down, or dropped.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::linked::{Linked, task_fn};
use oneiric_core::roles::Task;
use oneiric_core::{Class, Component, Fault, Instance, Role};
use oneiric_runtime::{Builder, Oneiric, RunRequest};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::noted::{Noted, Notes, noted, taken};
use crate::support::until;

fn builder(notes: &Notes) -> Builder {
    Oneiric::builder().component(noted("it", "b", "", notes)).component(noted("it", "a", "", notes))
}

#[tokio::test]
async fn a_component_in_use_is_stopped_at_the_deadline_and_says_so() {
    let notes = Notes::default();
    let oneiric = builder(&notes).start().await.unwrap();
    let handle = oneiric.resolve::<Noted>("it").await.unwrap();
    let current = handle.current().unwrap();
    assert!(!oneiric.shutdown(Duration::ZERO).await.unwrap(), "somebody was using it");
    assert_eq!(
        (current.name.as_str(), taken(&notes)),
        ("a", vec!["start a".to_owned(), "stop a".to_owned()])
    );
    drop(current);
    let fault = handle.current().unwrap_err();
    assert_eq!((fault.class, fault.to_string().as_str()), (Class::Shutdown, "adapter `it` has been stopped"));
    assert!(oneiric.resolve::<Noted>("it").await.unwrap_err().to_string().contains("shutting down"));
    assert_eq!(taken(&notes), Vec::<String>::new(), "once");
}

#[tokio::test]
async fn a_component_that_a_swap_left_in_use_is_stopped_when_it_is_let_go() {
    let notes = Notes::default();
    let oneiric = builder(&notes).timeouts(no_wait()).start().await.unwrap();
    let handle = oneiric.resolve::<Noted>("it").await.unwrap();
    let current = handle.current().unwrap();
    assert!(!oneiric.swap_to("adapter", "it", "b").await.unwrap().old_stopped);
    assert_eq!(taken(&notes), ["start a", "start b"]);
    drop(current);
    while notes.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(taken(&notes), ["stop a"], "nobody asked for it");
    assert!(oneiric.shutdown(Duration::from_secs(5)).await.unwrap());
    assert_eq!(taken(&notes), ["stop b"]);
}

/// Never stops, and is never done with its work.
struct Stuck;

#[async_trait]
impl Component for Stuck {
    async fn stop(&self) -> Result<(), Fault> {
        std::future::pending().await
    }
}

impl Role for Stuck {
    const NAME: &'static str = "stuck";
}

#[tokio::test]
async fn nothing_that_hangs_keeps_an_orchestrator_beyond_its_deadline() {
    let notes = Notes::default();
    let stuck = |key: &str| {
        Linked::new(Stuck::DOMAIN, key, |_| {
            let stuck = Arc::new(Stuck);
            Ok(Instance::new(stuck.clone()).plays::<Stuck>(stuck))
        })
    };
    let oneiric = builder(&notes)
        .component(stuck("one"))
        .component(stuck("two"))
        .task("hang", task_fn(|(): ()| async { std::future::pending::<Result<(), Fault>>().await }))
        .workflow("w", &json!({"nodes": [{"id": "a", "task": "hang"}]}))
        .start()
        .await
        .unwrap();
    // What came up first is stopped last, behind those that hang.
    oneiric.resolve::<Noted>("it").await.unwrap();
    oneiric.resolve::<Stuck>("one").await.unwrap();
    oneiric.resolve::<Stuck>("two").await.unwrap();
    oneiric.run(RunRequest::of("w", &()).unwrap()).await.unwrap();
    // Each of the two alone would take its ten seconds, and the run for ever.
    let leaving = oneiric.drain(Duration::from_millis(50)).await;
    assert_eq!((leaving.unstopped, leaving.is_clean()), (2, false), "{leaving:?}");
    assert_eq!(leaving.drained + leaving.returned + leaving.aborted, 1, "{leaving:?}");
    assert_eq!(taken(&notes), ["start a", "stop a"], "what is in order was stopped all the same");
    oneiric.close().await.unwrap();
}

/// A swap does not wait for the users of the old instance.
fn no_wait() -> oneiric_core::lifecycle::Timeouts {
    oneiric_core::lifecycle::Timeouts {
        cleanup: Duration::from_millis(1),
        ..oneiric_core::lifecycle::Timeouts::default()
    }
}

#[tokio::test]
async fn two_orchestrators_of_one_process_know_nothing_of_each_other() {
    let (here, there) = (Notes::default(), Notes::default());
    let one = builder(&here).start().await.unwrap();
    let other = builder(&there).start().await.unwrap();
    let theirs = other.resolve::<Noted>("it").await.unwrap();
    one.resolve::<Noted>("it").await.unwrap();
    one.swap_to("adapter", "it", "b").await.unwrap();
    assert!(one.shutdown(Duration::from_secs(5)).await.unwrap());
    assert_eq!(taken(&here), ["start a", "start b", "stop a", "stop b"]);
    assert_eq!((theirs.current().unwrap().name.as_str(), taken(&there)), ("a", vec!["start a".to_owned()]));
    assert!(other.shutdown(Duration::from_secs(5)).await.unwrap());
}

/// Tells whether it is still there.
struct Kept;
impl Component for Kept {}
impl Role for Kept {
    const NAME: &'static str = "kept";
}

/// Waits until the tokio runtime has no task but this one.
async fn nothing_is_left() {
    let metrics = tokio::runtime::Handle::current().metrics();
    // A task that was aborted ends when the runtime comes to it, and one that waits for a file when that is written.
    until("no task is left", async || metrics.num_alive_tasks() == 0).await;
}

/// Uses an orchestrator and drops it; nothing of it may stay in the tokio runtime.
async fn use_and_drop(builder: Builder) {
    let kept = Arc::new(std::sync::Mutex::new(None));
    let made = Arc::clone(&kept);
    let oneiric = builder
        .component(Linked::new(Kept::DOMAIN, "kept", move |_| {
            let instance = Arc::new(Kept);
            *made.lock().unwrap() = Some(Arc::downgrade(&instance));
            Ok(Instance::new(instance.clone()).plays::<Kept>(instance))
        }))
        .task("task", task_fn(|(): ()| async { Ok::<_, Fault>("done") }))
        .workflow("one", &json!({"nodes": [{"id": "a", "task": "task"}]}))
        .start()
        .await
        .unwrap();
    let run = oneiric.run(RunRequest::of("one", &()).unwrap()).await.unwrap();
    run.completed().await.unwrap();
    drop(run);
    oneiric.resolve::<Kept>("kept").await.unwrap();
    oneiric.resolve::<dyn Task>("task").await.unwrap();
    let clone = oneiric.clone();
    drop(oneiric);
    let kept = kept.lock().unwrap().take().unwrap();
    assert!(kept.upgrade().is_some(), "a clone is the same orchestrator");
    drop(clone);
    nothing_is_left().await;
    assert!(kept.upgrade().is_none(), "its components went with it");
}

#[tokio::test]
async fn an_orchestrator_that_is_only_dropped_leaves_no_task_behind() {
    use_and_drop(Oneiric::builder()).await;
}

#[tokio::test]
async fn a_run_under_way_goes_on_when_its_orchestrator_is_dropped() {
    let go = CancellationToken::new();
    let wait = go.clone();
    let waiting = task_fn(move |text: String| {
        let wait = wait.clone();
        async move {
            wait.cancelled().await;
            Ok::<_, Fault>(text)
        }
    });
    let oneiric = Oneiric::builder()
        .task("wait", waiting)
        .workflow(
            "two",
            &json!({"nodes": [{"id": "a", "task": "wait"},
                                           {"id": "b", "task": "wait", "depends_on": ["a"]}]}),
        )
        .start()
        .await
        .unwrap();
    let run = oneiric.run(RunRequest::of("two", "tea").unwrap()).await.unwrap();
    drop(oneiric);
    go.cancel();
    assert_eq!(run.completed().await.unwrap().output::<String>("b").unwrap(), "tea");
    nothing_is_left().await;
}

#[tokio::test]
async fn an_orchestrator_with_a_state_folder_gives_it_back_when_it_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    use_and_drop(Oneiric::builder().state_dir(folder.path())).await;
    let next = Oneiric::builder().serve(false).state_dir(folder.path()).start().await.unwrap();
    let boots = next.store().dead().await.unwrap();
    assert_eq!(boots.len(), 1, "the dropped one is known to be dead");
    assert!(next.shutdown(Duration::from_secs(5)).await.unwrap());
}

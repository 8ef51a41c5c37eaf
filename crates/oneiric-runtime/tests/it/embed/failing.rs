//! Components that block or panic.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use oneiric_core::linked::{Linked, task_fn};
use oneiric_core::{Fault, Role};
use oneiric_runtime::{Kind, Oneiric, RunRequest};
use oneiric_testkit::ManualClock;
use serde_json::json;

use super::noted::{Noted, Notes, noted, taken};

// On one thread: what blocks must not block that one.
#[tokio::test]
async fn a_factory_that_blocks_is_given_up_and_holds_up_nobody() {
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = Mutex::new(blocked);
    let clock = ManualClock::new();
    let oneiric = Oneiric::builder()
        .component(Linked::new(Noted::DOMAIN, "stuck", move |_| {
            let _ = blocked.lock().unwrap().recv();
            Err(Fault::permanent("late", "too late to matter"))
        }))
        .task("task", task_fn(|(): ()| async { Ok::<_, Fault>("done") }))
        .workflow("one", &json!({"nodes": [{"id": "a", "task": "task"}]}))
        .clock(Arc::new(clock.clone()))
        .start()
        .await
        .unwrap();
    let others = async {
        let run = oneiric.run(RunRequest::of("one", &()).unwrap()).await.unwrap();
        assert_eq!(run.completed().await.unwrap().output::<String>("a").unwrap(), "done");
        clock.advance(Duration::from_secs(30));
    };
    let (stuck, ()) = tokio::join!(oneiric.resolve::<Noted>("stuck"), others);
    let error = stuck.unwrap_err();
    assert_eq!(error.to_string(), "adapter `stuck`: timed out after 30s");
    release.send(()).unwrap();
}

#[tokio::test]
async fn a_panic_in_any_step_is_an_error_of_its_component_alone() {
    let notes = Notes::default();
    let oneiric = Oneiric::builder()
        .component(noted("made", "a", "make", &notes))
        .component(noted("started", "b", "start", &notes))
        .component(noted("stopped", "c", "stop", &notes))
        .component(noted("sound", "d", "", &notes))
        .start()
        .await
        .unwrap();
    let check = async |key: &str, kind: Kind, expected: &str| {
        let error = oneiric.resolve::<Noted>(key).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), error.kind()), (expected, kind));
    };
    check("made", Kind::Configuration, "adapter `made`: panicked: no make today").await;
    check("started", Kind::Execution, "adapter `started` of `b`: start failed: panicked: no start today")
        .await;
    assert_eq!(taken(&notes), ["start b", "stop b"], "what half started is stopped");

    oneiric.resolve::<Noted>("sound").await.unwrap();
    oneiric.resolve::<Noted>("stopped").await.unwrap();
    assert!(oneiric.shutdown(Duration::from_secs(5)).await.unwrap());
    assert_eq!(taken(&notes), ["start d", "start c", "stop c", "stop d"], "the last one comes first");
}

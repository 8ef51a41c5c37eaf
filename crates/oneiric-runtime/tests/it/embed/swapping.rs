//! Swaps under runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::lifecycle::{Change, Hook};
use oneiric_core::linked::{Linked, task_fn};
use oneiric_core::roles::{Task, TaskContext};
use oneiric_core::{Component, Fault, Instance, Payload};
use oneiric_dag::Ended;
use oneiric_runtime::{Builder, Oneiric, RunRequest};
use serde_json::json;
use tokio_util::sync::CancellationToken;

/// A task that counts its calls, and minds being stopped under one.
#[derive(Default)]
struct Counting {
    name: &'static str,
    calls: AtomicU32,
    under_way: AtomicU32,
    stops: AtomicU32,
    stopped_too_early: AtomicU32,
    /// Fires at the call number `PATIENT`; from there on, each waits for `go`.
    patient: CancellationToken,
    go: CancellationToken,
}

/// The calls that do not wait for the swap.
const PATIENT: u32 = 50;

#[async_trait]
impl Component for Counting {
    async fn stop(&self) -> Result<(), Fault> {
        self.stops.fetch_add(1, Ordering::SeqCst);
        self.stopped_too_early.fetch_add(self.under_way.load(Ordering::SeqCst), Ordering::SeqCst);
        Ok(())
    }
}

#[async_trait]
impl Task for Counting {
    async fn run(&self, _: TaskContext<'_>) -> Result<Payload, Fault> {
        self.under_way.fetch_add(1, Ordering::SeqCst);
        if self.calls.fetch_add(1, Ordering::SeqCst) >= PATIENT {
            self.patient.cancel();
            self.go.cancelled().await;
        }
        tokio::task::yield_now().await;
        self.under_way.fetch_sub(1, Ordering::SeqCst);
        Ok(json!(self.name).into())
    }
}

fn linked(task: &Arc<Counting>) -> Linked {
    let made = Arc::clone(task);
    let make = move |_: &_| Ok(Instance::new(made.clone()).plays::<dyn Task>(made.clone()));
    Linked::new("task", "work", make).provider(task.name)
}

/// Fires when a newcomer is bound.
struct Bound(CancellationToken);

#[async_trait]
impl Hook for Bound {
    fn name(&self) -> &str {
        "bound"
    }

    async fn after(&self, change: &Change<'_>) -> Result<(), Fault> {
        if change.old.is_some() {
            self.0.cancel();
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swap_under_a_run_of_200_nodes_fails_none_of_them() {
    let bound = CancellationToken::new();
    let old = Arc::new(Counting { name: "old", go: bound.clone(), ..Counting::default() });
    let new = Arc::new(Counting { name: "new", go: bound.clone(), ..Counting::default() });
    let nodes: Vec<_> = (0..200).map(|n| json!({"id": format!("n{n}"), "task": "work"})).collect();
    let oneiric = Oneiric::builder()
        .serve(false)
        .component(linked(&new))
        .component(linked(&old))
        .workflow("many", &json!({"nodes": nodes, "max_parallel": 4}))
        .hook(Arc::new(Bound(bound)))
        .start()
        .await
        .unwrap();
    let run = oneiric.run(RunRequest::of("many", &()).unwrap()).await.unwrap();
    old.patient.cancelled().await;
    let swapped = oneiric.swap_to("task", "work", "new").await.unwrap();
    assert!(swapped.old_stopped);

    let report = run.completed().await.unwrap();
    let by = |name: &str| report.nodes.iter().filter(|node| node.output.value() == name).count();
    let (by_old, by_new) = (by("old"), by("new"));
    assert!((51..=54).contains(&by_old), "{by_old}: fifty, and those that were under way");
    assert_eq!(by_old + by_new, 200);
    assert_eq!(old.calls.load(Ordering::SeqCst) as usize, by_old);
    assert!(report.nodes.iter().all(|node| node.attempts == 1));
    let stops =
        |task: &Counting| (task.stops.load(Ordering::SeqCst), task.stopped_too_early.load(Ordering::SeqCst));
    assert_eq!((stops(&old), stops(&new)), ((1, 0), (0, 0)));
    assert!(oneiric.shutdown(Duration::from_secs(5)).await.unwrap());
    assert_eq!((stops(&old), stops(&new)), ((1, 0), (1, 0)));
}

#[tokio::test]
async fn a_swap_to_what_does_not_come_up_leaves_the_run_with_what_it_had() {
    let go = CancellationToken::new();
    let (reached, open) = (CancellationToken::new(), go.clone());
    let waiting = task_fn({
        let reached = reached.clone();
        move |(): ()| {
            let (reached, open) = (reached.clone(), open.clone());
            async move {
                reached.cancel();
                open.cancelled().await;
                Ok::<_, Fault>("sound")
            }
        }
    });
    let broken = Linked::new("task", "work", |_| Err(Fault::transient("away", "its server is away")));
    let oneiric = Oneiric::builder()
        .serve(false)
        .component(broken.provider("broken"))
        .component(Linked::task("work", waiting).provider("sound"))
        .workflow("two", &json!({"nodes": [{"id": "a", "task": "work"},
                                           {"id": "b", "task": "work", "depends_on": ["a"], "payload": null}]}))
        .start()
        .await
        .unwrap();
    let run = oneiric.run(RunRequest::of("two", &()).unwrap()).await.unwrap();
    reached.cancelled().await;
    let error = oneiric.swap_to("task", "work", "broken").await.unwrap_err();
    assert_eq!(error.to_string(), "task `work`: its server is away");
    go.cancel();
    let report = run.completed().await.unwrap();
    assert_eq!(report.output::<String>("b").unwrap(), "sound");
    let next = oneiric.run(RunRequest::of("two", &()).unwrap()).await.unwrap();
    assert_eq!(next.completed().await.unwrap().output::<String>("a").unwrap(), "sound");
}

#[tokio::test]
async fn a_run_that_begins_after_a_swap_means_what_was_swapped_in() {
    let named = |name: &'static str| {
        let task = task_fn(move |(): ()| async move { Ok::<_, Fault>(name) });
        Linked::task("work", task).provider(name)
    };
    let oneiric = Oneiric::builder()
        .serve(false)
        .component(named("plain"))
        .component(named("preferred").describe(|it| it.priority = 1))
        .workflow("one", &json!({"nodes": [{"id": "a", "task": "work"}]}))
        .start()
        .await
        .unwrap();
    let check = async |expected: &str| {
        let run = oneiric.run(RunRequest::of("one", &()).unwrap()).await.unwrap();
        assert_eq!(run.completed().await.unwrap().output::<String>("a").unwrap(), expected);
    };
    check("preferred").await;
    oneiric.swap_to("task", "work", "plain").await.unwrap();
    check("plain").await;
    oneiric.swap_to("task", "work", "preferred").await.unwrap();
    check("preferred").await;
}

/// A process whose manifest builds `greet` by `factory`. Its task `wait` ends when it is asked to stop.
fn greeting(folder: &std::path::Path, factory: &str, reached: &CancellationToken) -> Builder {
    struct Wait(CancellationToken);

    #[async_trait]
    impl Task for Wait {
        async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
            self.0.cancel();
            cx.cancel.cancelled().await;
            Ok(Payload::NULL)
        }
    }

    struct Nothing;
    impl Component for Nothing {}

    let greet = |name: &'static str| {
        move |_: &_| {
            let task: Arc<dyn Task> = Arc::new(task_fn(move |(): ()| async move { Ok::<_, Fault>(name) }));
            Ok(Instance::new(Arc::new(Nothing)).plays::<dyn Task>(task))
        }
    };
    let manifest = format!(
        "entries:
         - {{domain: task, key: greet, provider: shop, factory: {factory}}}
         - domain: workflow
           key: day
           provider: shop
           factory: builtin:noop
           dag: {{nodes: [{{id: wait, task: wait}}, {{id: greet, task: greet, depends_on: [wait]}}]}}"
    );
    Oneiric::builder()
        .serve(false)
        .state_dir(folder)
        .factory("morning", greet("good morning"))
        .factory("evening", greet("good evening"))
        .task("wait", Wait(reached.clone()))
        .manifest_text("day.yaml", manifest.into_bytes())
}

#[tokio::test]
async fn a_resumed_run_keeps_to_the_candidates_of_its_own_manifests() {
    let folder = tempfile::tempdir().unwrap();
    let reached = CancellationToken::new();
    let early = greeting(folder.path(), "morning", &reached).start().await.unwrap();
    let run = early.run(RunRequest::of("day", &()).unwrap()).await.unwrap();
    reached.cancelled().await;
    assert!(early.shutdown(Duration::from_secs(5)).await.unwrap());
    assert!(matches!(run.ended().await, Ended::Suspended));

    let late = greeting(folder.path(), "evening", &CancellationToken::new()).start().await.unwrap();
    let mut resumed = late.resume_all().await.unwrap();
    assert_eq!(resumed.len(), 1);
    let resumed = resumed.remove(0).1.unwrap();
    assert_eq!(resumed.completed().await.unwrap().output::<String>("greet").unwrap(), "good morning");
    let greet = late.resolve::<dyn Task>("greet").await.unwrap();
    assert_eq!(greet.current().unwrap().descriptor().factory.as_str(), "evening");
    assert!(late.shutdown(Duration::from_secs(5)).await.unwrap());
}

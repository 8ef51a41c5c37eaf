//! Processes on one state folder, and work that is counted while it is under way.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::linked::Linked;
use oneiric_core::roles::{Task, TaskContext};
use oneiric_core::{Clock as _, Component, Fault, Instance, Payload};
use oneiric_runtime::{Builder, Oneiric, SystemClock};
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::LONG;

/// Lets others go on.
pub async fn nap(time: Duration) {
    SystemClock::default().sleep(time).await;
}

/// What comes of it within a time, or nothing.
pub async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = nap(limit) => None,
    }
}

/// What the task `work` does, over all processes of a test: it counts, and may be made to wait.
#[derive(Debug)]
pub struct Work {
    /// Calls that have begun.
    pub started: AtomicU64,
    /// Calls that have begun and not ended, whoever ended them.
    pub under_way: AtomicU64,
    /// Whether calls take a while of their own.
    pub takes_time: AtomicBool,
    open: watch::Sender<bool>,
}

impl Default for Work {
    fn default() -> Self {
        Self {
            started: AtomicU64::new(0),
            under_way: AtomicU64::new(0),
            takes_time: AtomicBool::new(false),
            open: watch::Sender::new(true),
        }
    }
}

impl Work {
    /// Calls wait until they are let go.
    pub fn closed() -> Self {
        Self { open: watch::Sender::new(false), ..Self::default() }
    }

    /// Lets them go, and all that come.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// An orchestrator with the task from two providers, a workflow of one node and one of many.
    pub fn builder(self: &Arc<Self>) -> Builder {
        let linked = |provider: &str| {
            let work = Arc::clone(self);
            let make = move |_: &_| {
                let task: Arc<Doing> = Arc::new(Doing(Arc::clone(&work)));
                Ok(Instance::new(task.clone()).plays::<dyn Task>(task))
            };
            Linked::new("task", "work", make).provider(provider)
        };
        // The last one of equals is the first choice.
        Oneiric::builder()
            .component(linked("new"))
            .component(linked("old"))
            .workflow("one", &json!({"nodes": [{"id": "a", "task": "work"}]}))
            .workflow(
                "many",
                &json!({"nodes": [
                    {"id": "a", "task": "work"}, {"id": "b", "task": "work"}, {"id": "c", "task": "work"},
                    {"id": "d", "task": "work", "depends_on": ["a"]},
                    {"id": "e", "task": "work", "depends_on": ["a", "b"]},
                    {"id": "f", "task": "work", "depends_on": ["d", "e", "c"]},
                ]}),
            )
    }
}

struct Doing(Arc<Work>);

#[async_trait]
impl Component for Doing {}

/// Also where the call is dropped.
struct UnderWay<'a>(&'a AtomicU64);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Task for Doing {
    async fn run(&self, _: TaskContext<'_>) -> Result<Payload, Fault> {
        let work = &self.0;
        work.under_way.fetch_add(1, Ordering::SeqCst);
        let _under_way = UnderWay(&work.under_way);
        let n = work.started.fetch_add(1, Ordering::SeqCst);
        let mut open = work.open.subscribe();
        open.wait_for(|open| *open).await.ok();
        if work.takes_time.load(Ordering::Relaxed) {
            match n % 3 {
                0 => tokio::task::yield_now().await,
                1 => {}
                _ => nap(Duration::from_millis(n % 4)).await,
            }
        }
        Ok(json!(n).into())
    }
}

/// A state folder.
#[derive(Debug)]
pub struct Place(tempfile::TempDir);

impl Place {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Starts a process that keeps its state here.
    pub fn process(&self, work: &Arc<Work>) -> Process {
        Process::of(work.builder().state_dir(self.path()))
    }
}

/// What a process has: threads and an orchestrator of its own.
#[derive(Debug)]
pub struct Process {
    runtime: Runtime,
    oneiric: Oneiric,
}

impl Process {
    pub fn of(builder: Builder) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let oneiric = runtime.block_on(async { builder.start().await.unwrap() });
        Self { runtime, oneiric }
    }

    /// Does something in it.
    pub fn on<T>(&self, work: impl AsyncFnOnce(Oneiric) -> T) -> T {
        let oneiric = self.oneiric.clone();
        self.runtime.block_on(async { within(LONG, work(oneiric)).await.expect("it hangs") })
    }

    /// Begins something in it.
    pub fn begin<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        work: impl FnOnce(Oneiric) -> F,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime.spawn(work(self.oneiric.clone()))
    }

    /// Ends it as SIGTERM would; whether everything had stopped in time.
    pub fn ends(self) -> bool {
        self.runtime.block_on(self.oneiric.shutdown(Duration::from_secs(10))).unwrap()
    }

    /// Ends it as SIGKILL would: no task goes on, nothing is written down.
    pub fn dies(self) {
        let Self { runtime, oneiric } = self;
        runtime.shutdown_timeout(Duration::from_secs(5));
        drop(oneiric);
    }
}

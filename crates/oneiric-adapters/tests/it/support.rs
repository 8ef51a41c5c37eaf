//! A clock that is real, a log that remembers, and calls made of both.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oneiric_adapters::{Limits, Parts};
use oneiric_core::clock::Sleep;
use oneiric_core::environment::MapEnvironment;
use oneiric_core::rng::SeededRng;
use oneiric_core::roles::{LogSink, Pulse, Stream, Task, TaskContext};
use oneiric_core::{
    Blueprint, Clock, ComponentRuntime, Descriptor, Domain, Factory, Fault, Instance, Key, NodeId, Payload,
    Provider, RunId, Source, Timestamp,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// Nothing in these tests takes this long unless it hangs.
pub(crate) const LONG: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(crate) struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(0)
    }

    #[expect(clippy::disallowed_methods, reason = "the tests' own source of time")]
    fn monotonic(&self) -> Duration {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "the tests' own source of time")]
    fn sleep(&self, delay: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(delay))
    }
}

/// Every line, with its stream.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<Vec<(Stream, String)>>);

impl LogSink for Recorder {
    fn line(&self, _: &TaskContext<'_>, stream: Stream, line: &str) {
        self.0.lock().unwrap().push((stream, line.to_owned()));
    }
}

impl Recorder {
    pub(crate) fn lines(&self, stream: Stream) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        lines.iter().filter(|(of, _)| *of == stream).map(|(_, line)| line.clone()).collect()
    }
}

/// One call: what a task is told, and what can be done to it from outside.
pub(crate) struct Call {
    workflow: Key,
    node: NodeId,
    pub(crate) run: RunId,
    pub(crate) attempt: u32,
    pub(crate) input: Payload,
    pub(crate) cancel: CancellationToken,
    pub(crate) grace: Duration,
    pub(crate) log: Arc<Recorder>,
    sink: Arc<dyn LogSink>,
    pub(crate) pulse: Pulse,
}

impl Call {
    pub(crate) fn new(input: Value) -> Self {
        let log = Arc::new(Recorder::default());
        Self {
            workflow: Key::new("shop").unwrap(),
            node: NodeId::new("charge").unwrap(),
            run: own_run(),
            attempt: 1,
            input: input.into(),
            cancel: CancellationToken::new(),
            grace: LONG,
            sink: log.clone(),
            pulse: Pulse::new(&(Arc::new(RealClock) as Arc<dyn Clock>)),
            log,
        }
    }

    pub(crate) fn cx(&self) -> TaskContext<'_> {
        TaskContext {
            run: self.run,
            workflow: &self.workflow,
            node: &self.node,
            attempt: self.attempt,
            input: self.input.clone(),
            input_hash: self.input.digest(),
            cancel: &self.cancel,
            grace: self.grace,
            log: &self.sink,
            pulse: &self.pulse,
        }
    }

    pub(crate) async fn run(&self, instance: &Instance) -> Result<Value, Fault> {
        let task = instance.role::<dyn Task>().expect("it plays Task");
        within(LONG, task.run(self.cx())).await.expect("the call ends").map(Value::from)
    }
}

/// The output of the future, or `None` where it took longer. It is dropped then, like at a timeout.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    tokio::select! {
        output = &mut future => Some(output),
        () = RealClock.sleep(limit) => None,
    }
}

/// Waits until `probe` gives something.
pub(crate) async fn eventually<T>(what: &str, probe: impl Fn() -> Option<T>) -> T {
    let end = RealClock.monotonic() + LONG;
    loop {
        match probe() {
            Some(found) => return found,
            None if RealClock.monotonic() > end => panic!("never happened: {what}"),
            None => RealClock.sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Parts with an environment of our own, in which `CANARY` must reach no process.
pub(crate) fn parts(limits: Limits) -> Parts {
    let environment = MapEnvironment::from_iter([
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/home/ada"),
        ("LC_ALL", "C.UTF-8"),
        ("CANARY", "sings"),
    ]);
    let mut parts = Parts::new(Arc::new(RealClock), Arc::new(environment), Arc::new(SeededRng::new(1)));
    parts.limits = limits;
    parts
}

/// A descriptor of a task with `metadata.exec`.
pub(crate) fn descriptor(factory: &str, exec: Value) -> Descriptor {
    let mut descriptor = Descriptor::new(
        Domain::TASK,
        Key::new("demo").unwrap(),
        Provider::new("test").unwrap(),
        Factory::new(factory),
        Source::Manual,
    );
    if !exec.is_null() {
        descriptor.metadata.insert("exec".to_owned(), exec);
    }
    descriptor
}

/// The runtime for a descriptor, found as the engine finds it.
pub(crate) fn runtime(descriptor: &Descriptor, limits: Limits) -> Option<Arc<dyn ComponentRuntime>> {
    oneiric_adapters::enabled(&parts(limits)).into_iter().find(|runtime| runtime.recognises(descriptor))
}

/// Checks, then builds.
pub(crate) async fn build(descriptor: &Descriptor) -> Result<Instance, Fault> {
    let runtime = runtime(descriptor, Limits::STANDARD).expect("a runtime recognises it");
    let blueprint = Blueprint::from(descriptor.clone());
    runtime.check(&blueprint)?;
    runtime.build(&blueprint).await
}

/// A component of `domain` with one section of metadata and its provider's settings.
pub(crate) async fn build_with(
    domain: Domain,
    factory: &str,
    section: &str,
    metadata: Value,
    settings: Value,
) -> Result<Instance, Fault> {
    let mut descriptor = descriptor(factory, Value::Null);
    descriptor.domain = domain;
    descriptor.metadata.insert(section.to_owned(), metadata);
    let runtime = runtime(&descriptor, Limits::STANDARD).expect("a runtime recognises it");
    let settings = settings.as_object().expect("settings are a table").clone();
    let blueprint = Blueprint::from(descriptor).with_settings(settings);
    runtime.check(&blueprint)?;
    runtime.build(&blueprint).await
}

/// A run that no other test process has: a further try ends what other tries of its run left behind.
fn own_run() -> RunId {
    RunId::from_bytes(u128::from(std::process::id()).to_be_bytes())
}

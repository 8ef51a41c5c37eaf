//! What a case needs around a component: calls, a log, bounded patience.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oneiric_core::roles::{Action, LogSink, Pulse, Stream, Task, TaskContext};
use oneiric_core::{Clock, Domain, Fault, Instance, Key, NodeId, Payload, RunId};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Behaviour, Site};

/// Nothing in the contract takes this long unless it hangs.
pub const LONG: Duration = Duration::from_secs(60);

/// How often something is looked at that cannot be waited for.
const GLANCE: Duration = Duration::from_millis(5);

/// Every line that was logged.
#[derive(Debug, Default)]
pub struct Log(Mutex<Vec<String>>);

impl LogSink for Log {
    fn line(&self, _: &TaskContext<'_>, _: Stream, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

/// A component on its site, and what calls it.
#[expect(missing_debug_implementations, reason = "a site is a test's own")]
pub struct Stage {
    site: Arc<dyn Site>,
    /// The component.
    pub instance: Instance,
    /// Cancels the calls of a task.
    pub cancel: CancellationToken,
    log: Arc<Log>,
    sink: Arc<dyn LogSink>,
    workflow: Key,
    node: NodeId,
}

impl Stage {
    /// Builds and starts a component; `None` where the site cannot show the behaviour.
    pub async fn set(site: &Arc<dyn Site>, behaviour: Behaviour, domain: Domain) -> Option<Self> {
        let blueprint = match site.component(behaviour, domain) {
            Ok(blueprint) => blueprint,
            Err(reason) => {
                not_shown(&format!("{behaviour:?}"), reason);
                return None;
            }
        };
        let runtime = site.runtime();
        assert!(runtime.recognises(&blueprint.descriptor));
        runtime.check(&blueprint).expect("it can be built");
        let instance = runtime.build(&blueprint).await.expect("it is built");
        instance.component().start().await.expect("it starts");
        let log = Arc::new(Log::default());
        Some(Self {
            site: Arc::clone(site),
            instance,
            cancel: CancellationToken::new(),
            sink: log.clone(),
            log,
            workflow: Key::new("contract").unwrap(),
            node: NodeId::new("case").unwrap(),
        })
    }

    /// A task; see [`Stage::set`].
    pub async fn task(site: &Arc<dyn Site>, behaviour: Behaviour) -> Option<Self> {
        Self::set(site, behaviour, Domain::TASK).await
    }

    /// Calls the task.
    pub async fn run(&self, input: Value) -> Result<Value, Fault> {
        let input = Payload::from(input);
        let pulse = Pulse::new(&self.site.clock());
        let cx = TaskContext {
            run: RunId::from_bytes(u128::from(std::process::id()).to_be_bytes()),
            workflow: &self.workflow,
            node: &self.node,
            attempt: 1,
            input_hash: input.digest(),
            input,
            cancel: &self.cancel,
            grace: LONG,
            log: &self.sink,
            pulse: &pulse,
        };
        let task = self.instance.role::<dyn Task>().expect("it plays Task");
        self.soon(task.run(cx)).await.map(Value::from)
    }

    /// Calls the action.
    pub async fn apply(&self, input: Value) -> Result<Value, Fault> {
        let action = self.instance.role::<dyn Action>().expect("it plays Action");
        self.soon(action.apply(input.into())).await.map(Value::from)
    }

    /// The lines that were logged.
    pub fn lines(&self) -> Vec<String> {
        self.log.0.lock().unwrap().clone()
    }

    /// Waits until work is going on, or until none is.
    pub async fn until_at_work(&self, at_work: bool) {
        let is_so = async {
            while self.site.is_at_work() != at_work {
                self.site.clock().sleep(GLANCE).await;
            }
        };
        self.soon(is_so).await;
    }

    /// Stops the component.
    pub async fn stop(&self) {
        self.soon(self.instance.component().stop()).await.expect("it stops cleanly");
    }

    /// The output of a future that ends in time.
    pub async fn soon<F: Future>(&self, future: F) -> F::Output {
        soon(self.site.clock().as_ref(), future).await
    }
}

/// Says what cannot be shown.
#[expect(clippy::print_stderr, reason = "what was not tried must be seen")]
pub(super) fn not_shown(what: &str, reason: &str) {
    eprintln!("NOT SHOWN: {what}: {reason}");
}

/// The output of a future that ends in time.
///
/// # Panics
/// Where it does not.
pub(super) async fn soon<F: Future>(clock: &dyn Clock, future: F) -> F::Output {
    let mut future = pin!(future);
    tokio::select! {
        output = &mut future => output,
        () = clock.sleep(LONG) => panic!("it hangs"),
    }
}

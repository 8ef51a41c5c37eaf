//! What makes roles of a [`Caller`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Envelope, EventHandler, Task, TaskContext};
use oneiric_core::{Blueprint, Clock, Component, Fault, Instance, Payload};
use tokio_util::task::TaskTracker;

use super::{Call, Caller, Role};

/// How long a component that is stopped waits for its calls, before they are cut as a shutdown, which leaves
/// them to be tried again. A lifecycle waits for them before it stops anything; this is for who has none,
/// and stays, with the end of the processes, within the ten seconds that a lifecycle gives a stop.
const DRAIN: Duration = Duration::from_secs(4);

/// A component on the other side of a [`Caller`].
pub(crate) struct Foreign<C> {
    component: String,
    caller: C,
    clock: Arc<dyn Clock>,
    /// Counts the calls under way; closed once the component is stopped.
    calls: TaskTracker,
}

impl<C: Caller> Foreign<C> {
    /// The instance, playing `roles`.
    pub(crate) fn instance(
        blueprint: &Blueprint,
        caller: C,
        clock: Arc<dyn Clock>,
        roles: &[Role],
    ) -> Instance {
        let component = blueprint.descriptor.key.to_string();
        let shared = Arc::new(Self { component, caller, clock, calls: TaskTracker::new() });
        let instance = Instance::new(shared.clone());
        roles.iter().fold(instance, |instance, role| match role {
            Role::Task => instance.plays::<dyn Task>(shared.clone()),
            Role::Event => instance.plays::<dyn EventHandler>(shared.clone()),
            Role::Action => instance.plays::<dyn Action>(shared.clone()),
        })
    }

    async fn call(&self, role: Role, input: Payload, cx: Option<&TaskContext<'_>>) -> Result<Payload, Fault> {
        // Counted first: a stop that comes in between waits for it.
        let _counted = self.calls.token();
        if self.calls.is_closed() {
            return Err(Fault::shutdown(format!("component `{}` was stopped", self.component)));
        }
        self.caller.call(Call { component: &self.component, role, input, cx }).await
    }
}

#[async_trait]
impl<C: Caller> Component for Foreign<C> {
    async fn health(&self) -> Result<(), Fault> {
        if self.calls.is_closed() {
            return Err(Fault::shutdown(format!("component `{}` was stopped", self.component)));
        }
        self.caller.health().await
    }

    async fn stop(&self) -> Result<(), Fault> {
        self.calls.close();
        tokio::select! {
            biased;
            () = self.calls.wait() => {}
            () = self.clock.sleep(DRAIN) => {}
        }
        self.caller.stop().await
    }
}

#[async_trait]
impl<C: Caller> Task for Foreign<C> {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        self.call(Role::Task, cx.input.clone(), Some(&cx)).await
    }
}

#[async_trait]
impl<C: Caller> Action for Foreign<C> {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.call(Role::Action, input, None).await
    }
}

#[async_trait]
impl<C: Caller> EventHandler for Foreign<C> {
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        self.call(Role::Event, envelope.to_payload(), None).await
    }
}

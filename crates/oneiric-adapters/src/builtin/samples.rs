//! Upstream's sample components (`oneiric/remote/samples.py`), known by their Python names so that
//! upstream's sample manifests run without Python.

use async_trait::async_trait;
use oneiric_core::roles::{Action, Envelope, EventHandler, Task, TaskContext};
use oneiric_core::{Component, Factory, Fault, Payload};
use serde_json::{Value, json};

use super::fields::Fields;

const MODULE: &str = "oneiric.remote.samples";

/// One of the five samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sample {
    Adapter,
    Service,
    Task,
    EventHandler,
    Workflow,
}

impl Sample {
    /// The sample that a factory names.
    pub(super) fn named(factory: &Factory) -> Option<Sample> {
        Some(match factory.of_scheme(MODULE)? {
            "demo_remote_adapter" => Sample::Adapter,
            "demo_remote_service" => Sample::Service,
            "demo_remote_task" => Sample::Task,
            "demo_remote_event_handler" => Sample::EventHandler,
            "demo_remote_workflow" => Sample::Workflow,
            _ => return None,
        })
    }

    fn answer(self, input: &Value) -> Result<Value, Fault> {
        Ok(match self {
            Sample::Adapter => json!("hello from remote manifest"),
            Sample::Service => json!("remote-service-ok"),
            Sample::Task => json!("remote-task-run"),
            Sample::Workflow => json!("remote-workflow-complete"),
            Sample::EventHandler => {
                let fields = Fields::new("oneiric.remote.samples:demo_remote_event_handler", input);
                let topic = fields.require("topic")?;
                if !topic.is_string() {
                    return Err(fields.bad("topic", "is not a string"));
                }
                json!({ "name": "remote-event", "topic": topic, "payload": fields.get("payload") })
            }
        })
    }
}

impl Component for Sample {}

#[async_trait]
impl Task for Sample {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        self.answer(cx.input.value()).map(Payload::from)
    }
}

#[async_trait]
impl Action for Sample {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.answer(input.value()).map(Payload::from)
    }
}

#[async_trait]
impl EventHandler for Sample {
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        self.answer(envelope.to_payload().value()).map(Payload::from)
    }
}

//! The two components that need no payload of a certain shape.

use async_trait::async_trait;
use oneiric_core::roles::{Action, Envelope, EventHandler, Task, TaskContext};
use oneiric_core::{Component, Fault, Payload};

/// Returns `null`.
pub(super) struct Noop;

impl Component for Noop {}

#[async_trait]
impl Task for Noop {
    async fn run(&self, _: TaskContext<'_>) -> Result<Payload, Fault> {
        Ok(Payload::NULL)
    }
}

#[async_trait]
impl Action for Noop {
    async fn apply(&self, _: Payload) -> Result<Payload, Fault> {
        Ok(Payload::NULL)
    }
}

/// Returns what it was given.
pub(super) struct Echo;

impl Component for Echo {}

#[async_trait]
impl Task for Echo {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        Ok(cx.input)
    }
}

#[async_trait]
impl Action for Echo {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        Ok(input)
    }
}

#[async_trait]
impl EventHandler for Noop {
    async fn handle(&self, _: &Envelope) -> Result<Payload, Fault> {
        Ok(Payload::NULL)
    }
}

#[async_trait]
impl EventHandler for Echo {
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        Ok(envelope.payload.clone())
    }
}

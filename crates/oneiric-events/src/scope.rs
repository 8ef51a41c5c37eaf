//! What expressions see of an event: `topic`, `payload`, `headers`, `priority`, `routing_key`, `tags`.

use std::cell::OnceCell;

use oneiric_core::expr::{NodeView, Scope};
use oneiric_core::roles::Envelope;
use serde_json::Value;

/// The names that expressions about an event see.
pub const EVENT_VARIABLES: &[&str] = &["topic", "payload", "headers", "priority", "routing_key", "tags"];

static NULL: Value = Value::Null;

/// One event, for as many expressions as ask; what is not asked for is not converted.
#[derive(Debug)]
pub(crate) struct EventScope<'e> {
    envelope: &'e Envelope,
    topic: OnceCell<Value>,
    headers: OnceCell<Value>,
    priority: OnceCell<Value>,
    routing_key: OnceCell<Value>,
    tags: OnceCell<Value>,
}

impl<'e> EventScope<'e> {
    pub(crate) const fn new(envelope: &'e Envelope) -> Self {
        Self {
            envelope,
            topic: OnceCell::new(),
            headers: OnceCell::new(),
            priority: OnceCell::new(),
            routing_key: OnceCell::new(),
            tags: OnceCell::new(),
        }
    }
}

impl Scope for EventScope<'_> {
    fn inputs(&self) -> &Value {
        &NULL
    }

    fn node(&self, _: &str) -> Option<NodeView<'_>> {
        None
    }

    fn nodes(&self) -> Box<dyn Iterator<Item = (&str, NodeView<'_>)> + '_> {
        Box::new(std::iter::empty())
    }

    fn variable(&self, name: &str) -> Option<&Value> {
        let event = self.envelope;
        Some(match name {
            "payload" => event.payload.value(),
            "topic" => self.topic.get_or_init(|| event.topic.as_str().into()),
            "headers" => self.headers.get_or_init(|| Value::Object(event.headers.clone())),
            "priority" => self.priority.get_or_init(|| event.priority.name().into()),
            "routing_key" => self.routing_key.get_or_init(|| event.routing_key.clone().into()),
            "tags" => self.tags.get_or_init(|| event.tags.iter().map(String::as_str).collect()),
            _ => return None,
        })
    }
}

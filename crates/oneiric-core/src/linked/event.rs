//! What a linked handler says about its events: what an entry of a manifest says under `event_*`.
//!
//! It is read, and what is wrong with it is found, when an orchestrator is put together.

use serde::Serialize;
use serde_json::{Value, json};

use super::Linked;
use crate::manifest::{FanoutPolicy, Overflow};
use crate::roles::{DeliveryMode, Priority};

impl Linked {
    /// The topics that it wants, patterns among them: `order.*`. All where none is said.
    #[must_use]
    pub fn topics<T: Into<String>>(self, topics: impl IntoIterator<Item = T>) -> Self {
        self.says_texts("topics", topics)
    }

    /// A condition in upstream's form: `json!({"path": "payload.tenant", "equals": "shop"})`. With several, all
    /// must hold.
    #[must_use]
    pub fn filter(self, filter: Value) -> Self {
        self.describe(|descriptor| {
            let filters = descriptor.metadata.entry("filters").or_insert_with(|| json!([]));
            if let Value::Array(filters) = filters {
                filters.push(filter);
            }
        })
    }

    /// A condition in CEL over `topic`, `payload`, `headers`, `priority`, `routing_key` and `tags`.
    #[must_use]
    pub fn when(self, condition: impl Into<String>) -> Self {
        self.says("event_when", condition.into())
    }

    /// Tags that an event must have, all of them.
    #[must_use]
    pub fn tags<T: Into<String>>(self, tags: impl IntoIterator<Item = T>) -> Self {
        self.says_texts("event_tags", tags)
    }

    /// Sources that an event may be from, patterns among them.
    #[must_use]
    pub fn sources<T: Into<String>>(self, sources: impl IntoIterator<Item = T>) -> Self {
        self.says_texts("event_sources", sources)
    }

    /// Routing keys that an event may have, patterns among them.
    #[must_use]
    pub fn routing_keys<T: Into<String>>(self, keys: impl IntoIterator<Item = T>) -> Self {
        self.says_texts("event_routing_keys", keys)
    }

    /// How urgent an event must be.
    #[must_use]
    pub fn min_priority(self, priority: Priority) -> Self {
        self.says("event_min_priority", priority)
    }

    /// What is promised of events that say nothing themselves.
    #[must_use]
    pub fn delivery(self, delivery: DeliveryMode) -> Self {
        self.says("event_delivery", delivery)
    }

    /// Whether others get an event, too.
    #[must_use]
    pub fn fanout(self, policy: FanoutPolicy) -> Self {
        self.says("fanout_policy", policy)
    }

    /// Its place among the handlers of an event, the highest first.
    #[must_use]
    pub fn event_priority(self, priority: i32) -> Self {
        self.says("event_priority", priority)
    }

    /// How many events it handles at a time, at least 1.
    #[must_use]
    pub fn max_concurrency(self, count: u32) -> Self {
        self.says("max_concurrency", count)
    }

    /// How many events may wait for it in memory, at least 1, and what becomes of those for which there is no
    /// room.
    #[must_use]
    pub fn buffer(self, events: u32, overflow: Overflow) -> Self {
        self.says("event_buffer", events).says("event_overflow", overflow)
    }

    fn says_texts<T: Into<String>>(self, name: &str, texts: impl IntoIterator<Item = T>) -> Self {
        let texts: Vec<String> = texts.into_iter().map(Into::into).collect();
        self.says(name, texts)
    }

    fn says(self, name: &str, value: impl Serialize) -> Self {
        let value = serde_json::to_value(value).expect("words, numbers and texts are JSON");
        self.describe(|descriptor| drop(descriptor.metadata.insert(name.to_owned(), value)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::handler_fn;
    use super::*;
    use crate::Fault;
    use crate::roles::Envelope;

    #[test]
    fn a_linked_handler_says_what_an_entry_says() {
        let handler = handler_fn(|_: Envelope| async { Ok::<_, Fault>(()) });
        let linked = Linked::handler("mail", handler)
            .topics(["order.*"])
            .filter(json!({"path": "tenant", "equals": "a"}))
            .filter(json!({"path": "id", "exists": true}))
            .when("payload.total > 5")
            .tags(["vip"])
            .sources(["shop"])
            .routing_keys(["eu.#"])
            .min_priority(Priority::High)
            .delivery(DeliveryMode::AtLeastOnce)
            .fanout(FanoutPolicy::FirstSuccess)
            .event_priority(7)
            .max_concurrency(4)
            .buffer(50, Overflow::DropOldest);
        let said = Value::Object(linked.descriptor().unwrap().metadata.clone());
        let expected = json!({
            "topics": ["order.*"],
            "filters": [{"path": "tenant", "equals": "a"}, {"path": "id", "exists": true}],
            "event_when": "payload.total > 5",
            "event_tags": ["vip"],
            "event_sources": ["shop"],
            "event_routing_keys": ["eu.#"],
            "event_min_priority": "high",
            "event_delivery": "at_least_once",
            "fanout_policy": "first_success",
            "event_priority": 7,
            "max_concurrency": 4,
            "event_buffer": 50,
            "event_overflow": "drop_oldest",
        });
        assert_eq!(said, expected);
    }
}

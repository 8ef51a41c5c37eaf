//! An event on its way.

use std::collections::BTreeSet;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::delivery::DeliveryMode;
use super::id::{EventId, EventIdError};
use super::priority::Priority;
use super::topic::Topic;
use crate::{Payload, Timestamp};

/// The largest payload, in bytes of JSON: what NATS takes for a message unless told otherwise.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// The largest headers, in bytes of JSON. Tracing and correlation need a few hundred.
pub const MAX_HEADER_BYTES: usize = 64 << 10;

/// The most tags.
pub const MAX_TAGS: usize = 64;

/// The longest tag, in bytes.
pub const MAX_TAG_BYTES: usize = 128;

/// The longest routing key, in bytes: AMQP's short string.
pub const MAX_ROUTING_KEY_BYTES: usize = 255;

/// An event on its way.
///
/// Shape in JSON, upstream's: `{"topic":"order.paid","payload":{"id":7},"headers":{"event_id":"…"}}`. What
/// upstream does not know stands beside these three and only where it was said:
/// `"priority":"high","routing_key":"eu.de","tags":["vip"],"expires_at":1763719852123456,
/// "delivery":"at_least_once"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// What it is about.
    pub topic: Topic,
    /// What happened.
    #[serde(default)]
    pub payload: Payload,
    /// What is known about it: `event_id`, `source`, `version`, `timestamp`, `correlation_id`,
    /// `causation_id`, and whatever else its emitter says.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// How urgent it is.
    #[serde(default, skip_serializing_if = "Priority::is_normal")]
    pub priority: Priority,
    /// Who it is for, in words that subscriptions may ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing_key: Option<String>,
    /// Words that subscriptions may require.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// After this it is of no use: what was not delivered by then is not delivered any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// What is promised about it; where nothing is said, each handler says for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryMode>,
}

/// What is wrong with an envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The header `event_id` is no id.
    #[error("header `event_id`: {0}")]
    Id(#[from] EventIdError),
    /// The header `event_id` is no text.
    #[error("header `event_id` is not text")]
    IdKind,
    /// The topic means many.
    #[error("topic `{0}` has a wildcard: patterns say who wants events, and an event has one topic")]
    Wildcard(Topic),
    /// Something is larger than it may be.
    #[error("the {what} of the event {is} {size} {unit}, at most {most} are allowed")]
    TooLarge {
        /// What: `payload`, `headers`, `routing key`, `tags`.
        what: &'static str,
        /// `is` or `are`.
        is: &'static str,
        /// How large it is.
        size: usize,
        /// How large it may be.
        most: usize,
        /// `bytes` or `in number`.
        unit: &'static str,
    },
}

impl Envelope {
    /// An envelope with nothing but a topic and a payload.
    pub fn new(topic: Topic, payload: impl Into<Payload>) -> Self {
        Self {
            topic,
            payload: payload.into(),
            headers: Map::new(),
            priority: Priority::Normal,
            routing_key: None,
            tags: BTreeSet::new(),
            expires_at: None,
            delivery: None,
        }
    }

    /// Sets a header; the last one wins.
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.headers.insert(name.into(), value.into());
        self
    }

    /// A header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.as_str()
    }

    /// The header `event_id`, where it is one.
    pub fn event_id(&self) -> Option<EventId> {
        EventId::new(self.header("event_id")?).ok()
    }

    /// The header `source`: who emitted it.
    pub fn source(&self) -> Option<&str> {
        self.header("source")
    }

    /// Whether it is of no use any more.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Checks the topic, the sizes, and the id where there is one. A word `*`, `>` or `#` in a topic is refused, as
    /// NATS does: whoever writes it means a pattern.
    ///
    /// # Errors
    /// [`EnvelopeError`] names the first thing that is wrong.
    pub fn check(&self) -> Result<(), EnvelopeError> {
        if self.topic.as_str().split('.').any(|word| matches!(word, "*" | ">" | "#")) {
            return Err(EnvelopeError::Wildcard(self.topic.clone()));
        }
        match self.headers.get("event_id") {
            None => {}
            Some(Value::String(id)) => drop(EventId::new(id)?),
            Some(_) => return Err(EnvelopeError::IdKind),
        }
        let bytes = |what, is, size, most| {
            let unit = "bytes large";
            if size <= most { Ok(()) } else { Err(EnvelopeError::TooLarge { what, is, size, most, unit }) }
        };
        bytes("payload", "is", size(self.payload.value()), MAX_PAYLOAD_BYTES)?;
        bytes("headers", "are", size(&self.headers), MAX_HEADER_BYTES)?;
        bytes(
            "routing key",
            "is",
            self.routing_key.as_deref().unwrap_or_default().len(),
            MAX_ROUTING_KEY_BYTES,
        )?;
        let longest = self.tags.iter().map(String::len).max().unwrap_or(0);
        bytes("longest tag", "is", longest, MAX_TAG_BYTES)?;
        let size = self.tags.len();
        if size > MAX_TAGS {
            let (what, is, unit) = ("tags", "are", "in number");
            return Err(EnvelopeError::TooLarge { what, is, size, most: MAX_TAGS, unit });
        }
        Ok(())
    }

    /// The whole as one value: what a handler in another process is given.
    pub fn to_payload(&self) -> Payload {
        let fields = [
            ("topic", Value::from(self.topic.as_str())),
            ("payload", self.payload.value().clone()),
            ("headers", Value::Object(self.headers.clone())),
        ];
        let mut whole: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut say = |name: &str, value: Value| drop(whole.insert(name.to_owned(), value));
        if !self.priority.is_normal() {
            say("priority", self.priority.name().into());
        }
        if let Some(key) = &self.routing_key {
            say("routing_key", key.as_str().into());
        }
        if !self.tags.is_empty() {
            say("tags", self.tags.iter().map(String::as_str).collect());
        }
        if let Some(at) = self.expires_at {
            say("expires_at", at.as_micros().into());
        }
        if let Some(delivery) = self.delivery {
            say("delivery", delivery.name().into());
        }
        Value::Object(whole).into()
    }
}

/// How many bytes of JSON a value is, without writing it anywhere.
fn size(value: &impl Serialize) -> usize {
    #[derive(Default)]
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count::default();
    // Values have text keys and a count cannot fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_envelope_is_the_same_as_a_value_and_as_json() {
        let plain = Envelope::new("t".parse().unwrap(), json!({"a": 1}));
        let full = Envelope {
            priority: Priority::Critical,
            routing_key: Some("eu.de".to_owned()),
            tags: ["vip".to_owned()].into(),
            expires_at: Some(Timestamp::from_micros(7)),
            delivery: Some(DeliveryMode::AtLeastOnce),
            ..plain.clone().with_header("event_id", "e-1")
        };
        for envelope in [plain, full] {
            let json = serde_json::to_value(&envelope).unwrap();
            assert_eq!(envelope.to_payload().value(), &json);
            assert_eq!(serde_json::from_value::<Envelope>(json).unwrap(), envelope);
        }
        let least: Envelope = serde_json::from_str("{\"topic\": \"t\"}").unwrap();
        assert!(least.payload.is_null() && least.headers.is_empty());
        assert_eq!(
            serde_json::to_value(&least).unwrap(),
            json!({"topic": "t", "payload": null, "headers": {}})
        );
        let once: Envelope =
            serde_json::from_str("{\"topic\": \"t\", \"delivery\": \"exactly_once\"}").unwrap();
        assert_eq!(once.delivery, Some(DeliveryMode::AtLeastOnce));
    }

    #[test]
    fn everything_in_an_envelope_is_bounded() {
        let plain = || Envelope::new("t".parse().unwrap(), Payload::NULL);
        let check = |envelope: Envelope, expected: Result<(), &str>| {
            assert_eq!(envelope.check().map_err(|error| error.to_string()), expected.map_err(str::to_owned));
        };
        check(plain(), Ok(()));
        let about = |topic: &str| Envelope::new(topic.parse().unwrap(), Payload::NULL);
        check(about("a*.b#.>c"), Ok(()));
        check(
            about("order.*"),
            Err("topic `order.*` has a wildcard: patterns say who wants events, and an event has one topic"),
        );
        // Two bytes of the text are its quotes.
        check(Envelope { payload: json!("x".repeat(MAX_PAYLOAD_BYTES - 2)).into(), ..plain() }, Ok(()));
        check(
            Envelope { payload: json!("x".repeat(MAX_PAYLOAD_BYTES - 1)).into(), ..plain() },
            Err("the payload of the event is 1048577 bytes large, at most 1048576 are allowed"),
        );
        check(
            plain().with_header("x", "y".repeat(MAX_HEADER_BYTES)),
            Err("the headers of the event are 65544 bytes large, at most 65536 are allowed"),
        );
        check(plain().with_header("event_id", 7), Err("header `event_id` is not text"));
        check(plain().with_header("event_id", ""), Err("header `event_id`: the event id is empty"));
        check(
            Envelope { routing_key: Some("k".repeat(256)), ..plain() },
            Err("the routing key of the event is 256 bytes large, at most 255 are allowed"),
        );
        check(
            Envelope { tags: (0..65).map(|n| n.to_string()).collect(), ..plain() },
            Err("the tags of the event are 65 in number, at most 64 are allowed"),
        );
        check(
            Envelope { tags: ["t".repeat(129)].into(), ..plain() },
            Err("the longest tag of the event is 129 bytes large, at most 128 are allowed"),
        );
    }
}

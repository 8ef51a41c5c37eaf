//! Something that happened, and what reacts to it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Domain, Fault, Payload, Role};

/// The longest topic, in bytes. Those seen in the field had less than a hundred.
pub const MAX_TOPIC_BYTES: usize = 255;

/// What an event is about: `order.paid`. Any text without control characters; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Topic(Arc<str>);

/// Why a text is no topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Nothing but white space.
    #[error("the topic is empty")]
    Empty,
    /// Longer than [`MAX_TOPIC_BYTES`].
    #[error("the topic is {0} bytes long, at most {MAX_TOPIC_BYTES} are allowed")]
    TooLong(usize),
    /// A control character.
    #[error("topic {text:?} contains the control character {found:?}")]
    Control {
        /// The text as given.
        text: String,
        /// The first such character.
        found: char,
    },
}

impl Topic {
    /// Makes one from text.
    ///
    /// # Errors
    /// [`TopicError`] says what is wrong with the text.
    pub fn new(text: impl AsRef<str>) -> Result<Self, TopicError> {
        let text = text.as_ref();
        if text.trim().is_empty() {
            return Err(TopicError::Empty);
        }
        if text.len() > MAX_TOPIC_BYTES {
            return Err(TopicError::TooLong(text.len()));
        }
        if let Some(found) = text.chars().find(|c| c.is_control()) {
            return Err(TopicError::Control { text: text.to_owned(), found });
        }
        Ok(Self(Arc::from(text)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Topic {
    type Err = TopicError;
    fn from_str(text: &str) -> Result<Self, TopicError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Topic {
    type Error = TopicError;
    fn try_from(text: String) -> Result<Self, TopicError> {
        Self::new(text)
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> String {
        topic.0.as_ref().to_owned()
    }
}

/// An event on its way.
///
/// Shape in JSON, upstream's: `{"topic":"order.paid","payload":{"id":7},"headers":{"event_id":"…"}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    /// What it is about.
    pub topic: Topic,
    /// What happened.
    #[serde(default)]
    pub payload: Payload,
    /// What is known about it: `event_id`, `source`, `correlation_id`, ...
    #[serde(default)]
    pub headers: Map<String, Value>,
}

impl Envelope {
    /// An envelope without headers.
    pub fn new(topic: Topic, payload: impl Into<Payload>) -> Self {
        Self { topic, payload: payload.into(), headers: Map::new() }
    }

    /// The whole as one value: what a handler in another process is given.
    pub fn to_payload(&self) -> Payload {
        let fields = [
            ("topic", Value::from(self.topic.as_str())),
            ("payload", self.payload.value().clone()),
            ("headers", Value::Object(self.headers.clone())),
        ];
        Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()).into()
    }
}

/// Reacts to events.
#[async_trait]
pub trait EventHandler: Send + Sync {
    /// Handles one event; what it returns goes into the report of the dispatch.
    ///
    /// May be called again with the same envelope: delivery is at least once. Dropping the future
    /// cancels it.
    ///
    /// # Errors
    /// A [`Fault`] whose class says whether delivering again may help.
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault>;
}

const _: fn(&dyn EventHandler) = |_| {};

#[async_trait]
impl<T: ?Sized + EventHandler> EventHandler for Arc<T> {
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        self.as_ref().handle(envelope).await
    }
}

impl Role for dyn EventHandler {
    const NAME: &'static str = "event handler";
    const DOMAIN: Domain = Domain::EVENT;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_text_without_control_characters() {
        let check = |text: &str, expected: Result<(), &str>| {
            let found = Topic::new(text).map(|_| ()).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{text:?}");
        };
        check("order.paid", Ok(()));
        check("Bestellung/bezahlt *", Ok(()));
        check(" ", Err("the topic is empty"));
        check("a\nb", Err("topic \"a\\nb\" contains the control character '\\n'"));
        check(&"x".repeat(256), Err("the topic is 256 bytes long, at most 255 are allowed"));
    }

    #[test]
    fn an_envelope_is_the_same_as_a_value_and_as_json() {
        let envelope = Envelope::new("t".parse().unwrap(), serde_json::json!({"a": 1}));
        let json = serde_json::to_value(&envelope).unwrap();
        assert_eq!(envelope.to_payload().value(), &json);
        assert_eq!(serde_json::from_value::<Envelope>(json).unwrap(), envelope);
        let least: Envelope = serde_json::from_str("{\"topic\": \"t\"}").unwrap();
        assert!(least.payload.is_null() && least.headers.is_empty());
    }
}

//! What an event is about.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

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
}

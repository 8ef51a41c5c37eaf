//! The name of one event.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest id of an event, in bytes: three times a UUID as text.
pub const MAX_EVENT_ID_BYTES: usize = 128;

/// What tells an event from every other: the header `event_id`. Given by whoever emits it, so that the same
/// event can be emitted again without happening twice; a UUID where nobody gives one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventId(Arc<str>);

/// Why a text is no id of an event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventIdError {
    /// Nothing but white space.
    #[error("the event id is empty")]
    Empty,
    /// Longer than [`MAX_EVENT_ID_BYTES`].
    #[error("the event id is {0} bytes long, at most {MAX_EVENT_ID_BYTES} are allowed")]
    TooLong(usize),
    /// White space or a control character.
    #[error("event id {0:?} contains white space or a control character")]
    Character(String),
}

impl EventId {
    /// Makes one from text.
    ///
    /// # Errors
    /// [`EventIdError`] says what is wrong with the text.
    pub fn new(text: impl AsRef<str>) -> Result<Self, EventIdError> {
        let text = text.as_ref();
        if text.trim().is_empty() {
            return Err(EventIdError::Empty);
        }
        if text.len() > MAX_EVENT_ID_BYTES {
            return Err(EventIdError::TooLong(text.len()));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(EventIdError::Character(text.to_owned()));
        }
        Ok(Self(Arc::from(text)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for EventId {
    type Err = EventIdError;
    fn from_str(text: &str) -> Result<Self, EventIdError> {
        Self::new(text)
    }
}

impl TryFrom<String> for EventId {
    type Error = EventIdError;
    fn try_from(text: String) -> Result<Self, EventIdError> {
        Self::new(text)
    }
}

impl From<EventId> for String {
    fn from(id: EventId) -> String {
        id.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_a_word() {
        let check = |text: &str, expected: Result<(), &str>| {
            let found = EventId::new(text).map(|_| ()).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{text:?}");
        };
        check("order-7", Ok(()));
        check(" ", Err("the event id is empty"));
        check("a b", Err("event id \"a b\" contains white space or a control character"));
        check(&"x".repeat(129), Err("the event id is 129 bytes long, at most 128 are allowed"));
    }
}

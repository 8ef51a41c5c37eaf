//! A place in an event.

use std::borrow::Cow;

use oneiric_core::roles::Envelope;
use serde_json::{Map, Value};

/// A place in an event: `topic`, `payload.a.b`, `headers.x`; anything else is a place in the payload. Only
/// mappings are gone into, as upstream does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterPath {
    text: String,
    root: Root,
    /// Parsed once; the filter is asked for every event.
    keys: Vec<Box<str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Root {
    Topic,
    Payload,
    Headers,
}

impl FilterPath {
    /// Any text is a place, if not always one where something is found.
    pub fn new(text: &str) -> Self {
        let (first, behind) =
            text.split_once('.').map_or((text, None), |(first, behind)| (first, Some(behind)));
        let (root, keys) = match (first, behind) {
            ("topic", None) => (Root::Topic, None),
            ("payload", behind) => (Root::Payload, behind),
            ("headers", behind) => (Root::Headers, behind),
            _ => (Root::Payload, Some(text)),
        };
        let keys = keys.map(|keys| keys.split('.').map(Into::into).collect()).unwrap_or_default();
        Self { text: text.to_owned(), root, keys }
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What is found there; `None` is nothing at all, which is not null.
    pub fn find<'e>(&self, envelope: &'e Envelope) -> Option<Cow<'e, Value>> {
        let within = |value| inside(value, &self.keys).map(Cow::Borrowed);
        match self.root {
            Root::Topic => Some(Cow::Owned(Value::from(envelope.topic.as_str()))),
            Root::Payload => within(envelope.payload.value()),
            Root::Headers => match self.keys.split_first() {
                None => Some(Cow::Owned(Value::Object(envelope.headers.clone()))),
                Some((first, keys)) => inside(get(&envelope.headers, first)?, keys).map(Cow::Borrowed),
            },
        }
    }
}

fn inside<'v>(value: &'v Value, keys: &[Box<str>]) -> Option<&'v Value> {
    keys.iter().try_fold(value, |value, key| get(value.as_object()?, key))
}

fn get<'v>(map: &'v Map<String, Value>, key: &str) -> Option<&'v Value> {
    map.get(key)
}

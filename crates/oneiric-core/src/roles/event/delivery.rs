//! What is promised about an event on its way to its handlers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is promised about an event on its way to a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryMode {
    /// Nothing beyond the life of the process: it is not stored.
    FireAndForget,
    /// It is stored before anybody hears that it was accepted, and reaches the handler until that has
    /// succeeded, or has failed as often as it may. ACB's `exactly_once` is read as this: an event is accepted
    /// once by its id, and the id is the key under which a handler makes its effect happen once.
    #[serde(alias = "exactly_once")]
    AtLeastOnce,
}

impl DeliveryMode {
    /// The words, for readers of manifests.
    pub const WORDS: &'static [(&'static str, DeliveryMode)] = &[
        ("fire_and_forget", DeliveryMode::FireAndForget),
        ("at_least_once", DeliveryMode::AtLeastOnce),
        ("exactly_once", DeliveryMode::AtLeastOnce),
    ];

    /// The word in JSON and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            DeliveryMode::FireAndForget => "fire_and_forget",
            DeliveryMode::AtLeastOnce => "at_least_once",
        }
    }
}

impl fmt::Display for DeliveryMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

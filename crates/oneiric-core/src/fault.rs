//! What crosses a role boundary when work did not succeed: an answer to "again or not?".

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// The same call may succeed later: a refused connection, a non-zero exit.
    Transient,
    /// The same call will fail again: bad input, a missing program.
    Permanent,
    /// Somebody decided against it: a policy, an allowlist, a paused component.
    Denied,
    /// Nobody knows whether the effect happened: a connection lost after the request was sent.
    UnknownOutcome,
    /// The process is going down; the work was not judged at all.
    Shutdown,
}

impl Class {
    /// The class as it stands in JSON and in the store: `unknown_outcome`.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Transient => "transient",
            Class::Permanent => "permanent",
            Class::Denied => "denied",
            Class::UnknownOutcome => "unknown_outcome",
            Class::Shutdown => "shutdown",
        }
    }
}

/// A failure with its class, a stable code and a sentence for a person.
///
/// Shape in JSON: `{"class":"transient","code":"exit-code","message":"`sh` exited with 3"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Whether trying again can help.
    pub class: Class,
    /// A kebab-case code that programs may match on: `timeout`, `exit-code`.
    pub code: String,
    /// Lowercase, no full stop; names what was being done.
    pub message: String,
    /// The earliest time to try again, counted from the failure, where the other side said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl Fault {
    /// A fault of any class.
    pub fn new(class: Class, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { class, code: code.into(), message: message.into(), retry_after_ms: None }
    }

    /// The same call may succeed later.
    pub fn transient(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Class::Transient, code, message)
    }

    /// The same call will fail again.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Class::Permanent, code, message)
    }

    /// Somebody decided against it.
    pub fn denied(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Class::Denied, code, message)
    }

    /// Nobody knows whether the effect happened.
    pub fn unknown_outcome(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Class::UnknownOutcome, code, message)
    }

    /// The process is going down.
    pub fn shutdown(message: impl Into<String>) -> Self {
        Self::new(Class::Shutdown, "shutdown", message)
    }

    /// The call took longer than `limit`. Transient: the next one may be quicker.
    pub fn timeout(limit: Duration) -> Self {
        Self::transient("timeout", format!("timed out after {limit:?}"))
    }

    /// A component panicked. Transient like any unforeseen error, because upstream retries all of them.
    pub fn panic(what: &(dyn std::any::Any + Send)) -> Self {
        let text = what
            .downcast_ref::<&str>()
            .map(|s| (*s).to_owned())
            .or_else(|| what.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a value that is not text".to_owned());
        Self::transient("panic", format!("panicked: {text}"))
    }

    /// Sets the earliest time to try again.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after_ms = Some(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        self
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

//! Identifiers, checked when made: a value of these types is always well formed.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest key, provider, domain or node id, in bytes. Long enough for every name seen in the
/// field (the longest was 71), short enough to sit in a log line and in an index.
pub const MAX_NAME_BYTES: usize = 200;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text is empty.
    #[error("{what} is empty")]
    Empty {
        /// The kind of identifier.
        what: &'static str,
    },
    /// The text is longer than [`MAX_NAME_BYTES`].
    #[error("{what} is {length} bytes long, at most {MAX_NAME_BYTES} are allowed")]
    TooLong {
        /// The kind of identifier.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
    },
    /// A character outside of the identifier's alphabet.
    #[error("{what} `{text}` contains {found:?}; allowed are letters, digits, `_`, `-` and `.`")]
    Character {
        /// The kind of identifier.
        what: &'static str,
        /// The text as given.
        text: String,
        /// The first offending character.
        found: char,
    },
    /// A `..`, which upstream refuses because keys become file names.
    #[error("{what} `{text}` contains `..`")]
    DotDot {
        /// The kind of identifier.
        what: &'static str,
        /// The text as given.
        text: String,
    },
    /// The text is not a UUID.
    #[error("{what} `{text}` is not an id of a run (32 hexadecimal digits)")]
    Uuid {
        /// The kind of identifier.
        what: &'static str,
        /// The text as given.
        text: String,
    },
}

/// So that `impl TryInto<Key, Error: Into<IdError>>` takes a name as well as its text.
impl From<Infallible> for IdError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Upstream's alphabet for keys and providers: `^[a-zA-Z0-9_\-\.]+$`, without `..`.
fn check_name(what: &'static str, text: &str) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what });
    }
    if text.len() > MAX_NAME_BYTES {
        return Err(IdError::TooLong { what, length: text.len() });
    }
    if let Some(found) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))) {
        return Err(IdError::Character { what, text: text.to_owned(), found });
    }
    if text.contains("..") {
        return Err(IdError::DotDot { what, text: text.to_owned() });
    }
    Ok(())
}

/// A name newtype over a shared string: cheap to clone, checked when made.
macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// Makes one from text.
            ///
            /// # Errors
            /// [`IdError`] where the text is empty, too long or outside of the alphabet.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                let text = text.as_ref();
                let check: fn(&'static str, &str) -> Result<(), IdError> = $check;
                check($what, text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $type {
            type Error = IdError;
            fn try_from(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl From<&$type> for $type {
            fn from(name: &$type) -> Self {
                name.clone()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// What a component is asked for by, within its domain: `fastblocks.tasks.notify`.
    Key,
    "key",
    check_name
);
name!(
    /// Who offers a component under a key: two providers of one key are alternatives.
    Provider,
    "provider",
    check_name
);
name!(
    /// The id of a node, unique in its graph.
    NodeId,
    "node id",
    check_name
);

/// The kind of thing a component is. Six are well known; an embedder may have its own.
///
/// `Domain` is a validated name rather than an enum, so that a foreign crate adds one without
/// touching this one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(Cow<'static, str>);

impl Domain {
    /// Something the outside world is reached through: a queue, a messenger, a secret store.
    pub const ADAPTER: Domain = Domain(Cow::Borrowed("adapter"));
    /// Something long-lived.
    pub const SERVICE: Domain = Domain(Cow::Borrowed("service"));
    /// A unit of work that a workflow node or a job names.
    pub const TASK: Domain = Domain(Cow::Borrowed("task"));
    /// A handler of events.
    pub const EVENT: Domain = Domain(Cow::Borrowed("event"));
    /// A graph of tasks.
    pub const WORKFLOW: Domain = Domain(Cow::Borrowed("workflow"));
    /// A small transformation, value in and value out.
    pub const ACTION: Domain = Domain(Cow::Borrowed("action"));

    /// The six well-known domains, in upstream's order.
    pub const WELL_KNOWN: [Domain; 6] =
        [Domain::ADAPTER, Domain::SERVICE, Domain::TASK, Domain::EVENT, Domain::WORKFLOW, Domain::ACTION];

    /// Makes one from text; well-known names cost no allocation.
    ///
    /// # Errors
    /// [`IdError`] where the text is not a name.
    pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
        let text = text.as_ref();
        if let Some(known) = Self::WELL_KNOWN.iter().find(|d| d.0 == text) {
            return Ok(known.clone());
        }
        check_name("domain", text)?;
        Ok(Self(Cow::Owned(text.to_owned())))
    }

    /// Makes one of a literal, for a constant: a bad name does not compile.
    ///
    /// ```
    /// # use oneiric_core::Domain;
    /// const FASTBLOCKS: Domain = Domain::from_static("fastblocks");
    /// assert_eq!(FASTBLOCKS, Domain::new("fastblocks")?);
    /// # Ok::<(), oneiric_core::id::IdError>(())
    /// ```
    ///
    /// # Panics
    /// Outside of a constant, where [`Domain::new`] would be an error.
    pub const fn from_static(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        assert!(!bytes.is_empty(), "a domain is empty");
        assert!(bytes.len() <= MAX_NAME_BYTES, "a domain is too long");
        let mut at = 0;
        while at < bytes.len() {
            let is_dot = bytes[at] == b'.';
            let is_known = bytes[at].is_ascii_alphanumeric() || matches!(bytes[at], b'_' | b'-');
            assert!(is_known || is_dot, "a domain has letters, digits, `_`, `-` and `.` only");
            assert!(!is_dot || at == 0 || bytes[at - 1] != b'.', "a domain contains `..`");
            at += 1;
        }
        Self(Cow::Borrowed(text))
    }

    /// The name, singular: `task`.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether this is one of the six.
    pub fn is_well_known(&self) -> bool {
        Self::WELL_KNOWN.contains(self)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Domain {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl TryFrom<&str> for Domain {
    type Error = IdError;
    fn try_from(text: &str) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Domain {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl From<&Domain> for Domain {
    fn from(domain: &Domain) -> Self {
        domain.clone()
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> String {
        domain.0.into_owned()
    }
}

/// A 128-bit id newtype, printed as 32 hexadecimal digits (upstream's `uuid4().hex`).
macro_rules! uuid_id {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Uuid);

        impl $type {
            /// Wraps a UUID that the caller made: core has neither clock nor chance.
            pub const fn from_uuid(id: Uuid) -> Self {
                Self(id)
            }

            /// The 16 bytes, big-endian.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// From 16 bytes as [`Self::as_bytes`] gives them.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.simple(), f)
            }
        }

        impl FromStr for $type {
            type Err = IdError;
            /// Reads 32 hexadecimal digits, or the form with hyphens.
            fn from_str(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| IdError::Uuid { what: $what, text: text.to_owned() })
            }
        }

        impl TryFrom<String> for $type {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(id: $type) -> String {
                id.to_string()
            }
        }
    };
}

uuid_id!(
    /// A run. Version 7, so that ids sort by creation.
    RunId,
    "run id"
);
uuid_id!(
    /// One start of one process. Random, never a host name: a reused name must not look alive.
    BootId,
    "boot id"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_outside_of_the_alphabet_names_the_character() {
        assert!(matches!(Key::new("a/b"), Err(IdError::Character { found: '/', .. })));
        assert!(matches!(Key::new(""), Err(IdError::Empty { .. })));
        assert!(matches!(Key::new("a..b"), Err(IdError::DotDot { .. })));
        assert!(matches!(Key::new("x".repeat(201)), Err(IdError::TooLong { length: 201, .. })));
    }

    #[test]
    fn a_literal_domain_is_checked_as_any_other() {
        for text in ["fastblocks", "a.b-c_d", "", "a b", "a..b", ".", "é"] {
            let literal = std::panic::catch_unwind(|| Domain::from_static(text)).ok();
            assert_eq!(literal, Domain::new(text).ok(), "{text:?}");
        }
    }

    #[test]
    fn ids_survive_text_and_json() {
        let id = RunId::from_bytes([7; 16]);
        assert_eq!(id.to_string().len(), 32);
        assert_eq!(id.to_string().parse::<RunId>().unwrap(), id);
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<RunId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<Key>("\"a b\"").is_err());
    }
}

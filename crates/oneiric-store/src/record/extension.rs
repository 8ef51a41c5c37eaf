//! Records of crates that this one does not know.

use oneiric_core::Timestamp;

/// A record of a foreign crate: a versioned value under (family, key).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The crate's own name for the kind of record.
    pub family: String,
    /// Its key within the family.
    pub key: String,
    /// The bytes; `None` removes the record.
    pub value: Option<Vec<u8>>,
    /// When it was written.
    pub at: Timestamp,
}

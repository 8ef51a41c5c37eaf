//! Bytes under the name of their digest, outside of the hot rows.

use std::sync::Arc;

use oneiric_core::Digest;

/// Bytes that are stored once, however often they are put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    /// Their name.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Arc<[u8]>,
}

impl Blob {
    /// Names the bytes by their digest.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { digest: Digest::of(&bytes), bytes }
    }
}

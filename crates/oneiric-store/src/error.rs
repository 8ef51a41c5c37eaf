//! Why a store could not.

/// Why a store could not do what it was asked, whatever was asked.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The place cannot be opened: missing, unwritable, not a folder.
    #[error("cannot open the store at {place}: {reason}")]
    Open {
        /// The file or folder.
        place: String,
        /// Why, and the way out.
        reason: String,
    },
    /// Nothing was ever stored there, as somebody sees it who only reads: the file is being made, or was
    /// left in the making.
    #[error("the store at {place} is empty; nothing was ever stored in it")]
    Empty {
        /// The file.
        place: String,
    },
    /// The file is damaged or is no database at all.
    #[error("the store at {place} is damaged: {reason}")]
    Corrupt {
        /// The file.
        place: String,
        /// What was found.
        reason: String,
    },
    /// A later release wrote it.
    #[error("the store at {place} has schema {found}, this release knows {known}; use a newer oneiric")]
    Newer {
        /// The file.
        place: String,
        /// Its schema version.
        found: u32,
        /// The newest that this release reads.
        known: u32,
    },
    /// Another host works on it, or it lies where locks cannot be trusted.
    #[error("the store at {place} cannot be shared: {reason}")]
    Shared {
        /// The file.
        place: String,
        /// Why, and the way out.
        reason: String,
    },
    /// No space, or a limit of the store.
    #[error("the store is full: {0}")]
    Full(String),
    /// The disk or the system failed; whether trying again helps is not known.
    #[error("the store failed: {0}")]
    Io(String),
    /// The backend cannot do this at all.
    #[error("{0}")]
    Unsupported(String),
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
}

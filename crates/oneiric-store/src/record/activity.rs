//! Whether a component takes work: what an operator said of a domain and key.

use oneiric_core::{Domain, Key, Timestamp};
use serde::{Deserialize, Serialize};

/// What an operator said of one component. The default (neither, no note) has no row.
///
/// The first five fields are the columns of upstream's `activity` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActivityRecord {
    /// The domain of the component.
    pub domain: Domain,
    /// Its key.
    pub key: Key,
    /// It takes no work; what it has goes on.
    pub paused: bool,
    /// It takes no work, and somebody waits for what it has to end.
    pub draining: bool,
    /// Why, for people.
    pub note: Option<String>,
    /// Since when it is as it is.
    pub at: Timestamp,
}

impl ActivityRecord {
    /// What is true of a component of which nobody said anything.
    pub const fn accepting(domain: Domain, key: Key, at: Timestamp) -> Self {
        Self { domain, key, paused: false, draining: false, note: None, at }
    }

    /// Whether it takes work.
    pub const fn accepts(&self) -> bool {
        !self.paused && !self.draining
    }

    /// Whether it says nothing: such a record is removed instead of kept.
    pub const fn is_default(&self) -> bool {
        self.accepts() && self.note.is_none()
    }
}

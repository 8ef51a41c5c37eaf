//! What may be told of a chain of stores.

use serde::Serialize;

/// What is known of a chain: upstream's `secrets` block of the health file, and which ids are cached.
///
/// Shape: `{"provider":"env,file","cache_ttl_seconds":600.0,"refresh_interval":null,"inline_entries":0,
/// "prefetched":true,"status":"ready","entries":[{"id":"stripe-key","from":"env"}]}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The stores in the order in which they are asked, comma separated.
    pub provider: String,
    /// How long a value is used.
    pub cache_ttl_seconds: f64,
    /// How often all are fetched anew.
    pub refresh_interval: Option<f64>,
    /// How many values are given inline.
    pub inline_entries: usize,
    /// Whether what was asked for in advance is there.
    pub prefetched: bool,
    /// `ready` where it is, else `pending`.
    pub status: &'static str,
    /// What is cached.
    pub entries: Vec<StatusEntry>,
}

/// A secret that is cached.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct StatusEntry {
    /// Its id.
    pub id: String,
    /// Who has it; `None` where nobody does.
    pub from: Option<String>,
}

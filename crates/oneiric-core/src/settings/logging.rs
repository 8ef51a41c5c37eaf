//! `logging`: what is logged, and where to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is logged, and where to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Logging {
    /// The least grave record that is logged.
    pub level: Level,
    /// Whether records are JSON.
    pub emit_json: bool,
    /// The name of the service in records.
    pub service_name: String,
    /// The environment in records; `app.environment` where it is `null`.
    pub environment: Option<String>,
    /// The release in records.
    pub release: Option<String>,
    /// How the time is written: `iso`, or a pattern of strftime.
    pub timestamper_format: String,
    /// Names of further processors of records.
    pub extra_processors: Vec<String>,
    /// Whether records carry the ids of trace and span.
    pub include_trace_context: bool,
    /// Where records go; without one, where the process puts them.
    pub sinks: Vec<Sink>,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            level: Level::Info,
            emit_json: true,
            service_name: "oneiric".to_owned(),
            environment: None,
            release: None,
            timestamper_format: "iso".to_owned(),
            extra_processors: Vec::new(),
            include_trace_context: true,
            sinks: Vec::new(),
        }
    }
}

/// How grave a record is. Case does not count, `WARN` is `WARNING`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(inline, extend("x-ignore-case" = true, "x-synonyms" = {"WARN": "WARNING", "FATAL": "CRITICAL"}))]
pub enum Level {
    #[expect(missing_docs, reason = "a sentence on each would make the schema a list of alternatives")]
    Trace,
    #[expect(missing_docs, reason = "as above")]
    Debug,
    #[expect(missing_docs, reason = "as above")]
    Info,
    #[expect(missing_docs, reason = "as above")]
    Warning,
    #[expect(missing_docs, reason = "as above")]
    Error,
    #[expect(missing_docs, reason = "as above")]
    Critical,
    #[expect(missing_docs, reason = "as above")]
    Off,
}

/// A place where records go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Sink {
    /// What kind of place.
    pub target: SinkTarget,
    /// The least grave record that goes there.
    pub level: Level,
    /// The file, where `target` is `file`.
    pub path: Option<String>,
    /// Bytes after which a file is put aside and a new one begun.
    #[schemars(range(min = 1024))]
    pub max_bytes: u64,
    /// How many files that were put aside are kept.
    #[schemars(range(max = 1000))]
    pub backup_count: u32,
    /// The address, where `target` is `http`.
    pub endpoint: Option<String>,
    /// The method of the request, where `target` is `http`.
    pub method: String,
}

impl Default for Sink {
    fn default() -> Self {
        Self {
            target: SinkTarget::Stderr,
            level: Level::Info,
            path: None,
            max_bytes: 5 << 20,
            backup_count: 5,
            endpoint: None,
            method: "POST".to_owned(),
        }
    }
}

/// A kind of place where records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum SinkTarget {
    #[expect(missing_docs, reason = "a sentence on each would make the schema a list of alternatives")]
    Stderr,
    #[expect(missing_docs, reason = "as above")]
    Stdout,
    #[expect(missing_docs, reason = "as above")]
    File,
    #[expect(missing_docs, reason = "as above")]
    Http,
}

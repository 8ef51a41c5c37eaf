//! What is known when a report is made.

use std::collections::BTreeMap;
use std::time::Duration;

use oneiric_core::Timestamp;
use oneiric_core::lifecycle;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::activity::InFlight;
use crate::service;

/// What is known. Whoever has a part of the process adds to it.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The process.
    pub about: About,
    /// Its services.
    pub services: Vec<service::Status>,
    /// Its components, by domain and key.
    pub components: Vec<Component>,
    /// What the store answered; `None` where it was not asked.
    pub store: Option<Result<Duration, String>>,
    /// What else is not well: degraded, in the words of whoever says so.
    pub reasons: Vec<(String, String)>,
    /// How much waits in memory.
    pub buffered: u64,
    /// Runs under way here.
    pub runs: u64,
    /// What is in flight, by domain and key.
    pub in_flight: Vec<InFlight>,
    /// How many keys there are, by domain.
    pub counts: BTreeMap<String, usize>,
    /// Who watches files.
    pub watchers: Watchers,
    /// Who fetches manifests.
    pub remote: Remote,
    /// The block `supervisor`.
    pub supervisor: Map<String, Value>,
    /// The block `secrets`; no value is in it.
    pub secrets: Value,
}

/// The process.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Its version.
    pub version: String,
    /// The name of its profile.
    pub profile: String,
    /// Its number.
    pub pid: u32,
    /// Since its start.
    pub uptime: Duration,
    /// Now.
    pub now: Timestamp,
    /// The word for where it is in its life.
    pub phase: &'static str,
    /// Whether it takes work there.
    pub serves: bool,
    /// Whether it is at its end.
    pub is_over: bool,
}

/// A component that was asked for at least once, and what it answered last.
#[derive(Debug, Clone)]
pub struct Component {
    /// What is known without asking.
    pub status: lifecycle::Status,
    /// What it answered last: when, how long it took, and why it is not well; `None` where it was never asked.
    pub answer: Option<(Timestamp, Duration, Result<(), String>)>,
}

/// Who watches files. Shape: `{"enabled":true,"running":false}`, and what its owner adds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Watchers {
    /// Whether settings allow it.
    pub enabled: bool,
    /// Whether anybody does.
    pub running: bool,
    /// What else is to be told.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// Who fetches manifests: upstream's telemetry, field by field.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Remote {
    /// Whether it goes on; not part of upstream's telemetry.
    #[serde(skip)]
    pub enabled: bool,
    /// When a fetch succeeded last.
    pub last_success_at: Option<String>,
    /// When one failed last.
    pub last_failure_at: Option<String>,
    /// How many failed in a row.
    pub consecutive_failures: u64,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// Where the last one came from.
    pub last_source: Option<String>,
    /// How many candidates it brought.
    pub last_registered: Option<u64>,
    /// How long it took.
    pub last_duration_ms: Option<f64>,
    /// How many digests were checked.
    pub last_digest_checks: Option<u64>,
    /// How many candidates it brought, by domain.
    pub last_per_domain: BTreeMap<String, u64>,
    /// How many it left out.
    pub last_skipped: Option<u64>,
}

impl Facts {
    /// Adds something that is not well. It makes the process degraded for as long as it is said.
    pub fn reason(&mut self, component: impl Into<String>, reason: impl Into<String>) {
        self.reasons.push((component.into(), reason.into()));
    }
}

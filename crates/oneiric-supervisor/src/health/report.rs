//! The report as programs read it.

use std::collections::BTreeMap;

use oneiric_core::Timestamp;
use oneiric_core::lifecycle::Condition;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::facts::{Remote, Watchers};
use super::severity::Severity;
use crate::activity::InFlight;
use crate::service::State;

/// How a process is. Times are dates (RFC 3339), durations what their names say.
///
/// Shape: `{"status":"degraded","healthy":false,"version":"0.1.0","profile":"default","uptime_s":12.5,"pid":4711,
/// "timestamp":"2026-01-31T09:30:00.123456Z","phase":"serving","ready":true,"services":{"gateway":{...}},
/// "components":{"adapter:cache":{...}},"degraded":{"active":true,"reasons":[{"component":"adapter:cache",
/// "reason":"...","since":"..."}],"buffered":0},"store":{"status":"ok","latency_ms":0.2,"error":null},
/// "in_flight":{"runs":1,"components":[...]},"counts":{"task":3},"watchers":{...},"remote":{...},
/// "supervisor":{...},"secrets":{...}}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The worst of everything that matters.
    pub status: Severity,
    /// Whether that is ok.
    pub healthy: bool,
    /// The version of the process.
    pub version: String,
    /// The name of its profile.
    pub profile: String,
    /// Seconds since its start.
    pub uptime_s: f64,
    /// Its number.
    pub pid: u32,
    /// When the report was made.
    #[serde(serialize_with = "date")]
    pub timestamp: Timestamp,
    /// Where it is in its life.
    pub phase: &'static str,
    /// Whether it takes work: it is at that point of its life, and not down.
    pub ready: bool,
    /// Its services, by key.
    pub services: BTreeMap<String, ServiceHealth>,
    /// Its components, by domain and key.
    pub components: BTreeMap<String, ComponentHealth>,
    /// What is not well.
    pub degraded: Degraded,
    /// Where everything durable goes.
    pub store: StoreHealth,
    /// What is under way.
    pub in_flight: Flight,
    /// How many keys there are, by domain.
    pub counts: BTreeMap<String, usize>,
    /// Who watches files.
    pub watchers: Watchers,
    /// Who fetches manifests.
    pub remote: Remote,
    /// Who looks after services.
    pub supervisor: Map<String, Value>,
    /// Where secrets come from; no value is in it.
    pub secrets: Value,
}

/// What is under way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Flight {
    /// Runs.
    pub runs: u64,
    /// Work, by component.
    pub components: Vec<InFlight>,
}

/// What is not well.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Degraded {
    /// Whether anything is not.
    pub active: bool,
    /// What, the worst first.
    pub reasons: Vec<Reason>,
    /// How much waits in memory.
    pub buffered: u64,
}

/// One thing that is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What it is about: `service:gateway`, `adapter:cache`, `store`.
    pub component: String,
    /// Why.
    pub reason: String,
    /// Since when it is not well, for whatever reason.
    #[serde(serialize_with = "date")]
    pub since: Timestamp,
}

/// The store.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoreHealth {
    /// How it is; ok where nobody asked.
    pub status: Severity,
    /// How long it took to answer; `None` where nobody asked.
    pub latency_ms: Option<f64>,
    /// Why it did not.
    pub error: Option<String>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServiceHealth {
    /// How it is.
    pub status: Severity,
    /// Whether that is ok.
    pub healthy: bool,
    /// Whether the process goes down with it.
    pub critical: bool,
    /// Where it is in its life.
    pub state: State,
    /// Of those that could start, the lower ones begin first.
    pub startup_order: i32,
    /// How often it was started again.
    pub restarts: u32,
    /// Since when it is in `state`.
    #[serde(serialize_with = "date")]
    pub since: Timestamp,
    /// When its probe was answered last.
    #[serde(serialize_with = "maybe_date")]
    pub last_check: Option<Timestamp>,
    /// How long that took.
    pub latency_ms: Option<f64>,
    /// More about its state, for people.
    pub detail: Option<String>,
    /// Why it last ended, or is not well.
    pub error: Option<String>,
}

/// One component.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComponentHealth {
    /// How it is.
    pub status: Severity,
    /// Whether that is ok.
    pub healthy: bool,
    /// Whose instance serves.
    pub provider: Option<String>,
    /// How the last change of it went.
    pub state: Condition,
    /// When it was asked last.
    #[serde(serialize_with = "maybe_date")]
    pub last_check: Option<Timestamp>,
    /// How long its answer took.
    pub latency_ms: Option<f64>,
    /// Why it is not well.
    pub error: Option<String>,
}

impl Report {
    /// What whoever may not see more is told: nothing that names a part of the process.
    ///
    /// Shape: `{"status":"ok","healthy":true,"version":"0.1.0","timestamp":"...","phase":"serving","ready":true}`.
    pub fn outline(&self) -> Value {
        serde_json::json!({
            "status": self.status,
            "healthy": self.healthy,
            "version": self.version,
            "timestamp": self.timestamp.rfc3339(),
            "phase": self.phase,
            "ready": self.ready,
        })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn date<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&at.rfc3339())
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn maybe_date<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(Timestamp::rfc3339).serialize(serializer)
}

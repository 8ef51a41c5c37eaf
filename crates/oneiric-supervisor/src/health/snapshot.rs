//! The report as a file: `runtime_health.json`.

use std::collections::BTreeMap;
use std::time::Duration;

use oneiric_core::Timestamp;
use oneiric_core::lifecycle::{Condition, Status};
use oneiric_store::ActivityRecord;
use serde::Serialize;
use serde_json::Value;

use super::facts::{Remote, Watchers};
use super::report::{Degraded, Flight, Report, ServiceHealth};
use super::severity::Severity;

/// How often the file is written where nothing changes: a sign of life.
pub const SIGN_OF_LIFE: Duration = Duration::from_secs(60);

/// After how long without a sign of life what stands in the file is not to be trusted: two may be missed, on a
/// machine that is busy or was asleep.
pub const STALE_AFTER: Duration = Duration::from_secs(150);

/// What stands in the file: upstream's fields in upstream's order, and behind them what else is known.
///
/// **A reader** takes a file whose `generated_at` is more than `stale_after_seconds` ago for that of a dead process,
/// whatever it says. Counts of what is in flight are those of the last change of something else, or of the last
/// sign of life.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    watchers_running: bool,
    remote_enabled: bool,
    last_remote_sync_at: Option<String>,
    last_remote_error: Option<String>,
    orchestrator_pid: u32,
    updated_at: String,
    last_remote_registered: Option<u64>,
    last_remote_per_domain: BTreeMap<String, u64>,
    last_remote_skipped: Option<u64>,
    last_remote_duration_ms: Option<f64>,
    activity_state: BTreeMap<String, BTreeMap<String, ActivityState>>,
    lifecycle_state: BTreeMap<String, BTreeMap<String, LifecycleState>>,
    supervisor: serde_json::Map<String, Value>,
    profile: Value,
    secrets: Value,
    counts: BTreeMap<String, usize>,
    watchers: Watchers,
    remote: Remote,
    in_flight: Flight,
    services: BTreeMap<String, ServiceHealth>,
    status: Severity,
    healthy: bool,
    ready: bool,
    phase: &'static str,
    degraded: Degraded,
    version: String,
    uptime_s: f64,
    generated_at: String,
    stale_after_seconds: u64,
}

/// Whether work for a component is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ActivityState {
    paused: bool,
    draining: bool,
    note: Option<String>,
}

/// [`Status`] with its times as dates.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct LifecycleState {
    domain: String,
    key: String,
    state: Condition,
    current_provider: Option<String>,
    pending_provider: Option<String>,
    last_error: Option<String>,
    last_state_change_at: Option<String>,
    last_activated_at: Option<String>,
    last_health_at: Option<String>,
    last_swap_duration_ms: Option<f64>,
    recent_swap_durations_ms: Vec<f64>,
    successful_swaps: u64,
    failed_swaps: u64,
}

impl From<&Status> for LifecycleState {
    fn from(status: &Status) -> Self {
        let date = |at: Option<Timestamp>| at.map(Timestamp::rfc3339);
        Self {
            domain: status.domain.to_string(),
            key: status.key.to_string(),
            state: status.state,
            current_provider: status.current_provider.as_ref().map(ToString::to_string),
            pending_provider: status.pending_provider.as_ref().map(ToString::to_string),
            last_error: status.last_error.clone(),
            last_state_change_at: date(status.last_state_change_at),
            last_activated_at: date(status.last_activated_at),
            last_health_at: date(status.last_health_at),
            last_swap_duration_ms: status.last_swap_duration_ms,
            recent_swap_durations_ms: status.recent_swap_durations_ms.iter().copied().collect(),
            successful_swaps: status.successful_swaps,
            failed_swaps: status.failed_swaps,
        }
    }
}

impl Snapshot {
    /// From the report, and what upstream has in the file beyond it. `profile` is the block of that name.
    pub fn of(report: &Report, profile: Value, activity: &[ActivityRecord], statuses: &[Status]) -> Self {
        let mut activity_state: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for ActivityRecord { domain, key, paused, draining, note, .. } in activity {
            let state = ActivityState { paused: *paused, draining: *draining, note: note.clone() };
            activity_state.entry(domain.to_string()).or_default().insert(key.to_string(), state);
        }
        let mut lifecycle_state: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        // A key means one thing to everybody; what was asked for by its provider is told by `health`.
        for status in statuses.iter().filter(|status| status.pinned.is_none()) {
            let (domain, key) = (status.domain.to_string(), status.key.to_string());
            lifecycle_state.entry(domain).or_default().insert(key, LifecycleState::from(status));
        }
        let now = report.timestamp.rfc3339();
        let remote = &report.remote;
        Self {
            watchers_running: report.watchers.running,
            remote_enabled: remote.enabled,
            last_remote_sync_at: remote.last_success_at.clone(),
            last_remote_error: remote.last_error.clone(),
            orchestrator_pid: report.pid,
            updated_at: now.clone(),
            last_remote_registered: remote.last_registered,
            last_remote_per_domain: remote.last_per_domain.clone(),
            last_remote_skipped: remote.last_skipped,
            last_remote_duration_ms: remote.last_duration_ms,
            activity_state,
            lifecycle_state,
            supervisor: report.supervisor.clone(),
            profile,
            secrets: report.secrets.clone(),
            counts: report.counts.clone(),
            watchers: report.watchers.clone(),
            remote: remote.clone(),
            in_flight: report.in_flight.clone(),
            services: report.services.clone(),
            status: report.status,
            healthy: report.healthy,
            ready: report.ready,
            phase: report.phase,
            degraded: report.degraded.clone(),
            version: report.version.clone(),
            uptime_s: report.uptime_s,
            generated_at: now,
            stale_after_seconds: STALE_AFTER.as_secs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::Domain;
    use serde_json::json;

    use super::super::facts::{About, Facts, Remote, Watchers};
    use super::super::judge;
    use super::*;

    #[test]
    fn upstreams_fields_come_first_and_in_upstreams_order() {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let facts = Facts {
            about: About { pid: 4711, now, phase: "serving", serves: true, ..About::default() },
            services: Vec::new(),
            components: Vec::new(),
            store: None,
            reasons: Vec::new(),
            buffered: 0,
            runs: 2,
            in_flight: Vec::new(),
            counts: [("task".to_owned(), 3)].into(),
            watchers: Watchers { running: true, ..Watchers::default() },
            remote: Remote::default(),
            supervisor: [("enabled".to_owned(), json!(true))].into_iter().collect(),
            secrets: Value::Null,
        };
        let mut paused = ActivityRecord::accepting(Domain::TASK, "charge".parse().unwrap(), now);
        (paused.paused, paused.note) = (true, Some("audit".to_owned()));
        let snapshot = Snapshot::of(&judge(facts, &[]), json!({"name": "default"}), &[paused], &[]);
        let text = serde_json::to_string(&snapshot).unwrap();
        let upstream = [
            "watchers_running",
            "remote_enabled",
            "last_remote_sync_at",
            "last_remote_error",
            "orchestrator_pid",
            "updated_at",
            "last_remote_registered",
            "last_remote_per_domain",
            "last_remote_skipped",
            "last_remote_duration_ms",
            "activity_state",
            "lifecycle_state",
            "supervisor",
        ];
        let mut from = 0;
        for name in upstream {
            let place = text[from..].find(&format!("\"{name}\":"));
            from += place.unwrap_or_else(|| panic!("`{name}` is missing or out of its place: {text}"));
        }
        let json: Value = serde_json::from_str(&text).unwrap();
        let expected = json!({"task": {"charge": {"paused": true, "draining": false, "note": "audit"}}});
        assert_eq!(json["activity_state"], expected);
        assert_eq!((&json["supervisor"]["enabled"], &json["counts"]["task"]), (&json!(true), &json!(3)));
        assert_eq!(json["generated_at"], "2023-11-14T22:13:20.000000Z");
        assert_eq!(json["stale_after_seconds"], 150);
    }
}

//! Upstream's shape of `status --json`; additive: `processes`, and `pid`, `domain` and `factory` of rows.

use oneiric_core::lifecycle::Summary;
use oneiric_runtime::health::Remote;
use oneiric_runtime::{Answered, InstanceState, Shadowed};
use oneiric_store::ActivityRecord;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Row, Standing};
use crate::args::StatusArgs;
use crate::commands::life::Life;
use crate::peers::Process;

/// `{"domain":null,"status":[...],"summary":{...},"remote_telemetry":{...},"processes":[...]}`.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    domain: Option<&'a str>,
    status: Vec<Line<'a>>,
    summary: Summaries,
    remote_telemetry: Remote,
    processes: &'a [Process],
}

#[derive(Serialize)]
struct Summaries {
    swap: Summary,
    activity: Counts,
}

/// Keys that are paused and draining.
#[derive(Serialize, Default)]
struct Counts {
    paused: usize,
    draining: usize,
}

impl Counts {
    fn of<'a>(records: impl Iterator<Item = &'a ActivityRecord>) -> Self {
        records.fold(Self::default(), |counts, record| Self {
            paused: counts.paused + usize::from(record.paused),
            draining: counts.draining + usize::from(record.draining),
        })
    }
}

/// Whether work for a key is taken.
#[derive(Serialize, Default)]
struct Activity<'a> {
    paused: bool,
    draining: bool,
    note: Option<&'a str>,
}

impl<'a> From<&'a ActivityRecord> for Activity<'a> {
    fn from(record: &'a ActivityRecord) -> Self {
        Self { paused: record.paused, draining: record.draining, note: record.note.as_deref() }
    }
}

#[derive(Serialize)]
struct Line<'a> {
    domain: &'a str,
    key: &'a str,
    pid: Option<u32>,
    configured_provider: Option<&'a str>,
    shadowed: usize,
    activity: Activity<'a>,
    state: Answered,
    provider: Option<&'a str>,
    source: Option<&'a str>,
    priority: Option<i32>,
    stack_level: Option<i32>,
    factory: Option<&'a str>,
    metadata: &'a Map<String, Value>,
    // Upstream's; registrations are counted here and have no time.
    registered_at: Option<String>,
    selection_applied: bool,
    instance_state: InstanceState,
    // Upstream's name of a Python class; there is none.
    instance_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle: Option<Life<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadowed_details: Option<&'a [Shadowed]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl<'a> Report<'a> {
    pub(super) fn new(standing: &'a Standing, args: &'a StatusArgs) -> Self {
        Self {
            domain: args.domain.as_ref().map(oneiric_core::Domain::name),
            status: standing
                .rows
                .iter()
                .map(|row| Line::new(row, standing.said_of(row), args.shadowed))
                .collect(),
            summary: Summaries { swap: standing.swap(), activity: Counts::of(standing.said(args)) },
            remote_telemetry: Remote::default(),
            processes: &standing.processes,
        }
    }
}

impl<'a> Line<'a> {
    fn new(row: &'a Row, said: Option<&'a ActivityRecord>, shadowed: bool) -> Self {
        let has = &row.component;
        Self {
            domain: has.domain.name(),
            key: has.key.as_str(),
            pid: row.pid,
            configured_provider: has.configured_provider.as_ref().map(|provider| provider.as_str()),
            shadowed: has.shadowed,
            activity: said.map(Activity::from).unwrap_or_default(),
            state: has.state,
            provider: has.provider.as_ref().map(|provider| provider.as_str()),
            source: has.source.as_deref(),
            priority: has.priority,
            stack_level: has.stack_level,
            factory: has.factory.as_deref(),
            metadata: &has.metadata,
            registered_at: None,
            selection_applied: has.selection_applied,
            instance_state: has.instance_state,
            instance_type: None,
            lifecycle: has.lifecycle.as_ref().map(Life::from),
            shadowed_details: shadowed.then_some(&has.shadowed_details),
            message: has.message.as_deref(),
        }
    }
}

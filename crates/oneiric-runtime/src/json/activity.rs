//! Whether components take work, and what is in flight.

use std::collections::BTreeMap;

use oneiric_core::Timestamp;
use oneiric_store::ActivityRecord;
use oneiric_supervisor::InFlight;
use schemars::JsonSchema;
use serde::Serialize;

use super::rfc3339;
use crate::activity::Flight;

/// Upstream's shape, and what is in flight: `{"domains":{"task":{"counts":{"paused":1,"draining":0,
/// "note_only":0},"entries":[{"key":"charge","paused":true,"draining":false,"note":null,"at":"...",
/// "in_flight":2}]}},"totals":{"paused":1,"draining":0,"note_only":0},"processes":[{"pid":4711,
/// "started_at":"...","in_flight":[{"domain":"task","key":"charge","count":2}]}]}`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Activities {
    domains: BTreeMap<String, Group>,
    totals: ActivityCounts,
    /// The processes that were asked.
    pub processes: Vec<Busy>,
}

#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
struct Group {
    counts: ActivityCounts,
    entries: Vec<Entry>,
}

/// How many components stand how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ActivityCounts {
    /// That are paused.
    pub paused: usize,
    /// That drain.
    pub draining: usize,
    /// That take work and have a note.
    pub note_only: usize,
}

impl ActivityCounts {
    /// One more component.
    pub fn add(&mut self, record: &ActivityRecord) {
        self.paused += usize::from(record.paused);
        self.draining += usize::from(record.draining);
        self.note_only += usize::from(record.accepts() && record.note.is_some());
    }
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Entry {
    key: String,
    paused: bool,
    draining: bool,
    note: Option<String>,
    at: String,
    /// Over the processes that were asked.
    in_flight: u64,
}

/// A process, and what it has in flight.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Busy {
    /// The process.
    pub pid: u32,
    /// When it started.
    pub started_at: String,
    /// What it has in flight.
    #[schemars(with = "Vec<Load>")]
    pub in_flight: Vec<InFlight>,
    /// The same as `started_at`, for people.
    #[serde(skip)]
    pub since: Timestamp,
}

/// The shape of [`InFlight`].
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "InFlight")]
struct Load {
    domain: String,
    key: String,
    count: u64,
}

impl Busy {
    /// What a process has in flight.
    pub fn new(pid: u32, started_at: Timestamp, in_flight: Vec<InFlight>) -> Self {
        Self { pid, started_at: rfc3339(started_at), in_flight, since: started_at }
    }
}

impl Activities {
    /// What operators said, and what these processes have in flight.
    pub fn new(records: &[ActivityRecord], processes: Vec<Busy>) -> Self {
        let mut all = Self { domains: BTreeMap::new(), totals: ActivityCounts::default(), processes };
        for record in records {
            let group = all.domains.entry(record.domain.to_string()).or_default();
            group.counts.add(record);
            all.totals.add(record);
            group.entries.push(Entry {
                key: record.key.to_string(),
                paused: record.paused,
                draining: record.draining,
                note: record.note.clone(),
                at: rfc3339(record.at),
                in_flight: in_flight(&all.processes, record),
            });
        }
        all
    }
}

/// How much of a component is in flight, over these processes.
fn in_flight(processes: &[Busy], record: &ActivityRecord) -> u64 {
    let all = processes.iter().flat_map(|process| &process.in_flight);
    all.filter(|one| one.domain == record.domain && one.key == record.key).map(|one| one.count).sum()
}

/// What is true of a component now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ActivityState {
    domain: String,
    key: String,
    paused: bool,
    draining: bool,
    note: Option<String>,
    in_flight: u64,
    processes: Vec<Share>,
}

/// What is in flight in one process; `null` where it does not say.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Share {
    pid: u32,
    in_flight: Option<u64>,
}

impl ActivityState {
    /// As it was seen.
    pub fn new(flight: &Flight) -> Self {
        let record = &flight.record;
        let processes = flight.processes.iter();
        Self {
            domain: record.domain.to_string(),
            key: record.key.to_string(),
            paused: record.paused,
            draining: record.draining,
            note: record.note.clone(),
            in_flight: flight.in_flight(),
            processes: processes.map(|one| Share { pid: one.pid, in_flight: one.in_flight }).collect(),
        }
    }
}

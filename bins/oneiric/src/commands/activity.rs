//! `activity`, `pause`, `drain` and `resume`: whether components take work, and what is in flight.

mod change;
mod drain;
mod human;
mod progress;

use std::collections::BTreeMap;

use oneiric_runtime::activity::InFlight;
use oneiric_runtime::control::{Answer, Request};
use oneiric_store::{ActivityRecord, Store as _};
use serde::Serialize;

pub(super) use change::{pause, resume};
pub(super) use drain::drain;

use crate::args::ActivityArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::time;
use crate::peers::{self, Process};
use crate::session::{self, Session};
use crate::wait::wait;

/// Upstream's shape, and what is in flight: `{"domains":{"task":{"counts":{"paused":1,"draining":0,
/// "note_only":0},"entries":[{"key":"charge","paused":true,"draining":false,"note":null,"at":"...",
/// "in_flight":2}]}},"totals":{"paused":1,"draining":0,"note_only":0},"processes":[{"pid":4711,
/// "started_at":"...","in_flight":[{"domain":"task","key":"charge","count":2}]}]}`.
#[derive(Debug, Serialize)]
struct Report {
    domains: BTreeMap<String, Group>,
    totals: Counts,
    processes: Vec<Busy>,
}

#[derive(Debug, Default, Serialize)]
struct Group {
    counts: Counts,
    entries: Vec<Entry>,
}

/// How many components stand how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    paused: usize,
    draining: usize,
    note_only: usize,
}

impl Counts {
    fn add(&mut self, record: &ActivityRecord) {
        self.paused += usize::from(record.paused);
        self.draining += usize::from(record.draining);
        self.note_only += usize::from(record.accepts() && record.note.is_some());
    }
}

#[derive(Debug, Serialize)]
struct Entry {
    key: String,
    paused: bool,
    draining: bool,
    note: Option<String>,
    at: String,
    in_flight: u64,
}

/// A process, and what it has in flight.
#[derive(Debug, Serialize)]
struct Busy {
    #[serde(flatten)]
    process: Process,
    in_flight: Vec<InFlight>,
}

/// Shows it. Creates nothing.
pub(super) fn activity(session: &mut Session, _: &ActivityArgs) -> Result<Code, Failure> {
    let (mut processes, mut failures) = (Vec::new(), Vec::new());
    for told in peers::tell(&session.state_dir()?, &Request::Activity { domain: None, key: None }) {
        match told.answer {
            Ok(Answer::Activity(told)) => processes
                .push(Busy { process: Process::new(told.pid, told.started_at), in_flight: told.in_flight }),
            Ok(other) => failures.push(peers::misfit(&other)),
            Err(failure) => failures.push(failure),
        }
    }
    processes.sort_by_key(|busy| busy.process.since);
    let records = said(session)?;
    let report = Report::new(&records, processes);
    let state_dir = session.state_dir()?;
    let screen = &mut session.screen;
    screen.emit(&report, |screen| {
        human::print(screen, &records, &report.processes, &state_dir, session::now())
    })?;
    peers::together(failures).map(|()| Code::Ok)
}

/// What operators said; nothing where there is no state yet.
pub(in crate::commands) fn said(session: &Session) -> Result<Vec<ActivityRecord>, Failure> {
    Ok(session.store()?.map(|store| wait(store.activities())).transpose()?.unwrap_or_default())
}

impl Report {
    fn new(records: &[ActivityRecord], processes: Vec<Busy>) -> Self {
        let mut report = Self { domains: BTreeMap::new(), totals: Counts::default(), processes };
        for record in records {
            let group = report.domains.entry(record.domain.to_string()).or_default();
            group.counts.add(record);
            report.totals.add(record);
            group.entries.push(Entry {
                key: record.key.to_string(),
                paused: record.paused,
                draining: record.draining,
                note: record.note.clone(),
                at: time::rfc3339(record.at),
                in_flight: in_flight(&report.processes, record),
            });
        }
        report
    }
}

/// How much of a component is in flight, over these processes.
fn in_flight(processes: &[Busy], record: &ActivityRecord) -> u64 {
    let all = processes.iter().flat_map(|process| &process.in_flight);
    all.filter(|one| one.domain == record.domain && one.key == record.key).map(|one| one.count).sum()
}

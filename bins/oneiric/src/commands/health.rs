//! `health`: whether components are healthy, in the live processes or tried out here.

mod human;
mod snapshot;
mod trial;

use std::collections::BTreeMap;

use oneiric_core::Provider;
use oneiric_core::lifecycle::Summary;
use oneiric_core::settings::Profile;
use oneiric_runtime::Reloads;
use oneiric_runtime::control::{Answer, Probed, Request};
use oneiric_store::liveness;
use serde::Serialize;
use serde_json::Value;

use super::life::Life;
use crate::args::HealthArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::known::Known;
use crate::peers::{self, Process};
use crate::session::{self, Session};

/// Upstream's shape: `{"lifecycle":[...],"lifecycle_summary":{...},"runtime":{...},"profile":{...},
/// "secrets":{...},"processes":[...],"liveness":{"owner_dead":0,...},"watchers":[...],"report":{...},
/// "snapshot":{...}}`. `runtime` and `report` are those of the live process that serves the folder, else of the oldest;
/// where none lives, `runtime` is what the last one left behind, `report` is null, and `snapshot` says how old that is.
/// `liveness` counts the rows that are stuck, by kind, as a live process sees them; it is null where there is none.
/// `watchers` has a row for each process. Profile and secrets are those of the settings that this command
/// sees.
#[derive(Serialize)]
struct Report<'a> {
    lifecycle: Vec<Line<'a>>,
    lifecycle_summary: Summary,
    runtime: Option<&'a Value>,
    profile: Profile,
    secrets: Value,
    processes: &'a [Process],
    liveness: Option<BTreeMap<liveness::Kind, u64>>,
    watchers: &'a [Watchers],
    report: Option<&'a Value>,
    snapshot: Option<snapshot::Age>,
}

/// How the reloads of one process stand: what counts, who watches the files, and what is wrong with them.
#[derive(Debug, Serialize)]
struct Watchers {
    pid: u32,
    #[serde(flatten)]
    shown: Value,
    #[serde(skip)]
    reloads: Reloads,
}

/// One component; `probe_result` is there where components were asked.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    life: Life<'a>,
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe_result: Option<Option<bool>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe_error: Option<&'a str>,
}

/// One component in one process, or in this one for as long as it was tried out.
#[derive(Debug)]
struct Row {
    pid: Option<u32>,
    /// Who offers it, where nobody's instance serves.
    offered: Option<Provider>,
    probed: Probed,
    /// How the process ends because of it.
    code: Code,
}

/// What is shown.
#[derive(Debug)]
struct Health {
    processes: Vec<Process>,
    rows: Vec<Row>,
    /// The processes share a store, so that the last word counts.
    liveness: Option<BTreeMap<liveness::Kind, u64>>,
    watchers: Vec<Watchers>,
    summary: Summary,
    /// The snapshot and the report of the process that matters.
    runtime: Option<Value>,
    report: Option<Value>,
    /// How old the snapshot is, where it was read from its file.
    age: Option<snapshot::Age>,
    /// Whether components were started here to be asked.
    tried: bool,
}

/// Shows it.
pub(super) fn health(session: &mut Session, args: &HealthArgs) -> Result<Code, Failure> {
    if let Some(path) = &args.path {
        return snapshot::check(session, path);
    }
    let (mut health, failures) = of_processes(session, args)?;
    if health.processes.is_empty() && failures.is_empty() {
        if args.probe {
            health = trial::tried(session, args)?;
        } else if args.domain.is_some() || args.key.is_some() {
            let catalog = session.catalog()?;
            Known::registered(catalog.registry()).expect(args.domain.as_ref(), args.key.as_ref())?;
        }
    } else if health.rows.is_empty() && failures.is_empty() {
        known_there(session, args)?;
    }
    if health.processes.is_empty() && failures.is_empty() {
        (health.runtime, health.age) = snapshot::left(&session.state_dir()?, session::now());
    }
    let report = Report {
        lifecycle: health.rows.iter().map(|row| Line::new(row, args.probe)).collect(),
        lifecycle_summary: health.summary.clone(),
        runtime: health.runtime.as_ref(),
        profile: session.settings()?.settings.profile.clone(),
        secrets: secrets(session, health.runtime.as_ref())?,
        processes: &health.processes,
        liveness: health.liveness.clone(),
        watchers: &health.watchers,
        report: health.report.as_ref(),
        snapshot: health.age.clone(),
    };
    let state_dir = session.state_dir()?;
    session
        .screen
        .emit(&report, |screen| human::print(screen, &health, args.probe, &state_dir, session::now()))?;
    peers::together(failures)?;
    Ok(health.rows.iter().fold(Code::Ok, |code, row| code.worst(row.code)))
}

impl<'a> Line<'a> {
    fn new(row: &'a Row, asked: bool) -> Self {
        Self {
            life: Life::from(&row.probed.status),
            pid: row.pid,
            probe_result: asked.then_some(row.probed.probe_result),
            probe_error: row.probed.probe_error.as_deref(),
        }
    }
}

/// The secrets as this command's settings have them; whether they are there is the live process's to say.
fn secrets(session: &Session, runtime: Option<&Value>) -> Result<Value, Failure> {
    let mut secrets = serde_json::to_value(session.secrets()?.status()).unwrap_or_default();
    let told = runtime.and_then(|runtime| runtime.get("secrets"));
    for name in ["prefetched", "status"] {
        if let Some((known, told)) = secrets.get_mut(name).zip(told.and_then(|told| told.get(name))) {
            known.clone_from(told);
        }
    }
    Ok(secrets)
}

/// What the live processes say, and why some say nothing.
fn of_processes(session: &Session, args: &HealthArgs) -> Result<(Health, Vec<Failure>), Failure> {
    let (domain, key) = (args.domain.clone(), args.key.clone());
    let request = Request::Health { domain, key, probe: args.probe };
    let (mut processes, mut rows, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    let (mut liveness, mut watchers, mut told_of) = (None, Vec::new(), Vec::new());
    for told in peers::tell(&session.state_dir()?, &request) {
        match told.answer {
            Ok(Answer::Health(health)) => {
                processes.push(Process::new(health.pid, health.started_at));
                liveness = health.liveness.or(liveness);
                watchers.extend(health.reloads.map(|reloads| {
                    let shown = super::reload::shown(&reloads);
                    Watchers { pid: health.pid, shown, reloads }
                }));
                told_of.push((health.started_at, health.runtime, health.report));
                rows.extend(health.lifecycle.into_iter().map(|probed| Row {
                    pid: Some(health.pid),
                    offered: None,
                    code: if probed.probe_result == Some(false) { Code::Execution } else { Code::Ok },
                    probed,
                }));
            }
            Ok(other) => failures.push(peers::misfit(&other)),
            Err(failure) => failures.push(failure),
        }
    }
    processes.sort_by_key(|process| process.since);
    rows.sort_by(|a, b| {
        let name = |row: &Row| (row.probed.status.domain.clone(), row.probed.status.key.clone(), row.pid);
        name(a).cmp(&name(b))
    });
    let summary = Summary::of(rows.iter().map(|row: &Row| &row.probed.status));
    // One that watches or serves is told before one that runs a single workflow.
    told_of.sort_by_key(|(since, _, report)| (!snapshot::serves(report.as_ref()), *since));
    let (runtime, report) =
        told_of.into_iter().next().map(|(_, runtime, report)| (runtime, report)).unwrap_or_default();
    Ok((
        Health { processes, rows, liveness, watchers, summary, runtime, report, age: None, tried: false },
        failures,
    ))
}

/// That the live processes know what was asked for, although nobody asked for it in them yet.
fn known_there(session: &Session, args: &HealthArgs) -> Result<(), Failure> {
    if args.domain.is_none() && args.key.is_none() {
        return Ok(());
    }
    let request = Request::Status { domain: None, key: None };
    let answers: Vec<_> = peers::tell(&session.state_dir()?, &request)
        .into_iter()
        .filter_map(|told| match told.answer {
            Ok(Answer::Status(status)) => Some(status),
            Ok(_) | Err(_) => None,
        })
        .collect();
    let rows = answers.iter().flat_map(|status| &status.components).map(|row| (&row.domain, &row.key));
    Known::of(rows).expect(args.domain.as_ref(), args.key.as_ref())
}

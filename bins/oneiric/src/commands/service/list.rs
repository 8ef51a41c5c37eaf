//! `service list`.

use std::io::Write as _;

use oneiric_runtime::service::{Health, State, Status};
use oneiric_runtime::{Keeper, roster};
use serde::Serialize;
use serde_json::Value;

use super::{human, json, told};
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::text::clean;
use crate::peers::{self, Process};
use crate::session::{self, Session};

/// `{"process":{"pid":4711,"started_at":"..."},"reason":null,"services":[{"name":"gateway","provider":"shop",
/// "status":"ok","healthy":true,"critical":true,"state":"running","startup_order":10,"dependencies":[],
/// "restarts":0,"since":"...","last_check":null,"latency_ms":null,"detail":null,"error":null,"figures":null}]}`.
/// `process` is the one that keeps them up; where there is none, `reason` says why.
#[derive(Serialize)]
struct Listing {
    process: Option<Process>,
    reason: Option<String>,
    services: Vec<Value>,
}

/// Lists those of the process that keeps them up; without one, those of the manifests.
pub(in crate::commands) fn list(session: &mut Session) -> Result<Code, Failure> {
    let (mut processes, failures) = told(&session.state_dir()?);
    let keeper = processes.iter().position(|(_, told)| told.kept);
    let (process, reason, services) = match keeper.map(|place| processes.swap_remove(place).1) {
        Some(told) => (Some(Process::new(told.pid, told.started_at)), None, told.services),
        None => {
            let reason = processes.into_iter().find_map(|(_, told)| told.reason);
            (None, reason.or_else(|| Keeper::Nobody.reason()), of_manifests(session)?)
        }
    };
    let listing = Listing { process, reason, services: services.iter().map(json).collect() };
    session.screen.emit(&listing, |screen| {
        match (&listing.process, &listing.reason) {
            (Some(process), _) => {
                let since = crate::output::time::ago(process.since, session::now());
                writeln!(screen, "process {}, started {since}", process.pid)?;
            }
            (None, reason) => {
                let reason = clean(reason.as_deref().unwrap_or_default());
                writeln!(screen, "{}", screen.palette.paint(Tone::Faint, &reason))?;
            }
        }
        human::table(screen, &services, session::now())
    })?;
    peers::together(failures).map(|()| Code::Ok)
}

/// Those that would be started.
fn of_manifests(session: &Session) -> Result<Vec<Status>, Failure> {
    let roster = roster(session.catalog()?.registry())?;
    let status = |member: &oneiric_runtime::service::roster::Member| Status {
        name: member.key.clone(),
        provider: member.provider.clone(),
        status: Health::Unknown,
        healthy: false,
        critical: member.spec.critical,
        state: State::Registered,
        startup_order: member.spec.startup_order,
        dependencies: member.spec.dependencies.clone(),
        restarts: 0,
        since: session::now(),
        last_check: None,
        latency_ms: None,
        detail: None,
        error: None,
        figures: None,
    };
    Ok(roster.members().iter().map(status).collect())
}

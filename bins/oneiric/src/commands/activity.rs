//! `activity`, `pause`, `drain` and `resume`: whether components take work, and what is in flight.

mod change;
mod drain;
mod human;
mod progress;

use oneiric_runtime::control::{Answer, Request};
use oneiric_runtime::json::{Activities, Busy};
use oneiric_store::{ActivityRecord, Store as _};

pub(super) use change::{pause, resume};
pub(super) use drain::drain;

use crate::args::ActivityArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::peers;
use crate::session::{self, Session};
use crate::wait::wait;

/// Shows it. Creates nothing.
pub(super) fn activity(session: &mut Session, _: &ActivityArgs) -> Result<Code, Failure> {
    let (mut processes, mut failures) = (Vec::new(), Vec::new());
    for told in peers::tell(&session.state_dir()?, &Request::Activity { domain: None, key: None }) {
        match told.answer {
            Ok(Answer::Activity(told)) => {
                processes.push(Busy::new(told.pid, told.started_at, told.in_flight));
            }
            Ok(other) => failures.push(peers::misfit(&other)),
            Err(failure) => failures.push(failure),
        }
    }
    processes.sort_by_key(|busy| busy.since);
    let records = said(session)?;
    let report = Activities::new(&records, processes);
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

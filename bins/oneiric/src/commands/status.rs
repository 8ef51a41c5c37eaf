//! `status`: which component serves each key, in the live processes or by what the files say.

mod human;
mod json;

use oneiric_core::lifecycle::Summary;
use oneiric_runtime::control::{Answer, Request};
use oneiric_runtime::{ComponentStatus, component_statuses};

use oneiric_store::ActivityRecord;

use crate::args::StatusArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::known::Known;
use crate::peers::{self, Process};
use crate::session::{self, Session};

/// One key in one process, or in none.
#[derive(Debug)]
struct Row {
    pid: Option<u32>,
    component: ComponentStatus,
}

/// What is shown.
#[derive(Debug)]
struct Standing {
    processes: Vec<Process>,
    rows: Vec<Row>,
    /// What operators said of components.
    said: Vec<ActivityRecord>,
}

impl Standing {
    /// The changes of the rows in one line.
    fn swap(&self) -> Summary {
        Summary::of(self.rows.iter().filter_map(|row| row.component.lifecycle.as_ref()))
    }

    /// What operators said of the component of a row.
    fn said_of(&self, row: &Row) -> Option<&ActivityRecord> {
        let (domain, key) = (&row.component.domain, &row.component.key);
        self.said.iter().find(|record| record.domain == *domain && record.key == *key)
    }

    /// What they said of those that were asked for.
    fn said(&self, args: &StatusArgs) -> impl Iterator<Item = &ActivityRecord> {
        self.said.iter().filter(|record| {
            args.domain.as_ref().is_none_or(|domain| record.domain == *domain)
                && args.key.as_ref().is_none_or(|key| record.key == *key)
        })
    }
}

/// Shows it. Exits with 3 where a key is unknown, and as a process failed that gave no answer.
pub(super) fn status(session: &mut Session, args: &StatusArgs) -> Result<Code, Failure> {
    let (mut standing, failures) = standing(session)?;
    let known = standing.rows.iter().map(|row| (&row.component.domain, &row.component.key));
    // What a process without an answer has is not known.
    if failures.is_empty() || !standing.rows.is_empty() {
        Known::of(known).expect(args.domain.as_ref(), args.key.as_ref())?;
    }
    standing.rows.retain(|row| {
        args.domain.as_ref().is_none_or(|domain| row.component.domain == *domain)
            && args.key.as_ref().is_none_or(|key| row.component.key == *key)
    });
    let report = json::Report::new(&standing, args);
    let state_dir = session.state_dir()?;
    session
        .screen
        .emit(&report, |screen| human::print(screen, &standing, args.shadowed, &state_dir, session::now()))?;
    peers::together(failures).map(|()| Code::Ok)
}

/// Of the live processes; of manifests and settings where there is none.
fn standing(session: &Session) -> Result<(Standing, Vec<Failure>), Failure> {
    let (mut processes, mut rows, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for told in peers::tell(&session.state_dir()?, &Request::Status { domain: None, key: None }) {
        match told.answer {
            Ok(Answer::Status(status)) => {
                let pid = Some(status.pid);
                processes.push(Process::new(status.pid, status.started_at));
                rows.extend(status.components.into_iter().map(|component| Row { pid, component }));
            }
            Ok(other) => failures.push(peers::misfit(&other)),
            Err(failure) => failures.push(failure),
        }
    }
    if processes.is_empty() && failures.is_empty() {
        let loaded = session.load()?;
        let components = component_statuses(loaded.catalog().registry(), &[], None, None);
        rows.extend(components.into_iter().map(|component| Row { pid: None, component }));
    }
    processes.sort_by_key(|process| process.since);
    rows.sort_by(|a, b| {
        let name = |row: &Row| (row.component.domain.clone(), row.component.key.clone(), row.pid);
        name(a).cmp(&name(b))
    });
    // A state that cannot be read is no reason to hide what processes told.
    let said = super::activity::said(session).unwrap_or_else(|failure| {
        failures.push(failure);
        Vec::new()
    });
    Ok((Standing { processes, rows, said }, failures))
}

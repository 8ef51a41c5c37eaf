//! `reload`: manifests and settings are read again in the live processes.

use std::io::{self, Write as _};
use std::time::Duration;

use oneiric_runtime::Reloads;
use oneiric_runtime::control::{Answer, Request, live};
use serde::Serialize;
use serde_json::Value;

use crate::exit::Code;
use crate::failure::Failure;
use crate::output::text::clean;
use crate::output::{Screen, time};
use crate::peers;
use crate::session::Session;

/// How long a live process may take: components are built, started and asked, and old ones stopped.
const RELOADING: Duration = Duration::from_secs(120);

/// `{"processes":[{"pid":4711,"generation":2,"last":{"added":["event audit:shop"],...},"needs_restart":[]}]}`.
#[derive(Serialize)]
struct Report {
    processes: Vec<Process>,
}

#[derive(Serialize)]
struct Process {
    pid: u32,
    #[serde(flatten)]
    shown: Value,
    #[serde(skip)]
    reloads: Reloads,
}

impl Process {
    fn new(pid: u32, reloads: Reloads) -> Self {
        Self { pid, shown: shown(&reloads), reloads }
    }
}

/// How reloads stand, with times as people and programs read them.
pub(super) fn shown(reloads: &Reloads) -> Value {
    let (last, wrong) = (reloads.last.as_ref(), reloads.last_error.as_ref());
    let times = [
        ("/since", Some(reloads.since)),
        ("/last/at", last.map(|last| last.at)),
        ("/last_error/since", wrong.map(|wrong| wrong.since)),
        ("/last_error/at", wrong.map(|wrong| wrong.at)),
    ];
    let mut value = serde_json::to_value(reloads).unwrap_or_default();
    for (place, at) in times {
        if let Some((place, at)) = value.pointer_mut(place).zip(at) {
            *place = time::rfc3339(at).into();
        }
    }
    value
}

/// Has every live process do it, and shows what came of it.
pub(super) fn reload(session: &mut Session) -> Result<Code, Failure> {
    let state_dir = session.state_dir()?;
    let told = peers::ask(live(&state_dir), &Request::Reload {}, RELOADING);
    if told.is_empty() {
        let message = format!("no live process in {}", clean(&state_dir.display().to_string()));
        return Err(Failure::said(Code::Resolution, message).help("`oneiric orchestrate` starts one"));
    }
    let (mut report, mut failures) = (Report { processes: Vec::new() }, Vec::new());
    for one in told {
        match one.answer {
            Ok(Answer::Reloaded { pid, reloads }) => report.processes.push(Process::new(pid, *reloads)),
            Ok(other) => failures.push(peers::misfit(&other)),
            Err(failure) => failures.push(failure),
        }
    }
    report.processes.sort_by_key(|process| process.pid);
    if !report.processes.is_empty() {
        session
            .screen
            .emit(&report, |screen| report.processes.iter().try_for_each(|one| lines(screen, one)))?;
    }
    peers::together(failures)?;
    let failed =
        |process: &Process| process.reloads.last.as_ref().is_some_and(|last| !last.failed.is_empty());
    Ok(if report.processes.iter().any(failed) { Code::Execution } else { Code::Ok })
}

fn lines(screen: &mut Screen, Process { pid, reloads, .. }: &Process) -> io::Result<()> {
    writeln!(screen, "process {pid}: generation {}", reloads.generation)?;
    let held: Vec<_> =
        reloads.held.iter().map(|held| format!("{} {} ({})", held.domain, held.key, held.reason)).collect();
    let mut rows = Vec::new();
    if let Some(last) = &reloads.last {
        rows.extend([
            ("added", &last.added),
            ("removed", &last.removed),
            ("changed", &last.changed),
            ("swapped", &last.swapped),
            ("failed", &last.failed),
        ]);
    }
    rows.extend([("held back", &held), ("needs a restart", &reloads.needs_restart)]);
    for (what, names) in rows.into_iter().filter(|(_, names)| !names.is_empty()) {
        writeln!(screen, "  {what}: {}", clean(&names.join(", ")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use oneiric_core::{Digest, Timestamp};
    use oneiric_runtime::{Cause, LastReload, Watching};

    use super::*;

    #[test]
    fn what_came_of_it_stands_below_its_process_and_nothing_else_does() {
        let last = LastReload {
            at: Timestamp::default(),
            cause: Cause::Command,
            added: vec!["event audit:shop".to_owned(), "task mail:smtp".to_owned()],
            removed: Vec::new(),
            changed: Vec::new(),
            swapped: Vec::new(),
            failed: Vec::new(),
        };
        let reloads = Reloads {
            generation: 3,
            since: Timestamp::default(),
            digest: Digest::of(b""),
            watching: Watching::Notices,
            last: Some(last),
            needs_restart: vec!["http.port".to_owned()],
            held: Vec::new(),
            last_error: None,
        };
        let process = Process::new(4711, reloads);
        let printed = crate::output::tests::printed(80, |screen| lines(screen, &process));
        let expected = "process 4711: generation 3\n  added: event audit:shop, task mail:smtp\n  \
                        needs a restart: http.port\n";
        assert_eq!(printed, expected);
    }
}

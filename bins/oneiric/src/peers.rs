//! The live processes of the state folder, and what they answer.

use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use oneiric_core::metrics::Family;
use oneiric_core::{RunId, Timestamp};
use oneiric_dag::NodeProgress;
use oneiric_runtime::control::{Answer, Client, ControlError, ProcessEvents, Request, live};
use serde::Serialize;

use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::text::{clean, cut};
use crate::output::{Screen, time};

/// How long a live process may take to tell what it knows: it only reads its memory.
const TELLING: Duration = Duration::from_secs(10);

/// `{"pid":4711,"started_at":"2026-01-31T09:30:00.123456Z"}`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: u32,
    started_at: String,
    #[serde(skip)]
    /// When it opened the state folder.
    pub(crate) since: Timestamp,
}

impl Process {
    /// As it told of itself.
    pub(crate) fn new(pid: u32, since: Timestamp) -> Self {
        Self { pid, started_at: time::rfc3339(since), since }
    }
}

/// What a process answered, or why it did not.
#[derive(Debug)]
pub(crate) struct Told {
    /// Its socket, by which it can be asked again.
    pub(crate) path: PathBuf,
    /// Its answer.
    pub(crate) answer: Result<Answer, Failure>,
}

/// Asks every live process for what it knows. Creates nothing.
pub(crate) fn tell(state_dir: &Path, request: &Request) -> Vec<Told> {
    ask(live(state_dir), request, TELLING)
}

/// How long a live process may take to say how far a run is: nobody waits longer for a figure beside the
/// rows that are there already.
const GLANCE: Duration = Duration::from_secs(1);

/// How far the nodes of a run are, from the process that works on it; nothing where none answers.
pub(crate) fn progress(state_dir: &Path, run: RunId) -> Vec<NodeProgress> {
    let told = ask(live(state_dir), &Request::Progress { run }, GLANCE);
    let nodes = told.into_iter().filter_map(|told| match told.answer {
        Ok(Answer::Progress { nodes, .. }) => nodes,
        Ok(_) | Err(_) => None,
    });
    nodes.flatten().collect()
}

/// How the handlers of events stand in every live process, the oldest process first; and what was not answered.
pub(crate) fn events(state_dir: &Path) -> (Vec<ProcessEvents>, Vec<Failure>) {
    let (mut processes, mut failures) = (Vec::new(), Vec::new());
    for told in tell(state_dir, &Request::Events {}) {
        match told.answer {
            Ok(Answer::Events(told)) => processes.push(told),
            Ok(other) => failures.push(misfit(&other)),
            Err(failure) => failures.push(failure),
        }
    }
    processes.sort_by_key(|told| (told.started_at, told.pid));
    (processes, failures)
}

/// What every live process has counted, the oldest process first; and what was not answered.
pub(crate) fn metrics(state_dir: &Path) -> (Vec<(u32, Vec<Family>)>, Vec<Failure>) {
    let (mut processes, mut failures) = (Vec::new(), Vec::new());
    for told in tell(state_dir, &Request::Metrics {}) {
        match told.answer {
            Ok(Answer::Metrics { pid, started_at, families }) => processes.push((started_at, pid, families)),
            Ok(other) => failures.push(misfit(&other)),
            Err(failure) => failures.push(failure),
        }
    }
    processes.sort_by_key(|(started_at, pid, _)| (*started_at, *pid));
    (processes.into_iter().map(|(_, pid, families)| (pid, families)).collect(), failures)
}

/// Asks those processes, all at once. One that has ended meanwhile is no longer there.
pub(crate) fn ask(clients: Vec<Client>, request: &Request, limit: Duration) -> Vec<Told> {
    thread::scope(|scope| {
        let asking = clients.into_iter().map(|client| {
            let path = client.path().to_owned();
            (path, scope.spawn(move || client.ask(request, limit)))
        });
        let asking: Vec<_> = asking.collect();
        asking
            .into_iter()
            .filter_map(|(path, asking)| {
                let answer = match asking.join().expect("asking does not panic") {
                    Err(error) if ended(&error, request) => return None,
                    answer => answer.map_err(|error| refused(&error, limit)),
                };
                Some(Told { path, answer: answer.and_then(done) })
            })
            .collect()
    })
}

/// A refusal is a failure.
fn done(answer: Answer) -> Result<Answer, Failure> {
    match answer {
        Answer::Refused { kind, message, help } => {
            let failure = Failure::said(kind.into(), message);
            Err(match help {
                Some(help) => failure.help(help),
                None => failure,
            })
        }
        Answer::Status(_)
        | Answer::Health(_)
        | Answer::Swapped(_)
        | Answer::Rung { .. }
        | Answer::Activity(_)
        | Answer::Progress { .. }
        | Answer::Events(_)
        | Answer::Services(_)
        | Answer::Service { .. }
        | Answer::Metrics { .. }
        | Answer::Secrets { .. }
        | Answer::Reloaded { .. }
        | Answer::Rotated { .. } => Ok(answer),
    }
}

/// Whether the process ended while it was asked, and nothing can have come of it.
fn ended(error: &ControlError, request: &Request) -> bool {
    let gone = match error {
        ControlError::Gone { source, .. } => {
            matches!(
                source.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
            )
        }
        ControlError::Unreadable { .. } => false,
    };
    gone && !matches!(request, Request::Swap { .. } | Request::Service { .. })
}

fn refused(error: &ControlError, limit: Duration) -> Failure {
    match error {
        ControlError::Gone { path, source }
            if matches!(source.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
        {
            let (path, limit) = (path.display(), limit.as_secs());
            let message = format!("the process behind {path} did not answer within {limit} seconds");
            Failure::said(Code::Execution, message)
                .help("it may be suspended or overloaded; `oneiric status` tells when it answers again")
        }
        ControlError::Gone { .. } => Failure::said(Code::Execution, error.to_string())
            .help("whether it did what was asked is not known; `oneiric status` tells"),
        ControlError::Unreadable { .. } => Failure::said(Code::Protocol, error.to_string())
            .help("use the `oneiric` of the same version as the process"),
    }
}

/// Several failures as one; the gravest says how the process ends.
pub(crate) fn together(failures: Vec<Failure>) -> Result<(), Failure> {
    let mut failures = failures;
    match failures.len() {
        0 => Ok(()),
        1 => Err(failures.swap_remove(0)),
        _ => {
            let code = failures.iter().fold(Code::Ok, |code, failure| code.worst(failure.code()));
            let texts: Vec<_> = failures.iter().map(ToString::to_string).collect();
            Err(Failure::said(code, texts.join("\n")))
        }
    }
}

/// An answer to another question: the process speaks another version.
pub(crate) fn misfit(answer: &Answer) -> Failure {
    let what = match answer {
        Answer::Status(_) => "a status",
        Answer::Health(_) => "health",
        Answer::Swapped(_) => "a swap",
        Answer::Rung { .. } => "that it heard the bell",
        Answer::Activity(_) => "what is in flight",
        Answer::Progress { .. } => "progress",
        Answer::Events(_) => "events",
        Answer::Services(_) => "services",
        Answer::Service { .. } => "a service",
        Answer::Metrics { .. } => "metrics",
        Answer::Secrets { .. } => "secrets",
        Answer::Rotated { .. } => "a rotation",
        Answer::Reloaded { .. } => "a reload",
        Answer::Refused { .. } => "a refusal",
    };
    Failure::said(Code::Protocol, format!("a live process answered another question with {what}"))
        .help("use the `oneiric` of the same version as the process")
}

/// `process 4711, since 3m10s`, or that there is none.
pub(crate) fn headline(
    screen: &mut Screen,
    processes: &[Process],
    state_dir: &Path,
    now: Timestamp,
) -> io::Result<()> {
    if processes.is_empty() {
        let text = format!(
            "no live process in {}; this is what the files say",
            clean(&state_dir.display().to_string())
        );
        return writeln!(screen, "{}", screen.palette.paint(Tone::Faint, &cut(&text, screen.width)));
    }
    for process in processes {
        let since = time::ago(process.since, now);
        writeln!(screen, "process {}, started {since}", process.pid)?;
    }
    Ok(())
}

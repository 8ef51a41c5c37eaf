//! What a stuck row means, and what to type.

use oneiric_store::liveness::{Kind, Violation};
use oneiric_store::{BootRecord, RunRecord, RunStatus};

use crate::find::short;
use crate::session::Session;

/// A stuck row and what belongs to it.
#[derive(Debug)]
pub(super) struct About<'a> {
    pub(super) violation: &'a Violation,
    /// `None` where it went away meanwhile.
    pub(super) run: Option<&'a RunRecord>,
    /// The boot that the violation names.
    pub(super) owner: Option<&'a BootRecord>,
}

/// In a sentence.
pub(super) fn means(about: &About<'_>) -> String {
    let owner = about.owner.map_or_else(|| "a process".to_owned(), |owner| format!("process {}", owner.pid));
    if let Some(delivery) = delivery(about.violation) {
        return means_of_delivery(about.violation.kind, &delivery, &owner);
    }
    let run = about.violation.run.map(short).unwrap_or_default();
    let status = about.run.map_or("gone", |run| run.state.status.name());
    let node = about.violation.node.as_ref().map(|node| format!("`{node}`")).unwrap_or_default();
    match about.violation.kind {
        Kind::OwnerDead => {
            format!("run {run} belongs to {owner}, which is dead, and nobody has taken it over")
        }
        Kind::OwnerEnded => format!("run {run} belongs to {owner}, which has left; nobody else may take it"),
        Kind::Unowned => {
            format!("run {run} is {status} and belongs to nobody, although a process here takes such runs")
        }
        Kind::Leaked => format!("run {run} is {status} and still belongs to {owner}"),
        Kind::InFlight => format!("node {node} counts as running, although run {run} is {status}"),
        Kind::NoWake => format!("node {node} of run {run} waits, and nothing says until when"),
        Kind::NoReason => format!("run {run} is paused, and nothing says why"),
        Kind::StaleCommand => format!("run {run} is {status}, and a command for it is still in line"),
        // It is said of deliveries only.
        Kind::Stranded => format!("run {run} waits for its turn, and nobody is in front of it"),
    }
}

/// The delivery that it is about, in words.
pub(super) fn delivery(violation: &Violation) -> Option<String> {
    let (event, handler) = violation.event.as_ref().zip(violation.handler.as_ref())?;
    Some(format!("event {event} for `{handler}`"))
}

fn means_of_delivery(kind: Kind, delivery: &str, owner: &str) -> String {
    match kind {
        Kind::OwnerDead => {
            format!("{delivery} belongs to {owner}, which is dead, and nobody has taken it over")
        }
        Kind::OwnerEnded => format!("{delivery} belongs to {owner}, which has left; nobody else may take it"),
        Kind::Leaked => format!("{delivery} is over or not due yet, and still belongs to {owner}"),
        Kind::InFlight => format!("the handler counts as running with {delivery}, and no process has it"),
        Kind::Stranded => {
            format!("{delivery} waits for a handler in front of it, and none of them is under way")
        }
        // These are said of runs only.
        Kind::Unowned | Kind::NoWake | Kind::NoReason | Kind::StaleCommand => format!("{delivery}: {kind}"),
    }
}

/// The command, or the commands.
pub(super) fn cure(about: &About<'_>, session: &Session) -> String {
    let Some(run) = about.violation.run else {
        // Whoever serves takes over what the dead had; the rest is mended here.
        return session.command("doctor --fix");
    };
    let resume = session.run_command("resume", run);
    let paused = about.run.is_some_and(|run| run.state.status == RunStatus::Paused);
    match about.violation.kind {
        Kind::OwnerDead => resume,
        Kind::OwnerEnded | Kind::Leaked | Kind::StaleCommand => session.command("doctor --fix"),
        Kind::Unowned => {
            format!(
                "{resume}; if it comes back, the log of the process that serves says why it does not take it"
            )
        }
        Kind::InFlight if paused => resume,
        // The run is over and nothing will move it: the row is wrong, and the work is not.
        Kind::InFlight => session.command("store check"),
        Kind::NoWake => format!("end the process that has the run with SIGTERM, then {resume}"),
        Kind::NoReason => format!("{resume}, or {}", session.run_command("cancel", run)),
        Kind::Stranded => session.command("doctor --fix"),
    }
}

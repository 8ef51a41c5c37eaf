//! `run pause`, `run cancel`, `run extend`, `run retry-now`: what is asked of a run, whichever process has it.

use std::io::{self, Write as _};
use std::time::Duration;

use oneiric_core::{Clock as _, Fault, Timestamp};
use oneiric_runtime::{Ask, Command, Obeyed, Oneiric, SystemClock, Told, json, place};
use oneiric_store::{NodeStatus, RunRecord, RunStatus};
use serde::Serialize;

use crate::args::{CancelArgs, ExtendArgs, Patience, RunPauseArgs};
use crate::exit::Code;
use crate::failure::Failure;
use crate::find::{find, short};
use crate::output::text::count;
use crate::output::{Screen, time};
use crate::session::{self, Session};

/// How long writing it down may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long it is waited for what runs before a pause is said to be on its way: what runs may run for hours.
const REST: Duration = Duration::from_secs(1);

/// How often a run that is to come to rest is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    #[serde(flatten)]
    told: json::Outcome,
    #[serde(skip)]
    short: String,
}

impl Outcome {
    /// Of a run as it stands after it was told.
    pub(super) fn of(record: &RunRecord, obeyed: &Obeyed, running: usize) -> Self {
        Self { told: json::Outcome::of(record, obeyed, running), short: short(record.id) }
    }

    /// `run 1c0ffee5 shop.checkout` and what is said of it.
    pub(super) fn say(&self, screen: &mut Screen, what: &str) -> io::Result<()> {
        writeln!(screen, "run {} {} {what}", self.short, self.told.workflow)
    }
}

/// Cancels it.
pub(in crate::commands) fn cancel(session: &mut Session, args: &CancelArgs) -> Result<Code, Failure> {
    let mut again = false;
    let (outcome, _) = tell(session, &args.run, args.patience, async |_, record| {
        // Whoever asks twice has waited long enough.
        again = is_stopping(record) && !args.now;
        Ok(Command::Cancel { reason: args.reason.clone(), hard: args.now || again })
    })?;
    let now = session.command(&format!("run cancel {} --now", outcome.short));
    session.screen.emit(&outcome, |screen| match (outcome.told.status, outcome.told.running) {
        ("cancelled", _) if again => outcome.say(screen, "cancelled: what still ran was dropped"),
        ("cancelled", _) => outcome.say(screen, "cancelled"),
        (_, running) => {
            outcome.say(screen, &format!("is stopping: {} still under way", count(running, "node")))?;
            writeln!(screen, "do not wait for what runs: {now}")
        }
    })?;
    Ok(Code::Ok)
}

/// Whether it was asked to stop already.
fn is_stopping(record: &RunRecord) -> bool {
    let cancelled = |fault: &Fault| fault.code == "cancelled";
    record.state.status == RunStatus::Running && record.state.fault.as_ref().is_some_and(cancelled)
}

/// Pauses it.
pub(in crate::commands) fn pause(session: &mut Session, args: &RunPauseArgs) -> Result<Code, Failure> {
    let (outcome, _) = tell(session, &args.run, args.patience, async |_, _| {
        Ok(Command::Pause { reason: args.reason.clone() })
    })?;
    let resume = session.command(&format!("run resume {}", outcome.short));
    session.screen.emit(&outcome, |screen| {
        match (outcome.told.status, outcome.told.outcome) {
            ("paused", "already") => outcome.say(screen, "was paused already")?,
            ("paused", _) => outcome.say(screen, "is paused")?,
            _ => {
                let running = count(outcome.told.running, "node");
                outcome.say(
                    screen,
                    &format!("pauses once {running} under way {} done", are(outcome.told.running)),
                )?;
            }
        }
        writeln!(screen, "go on with: {resume}")
    })?;
    Ok(Code::Ok)
}

fn are(number: usize) -> &'static str {
    if number == 1 { "is" } else { "are" }
}

/// Gives it another deadline.
pub(in crate::commands) fn extend(session: &mut Session, args: &ExtendArgs) -> Result<Code, Failure> {
    let (outcome, told) = tell(session, &args.run, args.patience, async |oneiric, record| {
        let deadline = match (args.by, args.until) {
            (_, Some(until)) => until,
            (Some(by), None) => longer(oneiric, record, by).await?,
            (None, None) => Command::NO_DEADLINE,
        };
        Ok(Command::Extend { deadline })
    })?;
    let deadline = told.record.state.deadline;
    session.screen.emit(&outcome, |screen| match deadline {
        Some(at) if at != Command::NO_DEADLINE => {
            let left = crate::output::text::duration(at.since(session::now()));
            outcome.say(screen, &format!("may take until {} (for {left} more)", time::local(at)))
        }
        _ => outcome.say(screen, "may take as long as it takes"),
    })?;
    Ok(Code::Ok)
}

/// The deadline that a run has, and so much longer.
async fn longer(oneiric: &Oneiric, record: &RunRecord, by: Duration) -> Result<Timestamp, Failure> {
    let plan = oneiric.plan_of(record).await?;
    let deadline = plan.deadline(record, session::now()).filter(|at| *at != Command::NO_DEADLINE);
    let deadline = deadline.ok_or_else(|| {
        Failure::said(Code::Execution, format!("run {} has no deadline", short(record.id)))
            .help("`--until` gives it one")
    })?;
    Ok(deadline.after(by))
}

/// The command that tries nodes at once, with the places of the nodes that were named.
pub(super) async fn retrying(
    oneiric: &Oneiric,
    record: &RunRecord,
    nodes: &[oneiric_core::NodeId],
) -> Result<Command, Failure> {
    if nodes.is_empty() {
        return Ok(Command::RetryNow { nodes: Vec::new() });
    }
    let plan = oneiric.plan_of(record).await?;
    let places = nodes.iter().map(|node| place(&plan, record.id, node)).collect::<Result<_, _>>()?;
    Ok(Command::RetryNow { nodes: places })
}

/// Tells a run something that does not make it go on here, and waits a moment for it to come to rest.
fn tell(
    session: &Session,
    run: &str,
    patience: Patience,
    command: impl AsyncFnOnce(&Oneiric, &RunRecord) -> Result<Command, Failure>,
) -> Result<(Outcome, Told), Failure> {
    let record = find(session::reading(session.store()?.as_ref()), run)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::said(Code::Execution, format!("cannot start a runtime: {error}")))?;
    runtime.block_on(async {
        let mut builder = session.builder()?.state_dir(session.state_dir()?);
        for path in &session.manifests {
            builder = builder.manifest(path);
        }
        let oneiric = builder.start().await?;
        let told = told(&oneiric, record, patience, command).await;
        oneiric.shutdown(DEADLINE).await?;
        told
    })
}

async fn told(
    oneiric: &Oneiric,
    record: RunRecord,
    Patience { timeout }: Patience,
    command: impl AsyncFnOnce(&Oneiric, &RunRecord) -> Result<Command, Failure>,
) -> Result<(Outcome, Told), Failure> {
    let clock = SystemClock::default();
    let command = command(oneiric, &record).await?;
    let rests = match command {
        Command::Pause { .. } => timeout.min(REST),
        // What runs is asked to stop, and most of it does at once.
        Command::Cancel { .. } => timeout,
        Command::Resume { .. } | Command::RetryNow { .. } | Command::Extend { .. } => Duration::ZERO,
    };
    let ask = Ask { patience: timeout, go_on: false, ..Ask::new(command) };
    let mut told = applied(oneiric.tell(record.id, ask).await?)?;
    while told.record.state.status == RunStatus::Running && clock.monotonic() < rests {
        clock.sleep(GLANCE).await;
        told.record = oneiric.store().run(record.id).await?.unwrap_or(told.record);
    }
    let nodes = oneiric.store().nodes(record.id).await?;
    let running = nodes.iter().filter(|node| node.status == NodeStatus::Running).count();
    Ok((Outcome::of(&told.record, &told.obeyed, running), told))
}

/// What does not apply is a failure.
pub(super) fn applied(told: Told) -> Result<Told, Failure> {
    match &told.obeyed {
        Obeyed::Done | Obeyed::Already => Ok(told),
        Obeyed::Stale(why) => {
            let run = short(told.record.id);
            Err(Failure::said(Code::Execution, format!("run {run} {why}"))
                .help(format!("`oneiric run explain {run}` says how it stands")))
        }
    }
}

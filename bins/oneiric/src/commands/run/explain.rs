//! `run explain`: why a run stands where it stands, and what would change that.

use std::io::{self, Write as _};

use oneiric_core::Timestamp;
use oneiric_dag::explain::{Explained, Explanation, Facts, explain as reasons};
use oneiric_runtime::{RunOptions, json};
use oneiric_store::{RunRecord, SqliteStore, Store as _, WhoseCommands};
use serde::Serialize;

use super::show::catalog;
use super::standing;
use crate::args::RunExplainArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::find::{find, short};
use crate::output::palette::Tone;
use crate::output::text::{clean, count, duration, wrap};
use crate::output::{Screen, time};
use crate::session::{self, Session};
use crate::wait::wait;

/// The most lines of one reason.
const LINES: usize = 6;

/// Why it stands where it stands.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    told: json::Explained,
    #[serde(skip)]
    seen: Seen,
}

/// What only people see.
struct Seen {
    run: String,
    tone: Tone,
    since: Option<Timestamp>,
    /// Of each reason, since when it holds and when it ends.
    times: Vec<(Option<Timestamp>, Option<Timestamp>)>,
}

/// Explains it.
pub(in crate::commands) fn explain(session: &mut Session, args: &RunExplainArgs) -> Result<Code, Failure> {
    let store = session.store()?;
    let record = find(session::reading(store.as_ref()), &args.run)?;
    let store = store.expect("a run was found in it");
    let found = explanation(&store, &record)?;
    let standing = standing(&record, &wait(store.dead())?);
    let told = json::Explained { more: found.more, ..json::Explained::new(&record, standing.word()) };
    let report =
        Report::of(told, &found.reasons, &record, standing.tone(), |command| session.command(command));
    session.screen.emit(&report, |screen| print(screen, &report, session::now()))?;
    Ok(Code::Ok)
}

fn explanation(store: &SqliteStore, record: &RunRecord) -> Result<Explanation, Failure> {
    let nodes = wait(store.nodes(record.id))?;
    let boots = wait(store.boots())?;
    let commands = wait(store.commands(WhoseCommands::Run(record.id)))?;
    let activities = wait(store.activities())?;
    let last = wait(store.last_seq(record.id))?;
    let last = wait(store.journal(record.id, last.saturating_sub(1), 1))?;
    let options: RunOptions = serde_json::from_value(record.options.clone()).unwrap_or_default();
    // What rows say is worth telling even where the manifests cannot be read any more.
    let plan = catalog(store, record).and_then(|catalog| catalog.plan(&record.workflow, &options)).ok();
    Ok(reasons(&Facts {
        run: record,
        nodes: &nodes,
        plan: plan.as_ref(),
        boots: &boots,
        commands: &commands,
        activities: &activities,
        last_event: last.first().map(|entry| entry.at),
        now: session::now(),
    }))
}

impl Report {
    fn of(
        mut told: json::Explained,
        reasons: &[Explained],
        record: &RunRecord,
        tone: Tone,
        command: impl Fn(&str) -> String,
    ) -> Self {
        let named = short(record.id);
        let line = |told: &Explained| {
            let line = json::ReasonLine::of(told, record.id, &named, &command);
            json::ReasonLine { text: clean(&line.text), ..line }
        };
        told.reasons = reasons.iter().map(line).collect();
        let times = reasons.iter().map(|told| (told.since, told.reason.until())).collect();
        let seen = Seen { run: named, tone, since: record.state.started_at, times };
        Self { told, seen }
    }
}

fn print(screen: &mut Screen, report: &Report, now: Timestamp) -> io::Result<()> {
    let standing = screen.palette.paint(report.seen.tone, report.told.status);
    let began = report.seen.since.map(|since| format!(", began {}", time::ago(since, now)));
    writeln!(
        screen,
        "run {} {} {standing}{}",
        report.seen.run,
        report.told.workflow,
        began.unwrap_or_default()
    )?;
    if let Some(by) = &report.told.started_by {
        for line in wrap(&by.to_string(), screen.width - 2, 2) {
            writeln!(screen, "  {}", screen.palette.paint(Tone::Faint, &line))?;
        }
    }
    for (line, times) in report.told.reasons.iter().zip(&report.seen.times) {
        writeln!(screen)?;
        for (index, text) in wrap(&line.text, screen.width - 4, LINES).into_iter().enumerate() {
            let text = if index == 0 { screen.palette.paint(Tone::Strong, &text) } else { text };
            writeln!(screen, "  {text}")?;
        }
        let (since, until) = *times;
        if let Some(since) = since {
            detail(screen, "since", &time::ago(since, now))?;
        }
        let when = until.map(|until| match until.since(now) {
            left if left.is_zero() => " (due now)".to_owned(),
            left => format!(" (in {})", duration(left)),
        });
        detail(screen, "until", &format!("{}{}", line.ends, when.unwrap_or_default()))?;
        if let Some(command) = &line.command {
            // Not broken: it is there to be copied.
            writeln!(screen, "    {} {command}", screen.palette.paint(Tone::Faint, "do   "))?;
        }
    }
    if report.told.more > 0 {
        writeln!(
            screen,
            "\n  ... and {} of which the same is to be said",
            count(report.told.more, "more node")
        )?;
    }
    Ok(())
}

fn detail(screen: &mut Screen, name: &str, text: &str) -> io::Result<()> {
    for (index, line) in wrap(text, screen.width - 10, LINES).into_iter().enumerate() {
        let name = if index == 0 { name } else { "" };
        writeln!(screen, "    {} {line}", screen.palette.paint(Tone::Faint, &format!("{name:<5}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use oneiric_core::{Digest, Key, NodeId, Payload};
    use oneiric_dag::explain::Reason;
    use oneiric_store::RunStatus;

    use super::*;
    use crate::output::tests::printed;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_micros((1_700_000_000 + second) * 1_000_000)
    }

    /// Every reason there is. The compiler asks for a new one here by the match below.
    fn every() -> Vec<Reason> {
        let node = |id: &str| NodeId::new(id).unwrap();
        let why = |text: &str| text.to_owned();
        let task = Key::new("shop.charge").unwrap();
        let all = vec![
            Reason::Ended { status: RunStatus::Failed, why: Some(why("the card was declined by the bank")) },
            Reason::Command { verb: "pause", actor: Some(why("anna")), pid: Some(4711) },
            Reason::NobodyServes,
            Reason::TakeoverDue { pid: 4712 },
            Reason::OwnerDead { pid: 4711, heir: None },
            Reason::OwnerDead { pid: 4711, heir: Some(4712) },
            Reason::OwnerSilent { pid: 4711, heir: None },
            Reason::OwnerSilent { pid: 4711, heir: Some(4712) },
            Reason::CannotResume { why: why("task `shop.charge` is unknown; did you mean `shop.change`?") },
            Reason::Paused { why: why("the warehouse is closed") },
            Reason::Pausing { why: why("the warehouse is closed"), running: vec![node("pack")] },
            Reason::Stopping {
                why: why("ordered twice"),
                running: ["a", "b", "c", "d", "e"].map(node).into(),
            },
            Reason::UnknownOutcome {
                node: node("charge"),
                why: why("try 1 was under way when its process ended"),
            },
            Reason::Exhausted { node: node("charge"), attempts: 3, why: why("no answer within 30s") },
            Reason::Deadly { node: node("charge"), deaths: 5 },
            Reason::TaskPaused { node: node("charge"), task: task.clone(), note: Some(why("stocktaking")) },
            Reason::TaskDraining { node: node("charge"), task, note: None },
            Reason::BreakerOpen {
                node: node("charge"),
                why: why("bank.example failed 5 times"),
                until: Some(at(130)),
            },
            Reason::Held { node: node("charge"), why: why("denied by policy: not before noon"), until: None },
            Reason::Retry {
                node: node("charge"),
                attempt: 2,
                attempts: 3,
                at: at(160),
                why: why("no answer within 30s"),
            },
            Reason::Running { node: node("charge"), attempt: 2 },
            Reason::RunSlots { nodes: vec![node("charge"), node("notify")], limit: 1 },
            Reason::ProcessSlots { nodes: vec![node("charge")] },
            Reason::Dependencies {
                nodes: vec![(node("ship"), vec![node("charge"), node("pack")])],
                more: 12,
            },
            Reason::Deadline { at: at(400) },
        ];
        for reason in &all {
            match reason {
                Reason::Ended { .. }
                | Reason::Command { .. }
                | Reason::NobodyServes
                | Reason::TakeoverDue { .. }
                | Reason::OwnerDead { .. }
                | Reason::OwnerSilent { .. }
                | Reason::CannotResume { .. }
                | Reason::Paused { .. }
                | Reason::Pausing { .. }
                | Reason::Stopping { .. }
                | Reason::UnknownOutcome { .. }
                | Reason::Exhausted { .. }
                | Reason::Deadly { .. }
                | Reason::TaskPaused { .. }
                | Reason::TaskDraining { .. }
                | Reason::BreakerOpen { .. }
                | Reason::Held { .. }
                | Reason::Retry { .. }
                | Reason::Running { .. }
                | Reason::RunSlots { .. }
                | Reason::ProcessSlots { .. }
                | Reason::Dependencies { .. }
                | Reason::Deadline { .. } => {}
            }
        }
        all
    }

    #[test]
    fn every_reason_is_read_by_people_and_programs() {
        let id: oneiric_core::RunId = "019a0000000070008000000011112222".parse().unwrap();
        let record =
            RunRecord::new(id, Key::new("shop.checkout").unwrap(), Digest::of(b""), Payload::NULL, at(0));
        let reasons: Vec<_> =
            every().into_iter().map(|reason| Explained { reason, since: Some(at(88)) }).collect();
        let told = json::Explained { more: 990, ..json::Explained::new(&record, "running") };
        let mut report =
            Report::of(told, &reasons, &record, Tone::Busy, |command| format!("oneiric {command}"));
        report.seen.since = Some(at(10));
        insta::assert_snapshot!("explain_80", printed(80, |screen| print(screen, &report, at(100))));
        insta::assert_snapshot!("explain_json", serde_json::to_string_pretty(&report).unwrap());
    }
}

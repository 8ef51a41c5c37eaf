//! What an emitted event did, for people.

use std::io::{self, Write as _};
use std::time::Duration;

use oneiric_core::settings::masked;
use oneiric_runtime::Outcome;
use oneiric_store::RunStatus;

use super::report::Report;
use crate::find::short;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::{clean, count, cut, duration};
use crate::output::{Screen, time};
use crate::report::Standing;

/// A shorter wait for a handler that was not asked is none.
const SHOWN: Duration = Duration::from_millis(1);

/// Prints a line about the event, a row for each handler, and the runs that it started.
pub(super) fn print(screen: &mut Screen, report: &Report) -> io::Result<()> {
    headline(screen, report)?;
    if report.dispatched.results.is_empty() {
        nobody(screen, report)?;
    }
    handlers(screen, report)?;
    runs(screen, report)?;
    later(screen, report)?;
    for unstarted in &report.unstarted {
        let text = format!("{} was not started: {}", unstarted.workflow, clean(&unstarted.reason));
        writeln!(screen, "{}", screen.palette.paint(Tone::Bad, &cut(&text, screen.width)))?;
    }
    if report.pending() > 0 && report.told.served {
        faint(screen, "a process serves this state: what waits reaches its handler there")?;
    } else if report.pending() > 0 {
        faint(screen, "what waits is taken on by a process that serves; there is none")?;
        next(screen, &report.told.serve)?;
    }
    Ok(())
}

fn faint(screen: &mut Screen, text: &str) -> io::Result<()> {
    writeln!(screen, "{}", screen.palette.paint(Tone::Faint, text))
}

/// A command to type. Not cut: it is there to be copied.
fn next(screen: &mut Screen, command: &str) -> io::Result<()> {
    writeln!(screen, "  {} {command}", screen.palette.paint(Tone::Busy, "next:"))
}

/// `event e-1 order.paid: 2 of 3 handlers ok, 1 waits`.
fn headline(screen: &mut Screen, report: &Report) -> io::Result<()> {
    let results = &report.dispatched.results;
    let words: Vec<_> = ["ok", "failed", "skipped", "waits"]
        .into_iter()
        .map(|word| (results.iter().filter(|outcome| state(outcome).0 == word).count(), word))
        .filter(|(some, _)| *some > 0)
        .map(|(some, word)| format!("{some} {}", if word == "waits" { "waiting" } else { word }))
        .collect();
    let words = if words.is_empty() { "nobody wants it".to_owned() } else { words.join(", ") };
    let id = report.dispatched.event_id.as_ref().map(ToString::to_string).unwrap_or_default();
    let topic = screen.palette.paint(Tone::Strong, &clean(report.dispatched.topic.as_str()));
    writeln!(screen, "event {id} {topic}: {words}")?;
    if report.duplicate {
        let text = "it was emitted before; this is what has become of it since";
        writeln!(screen, "{}", screen.palette.paint(Tone::Odd, text))?;
    }
    if !report.stored {
        faint(screen, "it was not stored")?;
    }
    Ok(())
}

/// Where nobody wants it, that is most often a topic that was misspelt, or a condition that does not hold.
fn nobody(screen: &mut Screen, report: &Report) -> io::Result<()> {
    let topic = report.dispatched.topic.as_str();
    match report.told.near.as_deref() {
        // Somebody wants that very topic, but not this event of it.
        Some(near) if near == topic => {
            writeln!(screen, "who wants this topic does not want this event")?;
            next(screen, &report.told.wanted)
        }
        Some(near) => writeln!(screen, "did you mean `{}`?", clean(near)),
        None => next(screen, &report.told.wanted),
    }
}

fn handlers(screen: &mut Screen, report: &Report) -> io::Result<()> {
    let mut table = Table::new([
        Column::new("handler", Room::Middle),
        Column::new("state", Room::Whole),
        Column::right("took"),
        Column::right("tries"),
        Column::new("", Room::End),
    ]);
    for outcome in &report.dispatched.results {
        let (word, tone) = state(outcome);
        let asked = outcome.attempts > 0 || outcome.took >= SHOWN;
        table.row([
            (outcome.handler.to_string(), Tone::Strong),
            (word.to_owned(), tone),
            plain(if asked { duration(outcome.took) } else { "-".to_owned() }),
            plain(if outcome.attempts > 0 { outcome.attempts.to_string() } else { "-".to_owned() }),
            plain(said(report, outcome)),
        ]);
    }
    table.print(screen)
}

fn state(outcome: &Outcome) -> (&'static str, Tone) {
    if outcome.pending {
        ("waits", Tone::Odd)
    } else if outcome.is_success() {
        ("ok", Tone::Good)
    } else if outcome.is_failure() {
        ("failed", Tone::Bad)
    } else {
        ("skipped", Tone::Faint)
    }
}

/// What a handler returned, or why it did not, on one line and without what looks like a secret.
fn said(report: &Report, outcome: &Outcome) -> String {
    match &outcome.result {
        Ok(value) if value.is_null() => String::new(),
        Ok(value) => clean(&masked(value.value()).to_string()),
        Err(fault) => match report.why(&outcome.handler) {
            Some(why) => clean(why),
            None => clean(&fault.message),
        },
    }
}

fn runs(screen: &mut Screen, report: &Report) -> io::Result<()> {
    if report.runs.is_empty() {
        return Ok(());
    }
    writeln!(screen, "started {}", count(report.runs.len(), "run"))?;
    let mut table = Table::new([
        Column::new("", Room::Whole),
        Column::new("", Room::Whole),
        Column::new("", Room::Middle),
    ]);
    for run in &report.runs {
        table.row([
            (short(run.id), Tone::Strong),
            (run.standing.word().to_owned(), run.standing.tone()),
            plain(run.workflow.to_string()),
        ]);
    }
    table.print(screen)?;
    for run in &report.runs {
        if run.standing != Standing::At(RunStatus::Completed) {
            next(screen, &run.next)?;
        }
    }
    Ok(())
}

/// Runs that start once enough events have come, or none for a while.
fn later(screen: &mut Screen, report: &Report) -> io::Result<()> {
    for waiting in &report.waiting {
        let of = if waiting.key.is_empty() { String::new() } else { format!(" of `{}`", waiting.key) };
        let due = time::local(waiting.due_at);
        let text = format!("{} starts at {due}, unless more events{of} change that", waiting.workflow);
        writeln!(screen, "{}", screen.palette.paint(Tone::Odd, &cut(&clean(&text), screen.width)))?;
    }
    if report.waiting.is_empty() || report.pending() > 0 {
        return Ok(());
    }
    if report.told.served {
        return faint(screen, "a process serves this state: it starts what waits");
    }
    faint(screen, "what waits is started by a process that serves; there is none")?;
    next(screen, &report.told.serve)
}

#[cfg(test)]
mod tests {
    use oneiric_core::{Fault, Payload, RunId, Timestamp};
    use oneiric_runtime::{Dispatched, Unstarted};
    use oneiric_store::ActivityRecord;
    use serde_json::json;

    use super::super::report::{RunOf, Told, Waiting};
    use super::*;
    use crate::output::tests::printed;

    fn outcome(handler: &str, result: Result<Payload, Fault>, attempts: u32, millis: u64) -> Outcome {
        let took = Duration::from_millis(millis);
        Outcome { handler: handler.into(), result, attempts, took, pending: false }
    }

    fn report(results: Vec<Outcome>, near: Option<&str>) -> Report {
        let told = Told {
            served: false,
            waiting: Vec::new(),
            near: near.map(str::to_owned),
            serve: "oneiric orchestrate --manifest shop.yaml".to_owned(),
            wanted: "oneiric orchestrate --events --topic order.paid --manifest shop.yaml".to_owned(),
        };
        Report {
            dispatched: Dispatched {
                topic: "order.paid".parse().unwrap(),
                event_id: Some("order-7-paid".parse().unwrap()),
                results,
            },
            stored: true,
            duplicate: false,
            runs: Vec::new(),
            waiting: Vec::new(),
            unstarted: Vec::new(),
            told,
            signal: None,
        }
    }

    #[test]
    fn what_an_event_did_fits_the_terminal() {
        let paused = ActivityRecord {
            paused: true,
            note: Some(
                "the bank is closed until Monday, see https://status.bank.example/2026-01-31".to_owned(),
            ),
            ..ActivityRecord::accepting(
                oneiric_core::Domain::EVENT,
                "shop.charge".parse().unwrap(),
                Timestamp::from_micros(0),
            )
        };
        let waits = Outcome {
            pending: true,
            ..outcome("shop.charge:bank", Err(Fault::transient("pending", "the event waits")), 0, 0)
        };
        let failed = Fault::permanent("exec", "sh exited with 3: no such\ncustomer \u{1b}[31m in the ledger");
        let mut all = report(
            vec![
                outcome("shop.audit:files", Ok(json!({"ok": true, "api_key": "s3cr3t"}).into()), 1, 12),
                outcome("fastblocks.handlers.of-the-whole-warehouse:fastblocks", Err(failed), 3, 1234),
                outcome("shop.mail:smtp", Ok(Payload::NULL), 1, 1),
                waits,
            ],
            None,
        );
        all.told.waiting.push(Waiting::new("shop.charge:bank", &paused));
        all.runs.push(RunOf {
            workflow: "fastblocks.workflows.fulfillment".parse().unwrap(),
            id: RunId::from_bytes([0x1c; 16]),
            status: "pending",
            standing: Standing::At(RunStatus::Pending),
            next: "oneiric run resume 1c1c1c1c".to_owned(),
        });
        all.unstarted.push(Unstarted {
            workflow: "shop.digest".parse().unwrap(),
            reason: "workflow `shop.digest` is unknown".to_owned(),
        });
        insta::assert_snapshot!("event_80", printed(80, |screen| print(screen, &all)));
        insta::assert_snapshot!("event_100", printed(100, |screen| print(screen, &all)));
    }

    #[test]
    fn an_event_that_nobody_wants_names_what_is_near() {
        let check = |near, expected| {
            let text = printed(100, |screen| print(screen, &report(Vec::new(), near)));
            assert_eq!(text.lines().last(), Some(expected));
        };
        check(Some("order.pad"), "did you mean `order.pad`?");
        let who = "  next: oneiric orchestrate --events --topic order.paid --manifest shop.yaml";
        check(Some("order.paid"), who);
        check(None, who);
    }

    #[test]
    fn a_run_that_waits_for_more_events_says_until_when() {
        let waiting = oneiric_runtime::WaitingRun {
            workflow: "shop.digest".parse().unwrap(),
            key: "ada".to_owned(),
            due_at: Timestamp::from_micros(1_769_851_800_000_000),
        };
        let mut later = Report { waiting: vec![waiting], ..report(Vec::new(), None) };
        let text = |report: &Report| printed(100, |screen| super::later(screen, report));
        let told = text(&later);
        assert!(told.starts_with("shop.digest starts at 2026-01-31 "), "{told}");
        assert!(told.contains(", unless more events of `ada` change that\n"), "{told}");
        assert!(told.ends_with("  next: oneiric orchestrate --manifest shop.yaml\n"), "{told}");
        later.told.served = true;
        assert!(text(&later).ends_with("a process serves this state: it starts what waits\n"));
    }

    #[test]
    fn an_event_that_was_emitted_before_says_so() {
        let again = Report { duplicate: true, ..report(Vec::new(), None) };
        let text = printed(80, |screen| headline(screen, &again));
        assert!(text.contains("emitted before"), "{text}");
    }
}

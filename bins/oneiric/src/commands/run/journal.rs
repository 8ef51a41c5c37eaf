//! `run show --journal`: everything that happened in a run, in order.

use std::io::{self, Write as _};

use oneiric_core::Timestamp;
use oneiric_runtime::json;
use oneiric_store::{Event, Found, JournalEntry, RunRecord, SqliteStore, Store as _};
use serde::Serialize;

use crate::exit::Code;
use crate::failure::Failure;
use crate::output::Screen;
use crate::output::palette::Tone;
use crate::output::text::{clean, cut};
use crate::output::time::rfc3339;
use crate::session::Session;
use crate::wait::wait;

/// Entries that are read at a time.
const PAGE: usize = 1000;

/// `{"run_id":"...","workflow":"...","journal":[{"seq":1,"at":"...","epoch":1,"event":{"type":"started"}}]}`.
/// A node stands in an event as its place, and beside it as its id.
#[derive(Serialize)]
struct Journal<'a> {
    run_id: String,
    workflow: &'a str,
    journal: Vec<Line>,
}

/// One event.
#[derive(Serialize)]
pub(super) struct Line {
    #[serde(flatten)]
    line: json::JournalLine,
    #[serde(skip)]
    time: Timestamp,
}

/// Shows it.
pub(super) fn show(session: &mut Session, store: &SqliteStore, record: &RunRecord) -> Result<Code, Failure> {
    let rows = wait(store.nodes(record.id))?;
    let names: std::collections::HashMap<u32, String> =
        rows.into_iter().map(|row| (row.node, row.name.to_string())).collect();
    let mut journal: Vec<Line> = Vec::new();
    loop {
        let after = journal.last().map_or(0, |line| line.line.seq);
        let page = wait(store.journal(record.id, after, PAGE))?;
        let full = page.len() == PAGE;
        journal.extend(page.into_iter().map(|entry| Line::of(entry, |node| names.get(&node).cloned())));
        if !full {
            break;
        }
    }
    let journal = Journal { run_id: record.id.to_string(), workflow: record.workflow.as_str(), journal };
    session.screen.emit(&journal, |screen| print(screen, &journal))?;
    Ok(Code::Ok)
}

impl Line {
    /// With the names of the nodes that it is about.
    pub(super) fn of(entry: JournalEntry, name: impl Fn(u32) -> Option<String>) -> Self {
        Self { time: entry.at, line: json::JournalLine::of(entry, name) }
    }

    fn text(&self) -> String {
        let node = self.line.node.as_deref().unwrap_or("?");
        match &self.line.event {
            Event::Started { .. } => "started".to_owned(),
            Event::Resumed { unknown, .. } => {
                format!("resumed by claim {}, unknown nodes: {unknown:?}", self.line.epoch).to_lowercase()
            }
            Event::Succeeded { attempt, .. } => format!("{node} succeeded, try {attempt}"),
            Event::Failed { attempt, fault, .. } => {
                format!(
                    "{node} failed, try {attempt}: {} ({}, {})",
                    clean(&fault.message),
                    fault.class,
                    fault.code
                )
            }
            Event::Due { .. } => format!("{node} is due again"),
            Event::Granted { slots } => format!("{slots} slots granted"),
            Event::Held { fault, .. } => format!("{node} is held: {}", clean(&fault.message)),
            Event::Released { .. } => format!("{node} may ask again"),
            Event::Retried { .. } => format!("{node} is tried at once"),
            Event::Reconciled { found: Found::Done, .. } => format!("{node} turned out to have happened"),
            Event::Reconciled { found: Found::NotDone, .. } => {
                format!("{node} turned out not to have happened")
            }
            Event::Reconciled { found: Found::Unknown, .. } => {
                format!("nobody can say what became of {node}")
            }
            Event::PauseRequested { reason } => format!("pause requested: {}", clean(reason)),
            Event::PauseWithdrawn { .. } => "pause withdrawn".to_owned(),
            Event::Extended { deadline } => format!("deadline set to {}", rfc3339(*deadline)),
            Event::CancelRequested { reason, hard } => {
                let how = if *hard { "at once" } else { "requested" };
                format!("cancel {how}: {}", clean(reason))
            }
            Event::TimedOut => "timed out".to_owned(),
        }
    }
}

fn print(screen: &mut Screen, journal: &Journal<'_>) -> io::Result<()> {
    let begin = journal.journal.first().map(|line| line.time);
    for line in &journal.journal {
        let offset = begin.map_or(0.0, |begin| line.time.since(begin).as_secs_f64());
        let front = screen.palette.paint(Tone::Faint, &format!("{:>6}  {offset:>9.3}s", line.line.seq));
        let text = cut(&line.text(), screen.width.saturating_sub(20));
        let text = match line.line.event {
            Event::Failed { .. } | Event::TimedOut => screen.palette.paint(Tone::Bad, &text),
            _ => text,
        };
        writeln!(screen, "{front}  {text}")?;
    }
    Ok(())
}

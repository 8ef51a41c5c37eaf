//! A replay, for people: how far it is, and what it did.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use oneiric_runtime::ReplayReport;

use super::Report;
use crate::output::Screen;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table};
use crate::output::text::{clean, count};
use crate::session::{self, Session};

/// How far a replay is: one line that changes on a terminal, nothing elsewhere.
#[derive(Debug)]
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(super) fn open(session: &Session) -> Self {
        if session.for_programs() || !io::stderr().is_terminal() || session::is_dumb() {
            return Self(None);
        }
        let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(Some(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)))
    }

    pub(super) fn tell(&mut self, report: &ReplayReport) {
        if let Some(bar) = &self.0 {
            let (events, changed) = (report.events, report.changed());
            bar.set_message(format!("replaying: {events} events, {changed} deliveries"));
            bar.tick();
        }
    }

    /// Takes it away again.
    pub(super) fn close(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Prints a line about all, and a row for each handler.
pub(super) fn print(screen: &mut Screen, report: &Report) -> io::Result<()> {
    let events = count(usize::try_from(report.events).unwrap_or(usize::MAX), "event");
    let verb = if report.dry_run { "would replay" } else { "replayed" };
    let mut line = format!("{verb} {events}");
    for (some, what) in [
        (report.expired, "had expired"),
        (report.runs, if report.dry_run { "runs would start" } else { "runs started" }),
        (report.unstarted, "runs could not start"),
    ] {
        if some > 0 {
            line.push_str(&format!(", {some} {what}"));
        }
    }
    writeln!(screen, "{line}")?;
    if report.handlers.is_empty() {
        let why = if report.events == 0 {
            "no event is meant"
        } else {
            "none of them is for a handler that is meant"
        };
        return writeln!(screen, "  {}", screen.palette.paint(Tone::Faint, why));
    }
    let mut table = Table::new([
        Column::new("handler", Room::Middle),
        Column::right("made"),
        Column::right("again"),
        Column::right("there"),
        Column::right("on its way"),
        Column::right("ok"),
        Column::right("failed"),
    ]);
    for (name, handler) in &report.handlers {
        let of = |number: u64, tone| {
            if number == 0 { ("-".to_owned(), Tone::Faint) } else { (number.to_string(), tone) }
        };
        let replayed = handler.replayed;
        table.row([
            (clean(name), Tone::Strong),
            of(replayed.made, Tone::Plain),
            of(replayed.again, Tone::Plain),
            of(replayed.there, Tone::Faint),
            of(replayed.open, Tone::Odd),
            of(handler.succeeded, Tone::Good),
            of(handler.failed, Tone::Bad),
        ]);
    }
    table.print(screen)?;
    let changed = report.handlers.values().any(|handler| handler.replayed.made + handler.replayed.again > 0);
    if !changed && !report.handlers.is_empty() {
        let why = "nothing was missing; `--again` repeats what is over";
        writeln!(screen, "  {}", screen.palette.paint(Tone::Faint, why))?;
    }
    Ok(())
}

/// Says what becomes of deliveries that were not carried out here, and of runs.
pub(super) fn hint(left: usize, runs: usize, (here, served): (bool, bool), serve: &str) {
    let left_to = |them: String| match (served, here) {
        (true, _) => format!("{them} for a process that serves this state, which takes them on"),
        (false, true) => format!("{them} for a later try; `{serve}` takes them on"),
        (false, false) => format!("{them}, and no process serves this state; `{serve}` takes them on"),
    };
    let mut lines = Vec::new();
    match left {
        0 => {}
        1 => lines.push(left_to("1 delivery waits".to_owned())),
        left => lines.push(left_to(format!("{left} deliveries wait"))),
    }
    if runs > 0 {
        lines.push(format!("{} for a process that serves this state; `{serve}` is one", waiting(runs)));
    }
    for line in lines {
        // A reader that went away misses it.
        drop(writeln!(io::stderr(), "{line}"));
    }
}

fn waiting(runs: usize) -> String {
    let verb = if runs == 1 { "waits" } else { "wait" };
    format!("{} {verb}", count(runs, "run"))
}

#[cfg(test)]
mod tests {
    use oneiric_runtime::Replayed;

    use super::super::Handler;
    use super::*;
    use crate::output::tests::printed;

    #[test]
    fn a_replay_is_told_handler_by_handler() {
        let handler = |made, again, there, open, succeeded, failed| Handler {
            replayed: Replayed { made, again, there, open },
            succeeded,
            failed,
        };
        let report = |dry_run, events, handlers: Vec<(&str, Handler)>| Report {
            dry_run,
            events,
            expired: u64::from(events > 100),
            handlers: handlers.into_iter().map(|(name, handler)| (name.to_owned(), handler)).collect(),
            runs: 2 * u64::from(events > 100),
            unstarted: 0,
            left: 0,
            interrupted: false,
        };
        let some = vec![
            ("fastblocks.events.order-created:fastblocks", handler(120, 0, 3, 1, 118, 2)),
            ("shop.mail:smtp", handler(0, 0, 124, 0, 0, 0)),
        ];
        let all = [
            report(false, 124, some),
            report(true, 1, vec![("shop.mail:smtp", handler(0, 1, 0, 0, 0, 0))]),
            report(false, 1, vec![("shop.mail:smtp", handler(0, 0, 1, 0, 0, 0))]),
            report(false, 7, Vec::new()),
            report(false, 0, Vec::new()),
        ];
        let print = |screen: &mut Screen| all.iter().try_for_each(|report| print(screen, report));
        insta::assert_snapshot!("replay_80", printed(80, print));
    }
}

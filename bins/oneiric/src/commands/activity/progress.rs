//! What is still in flight, told while a drain is waited for: one line that changes on a terminal, a line
//! for every change elsewhere, nothing for programs.

use std::io::{self, IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use oneiric_runtime::activity::Flight;

use crate::output::terminal_width;
use crate::output::text::cut;
use crate::session::{self, Session};

/// The most processes that a line names.
const NAMED: usize = 4;

/// Tells it.
#[derive(Debug)]
pub(super) enum Progress {
    Row(ProgressBar),
    Lines,
    Silent,
}

impl Progress {
    pub(super) fn open(session: &Session) -> Self {
        if session.for_programs() {
            return Progress::Silent;
        }
        if !io::stderr().is_terminal() || session::is_dumb() {
            return Progress::Lines;
        }
        let style = ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
        Progress::Row(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style))
    }

    pub(super) fn tell(&self, flight: &Flight) {
        // The end is the result's to tell.
        if flight.is_landed() {
            return;
        }
        match self {
            Progress::Row(bar) => {
                let width = terminal_width(terminal_size::terminal_size_of(io::stderr()));
                bar.set_message(cut(&line(flight), width.saturating_sub(1)));
                bar.tick();
            }
            // A reader that went away misses it; the result is told elsewhere.
            Progress::Lines => drop(writeln!(io::stderr(), "{}", line(flight))),
            Progress::Silent => {}
        }
    }

    /// Takes it away again.
    pub(super) fn close(self) {
        if let Progress::Row(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// `draining task:charge: 3 in flight (process 4711: 2, process 4712: 1)`.
pub(super) fn line(flight: &Flight) -> String {
    let record = &flight.record;
    format!("draining {}:{}: {} in flight{}", record.domain, record.key, flight.in_flight(), whose(flight))
}

/// ` (process 4711: 2, process 4712 does not answer)`.
pub(super) fn whose(flight: &Flight) -> String {
    let mut parts: Vec<_> = flight
        .processes
        .iter()
        .take(NAMED)
        .map(|one| match one.in_flight {
            Some(count) => format!("process {}: {count}", one.pid),
            None => format!("process {} does not answer", one.pid),
        })
        .collect();
    let more = flight.processes.len().saturating_sub(NAMED);
    if more > 0 {
        parts.push(format!("{more} more"));
    }
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

#[cfg(test)]
mod tests {
    use oneiric_core::{Domain, Timestamp};
    use oneiric_runtime::activity::ProcessFlight;
    use oneiric_store::ActivityRecord;

    use super::*;

    #[test]
    fn a_line_says_how_much_and_where() {
        let check = |flights: &[(u32, Option<u64>)], expected: &str| {
            let key = "charge".parse().unwrap();
            let record = ActivityRecord::accepting(Domain::TASK, key, Timestamp::from_micros(0));
            let processes = flights.iter().map(|(pid, count)| ProcessFlight { pid: *pid, in_flight: *count });
            let flight = Flight { record, processes: processes.collect() };
            assert_eq!(line(&flight), format!("draining task:charge: {expected}"));
        };
        check(&[(4711, Some(2))], "2 in flight (process 4711: 2)");
        check(&[(1, Some(2)), (2, None)], "2 in flight (process 1: 2, process 2 does not answer)");
        let many: Vec<_> = (1..=6).map(|pid| (pid, Some(1))).collect();
        check(&many, "6 in flight (process 1: 1, process 2: 1, process 3: 1, process 4: 1, 2 more)");
    }
}

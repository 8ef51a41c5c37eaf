//! `run list`.

use std::io::{self, Write as _};

use oneiric_core::Timestamp;
use oneiric_runtime::json;
use oneiric_store::{RunFilter, RunRecord, Store as _};
use serde::Serialize;

use super::standing;
use crate::args::RunListArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::find::short;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::{clean, duration};
use crate::output::{Screen, time};
use crate::report::Standing;
use crate::session::{self, Session};
use crate::wait::wait;

/// `{"runs":[...]}`, the newest first.
#[derive(Serialize)]
struct Listing {
    runs: Vec<Line>,
}

/// One run.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    run: json::RunLine,
    #[serde(skip)]
    seen: Seen,
}

/// What only people see.
struct Seen {
    run: String,
    standing: Standing,
    created_at: Timestamp,
}

/// Lists them; none where there is no state.
pub(in crate::commands) fn list(session: &mut Session, args: RunListArgs) -> Result<Code, Failure> {
    let mut lines = Vec::new();
    if let Some(store) = session.store()? {
        let filter = RunFilter {
            workflow: args.workflow,
            statuses: args.statuses,
            ..RunFilter::newest(args.limit as usize)
        };
        let dead = wait(store.dead())?;
        lines = wait(store.runs(filter))?.iter().map(|run| Line::of(run, &dead)).collect();
    }
    let listing = Listing { runs: lines };
    session.screen.emit(&listing, |screen| print(screen, &listing.runs, session::now()))?;
    Ok(Code::Ok)
}

impl Line {
    fn of(run: &RunRecord, dead: &[oneiric_core::BootId]) -> Self {
        let seen = Seen { run: short(run.id), standing: standing(run, dead), created_at: run.created_at };
        Self { run: json::RunLine::of(run, dead), seen }
    }
}

fn print(screen: &mut Screen, lines: &[Line], now: Timestamp) -> io::Result<()> {
    if lines.is_empty() {
        return writeln!(screen, "(none)");
    }
    let mut table = Table::new([
        Column::new("run", Room::Whole),
        Column::new("status", Room::Whole),
        Column::new("workflow", Room::Middle),
        Column::new("created", Room::Whole),
        Column::right("took"),
        Column::new("note", Room::End),
    ]);
    for line in lines {
        let took = line.run.duration.map(|seconds| duration(std::time::Duration::from_secs_f64(seconds)));
        let note = line.run.fault.as_ref().map(|fault| clean(&fault.message));
        table.row([
            (line.seen.run.clone(), Tone::Strong),
            (line.seen.standing.word().to_owned(), line.seen.standing.tone()),
            plain(&*line.run.workflow),
            (time::ago(line.seen.created_at, now), Tone::Faint),
            plain(took.unwrap_or_default()),
            plain(note.unwrap_or_default()),
        ]);
    }
    table.print(screen)
}

#[cfg(test)]
mod tests {
    use oneiric_core::{Digest, Fault, Key, Payload};
    use oneiric_store::RunStatus;

    use super::*;
    use crate::output::tests::printed;

    fn run(n: u8, status: RunStatus, age: i64, fault: Option<&str>) -> Line {
        let at = Timestamp::from_micros(1_700_000_000_000_000 - age * 1_000_000);
        let mut id = [0; 16];
        id[15] = n;
        let key = Key::new("fastblocks.workflows.fulfillment").unwrap();
        let mut run =
            RunRecord::new(oneiric_core::RunId::from_bytes(id), key, Digest::of(b""), Payload::NULL, at);
        run.state.status = status;
        run.state.owner = Some(oneiric_core::BootId::from_bytes([1; 16]));
        run.state.started_at = Some(at);
        run.state.ended_at = status.is_terminal().then(|| at.after(std::time::Duration::from_millis(2345)));
        run.state.fault = fault.map(|text| Fault::permanent("x", text));
        let dead = if n == 3 { vec![oneiric_core::BootId::from_bytes([1; 16])] } else { Vec::new() };
        Line::of(&run, &dead)
    }

    #[test]
    fn a_list_fits_the_terminal() {
        let lines = [
            run(1, RunStatus::Completed, 3, None),
            run(2, RunStatus::Failed, 400, Some("node `charge` failed: the card was declined by the bank")),
            run(3, RunStatus::Running, 90_000, None),
        ];
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        insta::assert_snapshot!("list_80", printed(80, |screen| print(screen, &lines, now)));
        insta::assert_snapshot!("list_100", printed(100, |screen| print(screen, &lines, now)));
    }
}

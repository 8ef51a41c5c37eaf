//! What components take, for people.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::Path;

use oneiric_core::{Domain, Key, Timestamp};
use oneiric_runtime::activity::Marks;
use oneiric_runtime::json::{ActivityCounts, Busy};
use oneiric_store::ActivityRecord;

use crate::commands::life;
use crate::output::Screen;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::time;
use crate::peers::{self, Process};

/// Prints processes, a row per component of which something was said or is in flight, and a line of sums.
pub(super) fn print(
    screen: &mut Screen,
    records: &[ActivityRecord],
    processes: &[Busy],
    state_dir: &Path,
    now: Timestamp,
) -> io::Result<()> {
    let live: Vec<Process> = processes.iter().map(|busy| Process::new(busy.pid, busy.since)).collect();
    peers::headline(screen, &live, state_dir, now)?;
    let mut flights: BTreeMap<(&Domain, &Key), u64> = BTreeMap::new();
    for one in processes.iter().flat_map(|busy| &busy.in_flight) {
        *flights.entry((&one.domain, &one.key)).or_default() += one.count;
    }
    let mut said: BTreeMap<(&Domain, &Key), Option<&ActivityRecord>> =
        flights.keys().map(|name| (*name, None)).collect();
    said.extend(records.iter().map(|record| ((&record.domain, &record.key), Some(record))));
    if said.is_empty() {
        return writeln!(screen, "every component takes work; nothing is in flight");
    }
    let mut table = Table::new([
        Column::new("domain", Room::Whole),
        Column::new("key", Room::Middle),
        Column::new("activity", Room::Whole),
        Column::right("in flight"),
        Column::right("since"),
    ]);
    for ((domain, key), record) in said {
        let count = flights.get(&(domain, key)).copied().unwrap_or_default();
        let marks = marks(record);
        table.row([
            (domain.to_string(), Tone::Faint),
            (key.to_string(), Tone::Strong),
            (marks.to_string(), tone(marks, count)),
            plain(if count > 0 { count.to_string() } else { String::new() }),
            plain(record.map(|record| time::ago(record.at, now)).unwrap_or_default()),
        ]);
        if let Some(note) = record.and_then(|record| record.note.as_ref()) {
            life::note(&mut table, note, Tone::Faint, screen.width);
        }
    }
    table.print(screen)?;
    let mut counts = ActivityCounts::default();
    records.iter().for_each(|record| counts.add(record));
    let ActivityCounts { paused, draining, note_only } = counts;
    let noted = if note_only > 0 { format!(", {note_only} with a note only") } else { String::new() };
    let sums = format!("{paused} paused, {draining} draining{noted}");
    writeln!(screen, "{}", screen.palette.paint(Tone::Faint, &sums))
}

fn marks(record: Option<&ActivityRecord>) -> Marks {
    record.map(|record| Marks { paused: record.paused, draining: record.draining }).unwrap_or_default()
}

/// A drain with something in flight goes on; one without has done what it is there for.
fn tone(marks: Marks, in_flight: u64) -> Tone {
    match (marks.paused, marks.draining, in_flight) {
        (false, false, _) => Tone::Good,
        (false, true, 1..) => Tone::Busy,
        (..) => Tone::Odd,
    }
}

#[cfg(test)]
mod tests {
    use oneiric_runtime::activity::InFlight;
    use oneiric_runtime::json::Activities;

    use super::*;
    use crate::output::tests::printed;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn before(seconds: i64) -> Timestamp {
        Timestamp::from_micros(NOW.as_micros() - seconds * 1_000_000)
    }

    fn said(domain: Domain, key: &str, marks: (bool, bool), note: Option<&str>, ago: i64) -> ActivityRecord {
        let (paused, draining) = marks;
        let note = note.map(str::to_owned);
        let key = key.parse().unwrap();
        ActivityRecord { domain, key, paused, draining, note, at: before(ago) }
    }

    fn busy(pid: u32, flights: &[(Domain, &str, u64)]) -> Busy {
        let flights = flights.iter().map(|(domain, key, count)| InFlight {
            domain: domain.clone(),
            key: key.parse().unwrap(),
            count: *count,
        });
        Busy::new(pid, before(4000), flights.collect())
    }

    fn sample() -> (Vec<ActivityRecord>, Vec<Busy>) {
        let why = "the bank is closed until Monday, see https://status.bank.example/incidents/2026-01-31-maintenance";
        let records = vec![
            said(Domain::ADAPTER, "cache", (false, false), Some("warm it up first"), 90_000),
            said(
                Domain::TASK,
                "fastblocks.tasks.stage-order.of-the-warehouse",
                (true, false),
                Some(why),
                190,
            ),
            said(Domain::TASK, "shop.charge", (false, true), None, 3),
            said(Domain::WORKFLOW, "shop.checkout", (true, true), None, 0),
        ];
        let processes = vec![
            busy(4711, &[(Domain::TASK, "shop.charge", 2), (Domain::WORKFLOW, "shop.checkout", 1)]),
            busy(4712, &[(Domain::TASK, "shop.charge", 1), (Domain::TASK, "shop.wait", 1)]),
        ];
        (records, processes)
    }

    #[test]
    fn what_components_take_fits_the_terminal() {
        let (records, processes) = sample();
        let shown = |width| {
            printed(width, |screen| print(screen, &records, &processes, Path::new(".oneiric_cache"), NOW))
        };
        insta::assert_snapshot!("activity_80", shown(80));
        insta::assert_snapshot!("activity_100", shown(100));
        let nothing = printed(80, |screen| print(screen, &[], &[], Path::new("state"), NOW));
        insta::assert_snapshot!("activity_none", nothing);
    }

    #[test]
    fn programs_read_the_shape_of_the_python_project_and_more() {
        let (records, processes) = sample();
        insta::assert_json_snapshot!("activity_json", Activities::new(&records, processes));
    }
}

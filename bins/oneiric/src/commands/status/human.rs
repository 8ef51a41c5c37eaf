//! How components stand, for people.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::path::Path;

use oneiric_core::Timestamp;
use oneiric_core::lifecycle::Condition;
use oneiric_runtime::activity::Marks;
use oneiric_runtime::{ComponentStatus, InstanceState};

use super::{Row, Standing};
use crate::commands::life;
use crate::output::Screen;
use crate::output::palette::Tone;
use crate::output::table::{Cell, Column, Room, Table, plain};
use crate::output::text::count;
use crate::peers;

/// Prints processes, a row per key and process, and a line of sums.
pub(super) fn print(
    screen: &mut Screen,
    standing: &Standing,
    shadowed: bool,
    state_dir: &Path,
    now: Timestamp,
) -> io::Result<()> {
    peers::headline(screen, &standing.processes, state_dir, now)?;
    if standing.rows.is_empty() {
        return writeln!(screen, "(none)");
    }
    // One process needs no column for it.
    let several = standing.processes.len() > 1;
    let mut table = Table::new([
        Column::new("domain", Room::Whole),
        Column::new("key", Room::Middle),
        Column::new("provider", Room::Middle),
        Column::new("instance", Room::Whole),
        Column::right("process"),
        Column::right("hides"),
        Column::new("from", Room::Middle),
    ]);
    // What a live process serves matters more, and what is the same of all tells nothing.
    let mut sources = standing.rows.iter().map(|row| &row.component.source);
    let first = sources.next();
    let differ = standing.processes.is_empty() && sources.any(|other| Some(other) != first);
    for row in &standing.rows {
        let has = &row.component;
        let pid = row.pid.filter(|_| several);
        table.row([
            (has.domain.name().to_owned(), Tone::Faint),
            (has.key.to_string(), Tone::Strong),
            plain(provider(has)),
            instance(has),
            plain(pid.map(|pid| pid.to_string()).unwrap_or_default()),
            plain(if has.shadowed > 0 { has.shadowed.to_string() } else { String::new() }),
            (if differ { source(has) } else { String::new() }, Tone::Faint),
        ]);
        if let Some(record) = standing.said_of(row) {
            let note = record.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
            let marks = Marks { paused: record.paused, draining: record.draining };
            let tone = if marks.accepts() { Tone::Faint } else { Tone::Odd };
            life::note(&mut table, &format!("{marks}{note}"), tone, screen.width);
        }
        notes(&mut table, row, shadowed, screen.width);
    }
    table.print(screen)?;
    let names: BTreeSet<_> =
        standing.rows.iter().map(|row| (&row.component.domain, &row.component.key)).collect();
    let ready = standing.rows.iter().filter(|row| row.component.instance_state == InstanceState::Ready);
    let (names, ready) = (count(names.len(), "component"), count(ready.count(), "instance"));
    let among = if several { format!(" in {} processes", standing.processes.len()) } else { String::new() };
    let mut sums = vec![format!("{names}{among}, {ready} ready")];
    sums.extend(life::changes(&standing.swap()));
    for line in sums {
        writeln!(screen, "{}", screen.palette.paint(Tone::Faint, &line))?;
    }
    Ok(())
}

/// Who serves; who would, where nobody does.
fn provider(has: &ComponentStatus) -> String {
    let serving = has.lifecycle.as_ref().and_then(|status| status.current_provider.as_ref());
    let provider = serving.or(has.provider.as_ref()).or(has.configured_provider.as_ref());
    provider.map(ToString::to_string).unwrap_or_default()
}

fn source(has: &ComponentStatus) -> String {
    has.source.clone().unwrap_or_default()
}

fn instance(has: &ComponentStatus) -> Cell {
    let Some(status) = &has.lifecycle else { return ("absent".to_owned(), Tone::Faint) };
    let tone = match status.state {
        Condition::Ready => Tone::Good,
        Condition::Activating => Tone::Busy,
        Condition::Failed => Tone::Bad,
        Condition::Unknown => Tone::Faint,
    };
    (life::word(status).to_owned(), tone)
}

fn notes<const N: usize>(table: &mut Table<N>, row: &Row, shadowed: bool, width: usize) {
    let has = &row.component;
    if let Some(message) = &has.message {
        life::note(table, message, Tone::Odd, width);
    }
    let serving = has.lifecycle.as_ref().and_then(|status| status.current_provider.as_ref());
    if let (Some(serving), Some(best)) = (serving, &has.provider)
        && serving != best
    {
        let text = format!("`{best}` is first now; `oneiric swap` brings it into service");
        life::note(table, &text, Tone::Odd, width);
    }
    if let Some(error) = has.lifecycle.as_ref().and_then(|status| status.last_error.as_ref()) {
        life::note(table, error, Tone::Bad, width);
    }
    if shadowed {
        for hidden in &has.shadowed_details {
            let (priority, stack) = (hidden.priority, hidden.stack_level);
            let text = format!(
                "hides {} (priority={priority} stack={stack} source={})",
                hidden.provider, hidden.source
            );
            table.note(text, Tone::Faint);
        }
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::Domain;
    use oneiric_core::lifecycle::Status;
    use oneiric_runtime::Answered;
    use oneiric_store::ActivityRecord;
    use serde_json::{Map, json};

    use super::*;
    use crate::output::tests::printed;
    use crate::peers::Process;

    fn status(state: &str, current: Option<&str>, error: Option<&str>) -> Status {
        let text = json!({
            "domain": "task", "key": "k", "state": state, "current_provider": current, "last_error": error,
            "pending_provider": null, "last_state_change_at": null, "last_activated_at": null,
            "last_health_at": null, "last_swap_duration_ms": 2.0, "recent_swap_durations_ms": [1.0, 2.0],
            "successful_swaps": 2, "failed_swaps": u8::from(error.is_some()),
        });
        serde_json::from_value(text).unwrap()
    }

    fn row(pid: u32, domain: &str, key: &str, lifecycle: Option<Status>) -> Row {
        let component = ComponentStatus {
            domain: domain.parse().unwrap(),
            key: key.parse().unwrap(),
            configured_provider: None,
            shadowed: 1,
            state: Answered::Active,
            provider: Some("shop-of-the-week".parse().unwrap()),
            source: Some("local_manifest".to_owned()),
            priority: Some(0),
            stack_level: Some(0),
            factory: Some("builtin:noop".to_owned()),
            metadata: Map::new(),
            selection_applied: false,
            instance_state: match &lifecycle {
                Some(status) if status.current_provider.is_some() => InstanceState::Ready,
                _ => InstanceState::Absent,
            },
            lifecycle,
            shadowed_details: Vec::new(),
            message: None,
        };
        Row { pid: Some(pid), component }
    }

    #[test]
    fn a_status_fits_the_terminal() {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let since = |seconds: i64| Timestamp::from_micros(now.as_micros() - seconds * 1_000_000);
        let failed =
            "adapter `queue.scheduler` of `nats`: health check failed: the server at nats:4222 refused";
        let standing = Standing {
            processes: vec![Process::new(4711, since(4000)), Process::new(4712, since(3))],
            rows: vec![
                row(4711, "adapter", "queue.scheduler", Some(status("failed", Some("memory"), Some(failed)))),
                row(4712, "adapter", "queue.scheduler", None),
                row(
                    4711,
                    "task",
                    "fastblocks.tasks.stage-order.of-the-warehouse",
                    Some(status("ready", Some("shop-of-the-week"), None)),
                ),
                row(4712, "task", "fastblocks.tasks.notify", Some(status("activating", None, None))),
            ],
            said: vec![ActivityRecord {
                paused: true,
                note: Some("the mail server moves".to_owned()),
                ..ActivityRecord::accepting(
                    Domain::TASK,
                    "fastblocks.tasks.notify".parse().unwrap(),
                    Timestamp::from_micros(0),
                )
            }],
        };
        let shown = |width| {
            printed(width, |screen| print(screen, &standing, false, Path::new(".oneiric_cache"), now))
        };
        insta::assert_snapshot!("status_80", shown(80));
        insta::assert_snapshot!("status_100", shown(100));
        let nothing = Standing { processes: Vec::new(), rows: Vec::new(), said: Vec::new() };
        let shown = printed(80, |screen| print(screen, &nothing, false, Path::new("state"), now));
        insta::assert_snapshot!("status_none", shown);
    }
}

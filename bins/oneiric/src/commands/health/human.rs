//! The health of components, for people.

use std::io::{self, Write as _};
use std::path::Path;

use oneiric_core::Timestamp;
use oneiric_core::lifecycle::Condition;
use serde_json::Value;

use super::{Health, Row, Watchers};
use crate::commands::life;
use crate::output::palette::Tone;
use crate::output::table::{Cell, Column, Room, Table, plain};
use crate::output::text::{clean, count, cut};
use crate::output::{Screen, time};
use crate::peers;

/// Prints a row per component and process, and a line of sums.
pub(super) fn print(
    screen: &mut Screen,
    health: &Health,
    asked: bool,
    state_dir: &Path,
    now: Timestamp,
) -> io::Result<()> {
    headline(screen, health, state_dir, now)?;
    for Watchers { pid, reloads, .. } in &health.watchers {
        if let Some(wrong) = &reloads.last_error {
            let since = time::ago(wrong.since, now);
            let text = format!("process {pid} keeps to what it had: {} ({since})", wrong.message);
            writeln!(screen, "{}", screen.palette.paint(Tone::Bad, &clean(&text)))?;
        }
    }
    whole(screen, health)?;
    if health.processes.is_empty() && !health.tried {
        return writeln!(screen, "`oneiric health --probe` starts components here and asks them");
    }
    if health.rows.is_empty() {
        let why =
            if health.tried { "no manifest names any component" } else { "nobody asked for a component yet" };
        return writeln!(screen, "(none: {why})");
    }
    let several = health.processes.len() > 1;
    let mut table = Table::new([
        Column::new("domain", Room::Whole),
        Column::new("key", Room::Middle),
        Column::new("provider", Room::Middle),
        Column::new("instance", Room::Whole),
        Column::new("probe", Room::Whole),
        Column::right("process"),
        Column::new("healthy", Room::Whole),
    ]);
    for row in &health.rows {
        let status = &row.probed.status;
        let provider = status.current_provider.as_ref().or(status.pinned.as_ref()).or(row.offered.as_ref());
        let pid = row.pid.filter(|_| several).map(|pid| pid.to_string());
        let seen = status.last_health_at.filter(|_| !health.tried).map(|at| time::ago(at, now));
        table.row([
            (status.domain.name().to_owned(), Tone::Faint),
            (status.key.to_string(), Tone::Strong),
            plain(provider.map(ToString::to_string).unwrap_or_default()),
            instance(row),
            probe(row, asked),
            plain(pid.unwrap_or_default()),
            (seen.unwrap_or_default(), Tone::Faint),
        ]);
        // The answer of the probe is often the error of the last change.
        let errors = [row.probed.probe_error.as_ref(), status.last_error.as_ref()];
        let mut errors: Vec<_> = errors.into_iter().flatten().collect();
        errors.dedup();
        for error in errors {
            life::note(&mut table, error, Tone::Bad, screen.width);
        }
    }
    table.print(screen)?;
    let bad = health.rows.iter().filter(|row| row.probed.probe_result == Some(false)).count();
    let mut sums = vec![count(health.rows.len(), "component")];
    if asked {
        sums.push(if bad == 0 { "all healthy".to_owned() } else { format!("{bad} unhealthy") });
    }
    let mut lines = vec![sums.join(", ")];
    lines.extend(life::changes(&health.summary).filter(|_| !health.tried));
    for line in lines {
        writeln!(screen, "{}", screen.palette.paint(Tone::Faint, &line))?;
    }
    Ok(())
}

fn headline(screen: &mut Screen, health: &Health, state_dir: &Path, now: Timestamp) -> io::Result<()> {
    if !health.processes.is_empty() {
        return peers::headline(screen, &health.processes, state_dir, now);
    }
    let tried = if health.tried { "; started here, asked and stopped again" } else { "" };
    let text = format!("no live process in {}{tried}", clean(&state_dir.display().to_string()));
    writeln!(screen, "{}", screen.palette.paint(Tone::Faint, &crate::output::text::cut(&text, screen.width)))
}

/// How the process is, in a word, and why not better; what the last one left, where none lives.
fn whole(screen: &mut Screen, health: &Health) -> io::Result<()> {
    if let Some(age) = &health.age {
        let text = age.to_string();
        return writeln!(screen, "{}", screen.palette.paint(Tone::Faint, &cut(&text, screen.width)));
    }
    let Some(report) = &health.report else { return Ok(()) };
    let word = |name: &str| report.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
    let status = word("status");
    let tone = match &*status {
        "ok" => Tone::Good,
        "degraded" => Tone::Busy,
        _ => Tone::Bad,
    };
    writeln!(screen, "{}, {}", screen.palette.paint(tone, &status), word("phase"))?;
    let reasons = report.pointer("/degraded/reasons").and_then(Value::as_array);
    for reason in reasons.into_iter().flatten() {
        let of = |name: &str| reason.get(name).and_then(Value::as_str).unwrap_or_default();
        let text = clean(&format!("  {}: {}", of("component"), of("reason")));
        writeln!(screen, "{}", screen.palette.paint(Tone::Bad, &cut(&text, screen.width)))?;
    }
    Ok(())
}

fn instance(row: &Row) -> Cell {
    let tone = match row.probed.status.state {
        Condition::Ready => Tone::Good,
        Condition::Activating => Tone::Busy,
        Condition::Failed => Tone::Bad,
        Condition::Unknown => Tone::Faint,
    };
    (life::word(&row.probed.status).to_owned(), tone)
}

fn probe(row: &Row, asked: bool) -> Cell {
    match row.probed.probe_result {
        Some(true) => ("healthy".to_owned(), Tone::Good),
        Some(false) => ("unhealthy".to_owned(), Tone::Bad),
        None if asked => ("-".to_owned(), Tone::Faint),
        None => plain(""),
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::lifecycle::Summary;
    use oneiric_runtime::control::Probed;
    use serde_json::json;

    use super::*;
    use crate::exit::Code;
    use crate::peers::Process;

    fn probed(key: &str, result: Option<bool>, error: Option<&str>) -> Probed {
        let text = json!({
            "domain": "adapter", "key": key, "state": if result.is_some() { "ready" } else { "failed" },
            "current_provider": result.map(|_| "cloudtasks"), "pending_provider": null,
            "last_error": result.is_none().then_some("adapter `x` of `y`: start failed: no such host"),
            "last_state_change_at": null, "last_activated_at": null,
            "last_health_at": 1_700_000_000_000_000_i64, "last_swap_duration_ms": null,
            "recent_swap_durations_ms": [], "successful_swaps": 0, "failed_swaps": 0,
            "probe_result": result, "probe_error": error,
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn health_fits_the_terminal() {
        let now = Timestamp::from_micros(1_700_000_012_000_000);
        let mut health = Health {
            processes: Vec::new(),
            rows: Vec::new(),
            liveness: None,
            watchers: Vec::new(),
            summary: Summary::default(),
            runtime: None,
            report: None,
            age: None,
            tried: false,
        };
        let shown = |health: &Health, asked, width| {
            crate::output::tests::printed(width, |screen| {
                print(screen, health, asked, Path::new(".oneiric_cache"), now)
            })
        };
        insta::assert_snapshot!("health_none", shown(&health, false, 80));
        health.processes = vec![Process::new(4711, now)];
        insta::assert_snapshot!("health_nobody_asked", shown(&health, true, 80));
        let refused = "the server at https://tasks.example.com/projects/shop/queues/orders refused: 503";
        health.rows = [
            probed("notifications.fastblocks-slack", Some(true), None),
            probed("queue.scheduler", Some(false), Some(refused)),
            probed("file_transfer.https_upload", None, None),
        ]
        .map(|probed| Row { pid: Some(4711), offered: None, probed, code: Code::Ok })
        .into();
        insta::assert_snapshot!("health_80", shown(&health, true, 80));
        insta::assert_snapshot!("health_100", shown(&health, true, 100));
    }
}

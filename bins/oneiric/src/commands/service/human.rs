//! How services stand, for people.

use std::io::{self, Write as _};

use oneiric_core::Timestamp;
use oneiric_runtime::service::{Health, State, Status};

use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::clean;
use crate::output::{Screen, time};

/// A row for each.
pub(super) fn table(screen: &mut Screen, services: &[Status], now: Timestamp) -> io::Result<()> {
    if services.is_empty() {
        return writeln!(screen, "(none)");
    }
    let mut table = Table::new([
        Column::new("service", Room::Middle),
        Column::new("provider", Room::Middle),
        Column::new("state", Room::Whole),
        Column::new("since", Room::Whole),
        Column::new("critical", Room::Whole),
        Column::right("restarts"),
        Column::new("needs", Room::End),
    ]);
    for status in services {
        let needs: Vec<_> = status.dependencies.iter().map(|key| key.as_str()).collect();
        let started = status.state != State::Registered;
        table.row([
            (status.name.to_string(), Tone::Strong),
            plain(status.provider.to_string()),
            (word(status).to_owned(), tone(status)),
            (if started { time::ago(status.since, now) } else { String::new() }, Tone::Faint),
            plain(if status.critical { "yes" } else { "no" }),
            plain(if status.restarts > 0 { status.restarts.to_string() } else { String::new() }),
            (needs.join(", "), Tone::Faint),
        ]);
        if let Some(detail) = &status.detail {
            table.note(clean(detail), Tone::Faint);
        }
        if let Some(error) = &status.error {
            table.note(clean(error), Tone::Bad);
        }
    }
    table.print(screen)
}

/// What is told of a state: also that a service which runs is not well.
fn word(status: &Status) -> &'static str {
    match (status.state, status.status) {
        (State::Running, Health::Degraded) => "degraded",
        (state, _) => state.name(),
    }
}

fn tone(status: &Status) -> Tone {
    match status.state {
        State::Running if status.status == Health::Degraded => Tone::Odd,
        State::Running => Tone::Good,
        State::Starting | State::Stopping | State::Draining => Tone::Busy,
        State::Paused | State::Backoff => Tone::Odd,
        State::Failed => Tone::Bad,
        State::Registered | State::Stopped => Tone::Faint,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::printed;

    fn status(name: &str, state: State) -> Status {
        Status {
            name: name.parse().unwrap(),
            provider: "shop".parse().unwrap(),
            status: if state == State::Running { Health::Ok } else { Health::Down },
            healthy: state == State::Running,
            critical: true,
            state,
            startup_order: 0,
            dependencies: Vec::new(),
            restarts: 0,
            since: Timestamp::from_micros(1_700_000_000_000_000),
            last_check: None,
            latency_ms: None,
            detail: None,
            error: None,
            figures: None,
        }
    }

    #[test]
    fn services_fit_the_terminal() {
        let now = Timestamp::from_micros(1_700_000_190_000_000);
        let services = [
            Status {
                status: Health::Degraded,
                error: Some("its ready probe fails: refused".to_owned()),
                ..status("gateway", State::Running)
            },
            Status {
                dependencies: vec!["gateway".parse().unwrap(), "memory-replicator".parse().unwrap()],
                restarts: 3,
                detail: Some("waits 4s before restart 3 of 5".to_owned()),
                error: Some("panicked: a panic".to_owned()),
                ..status("memory.replication.of.a.rather.long.name", State::Backoff)
            },
            Status { critical: false, ..status("fasta2a-gateway", State::Registered) },
        ];
        let print = |screen: &mut Screen| table(screen, &services, now);
        insta::assert_snapshot!("services_80", printed(80, print));
        insta::assert_snapshot!("services_100", printed(100, print));
    }
}

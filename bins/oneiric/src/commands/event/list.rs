//! `event list`: the newest events, with what became of them.

use std::io::{self, Write as _};

use oneiric_core::Timestamp;
use oneiric_runtime::{EventQuery, Logged, json, list_events};
use oneiric_store::{DeliveryRecord, DeliveryStatus};
use serde::Serialize;

use super::find;
use crate::args::EventListArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::clean;
use crate::output::{Screen, time};
use crate::session::{self, Session};
use crate::wait::wait;

/// `{"events":[...]}`, the newest first.
#[derive(Serialize)]
struct Listing {
    events: Vec<Line>,
}

/// One event.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    event: json::EventLine,
    #[serde(skip)]
    seen: (Timestamp, String, Tone),
}

/// Lists them; none where there is no state.
pub(in crate::commands) fn list(session: &mut Session, args: EventListArgs) -> Result<Code, Failure> {
    let now = session::now();
    let mut events = Vec::new();
    if let Some(store) = session.store()? {
        let handler = args.handler.map(|text| find::handler(&store, &text, &[])).transpose()?;
        let query = EventQuery {
            topics: args.topics,
            since: args.since.map(|when| when.seen_from(now)),
            until: args.until.map(|when| when.seen_from(now)),
            handler,
            statuses: args.statuses,
            before: args.before,
            limit: args.limit as usize,
        };
        events = wait(list_events(&store, &query))?.iter().map(Line::of).collect();
    }
    let listing = Listing { events };
    session.screen.emit(&listing, |screen| print(screen, &listing.events, now))?;
    Ok(Code::Ok)
}

impl Line {
    fn of(logged: &Logged) -> Self {
        let (summary, tone) = summary(&logged.deliveries);
        Self { event: json::EventLine::of(logged), seen: (logged.event.accepted_at, summary, tone) }
    }
}

/// `1 dead, 2 done`: what asks for a look first.
fn summary(deliveries: &[DeliveryRecord]) -> (String, Tone) {
    use DeliveryStatus::{Dead, Done, Expired, Held, Pending, Running, Skipped};
    let words: Vec<_> = [Dead, Running, Pending, Held, Expired, Done, Skipped]
        .into_iter()
        .map(|status| (deliveries.iter().filter(|delivery| delivery.state.status == status).count(), status))
        .filter(|(count, _)| *count > 0)
        .collect();
    let tone = words.first().map_or(Tone::Faint, |(_, status)| tone(*status));
    let words: Vec<_> = words.into_iter().map(|(count, status)| format!("{count} {status}")).collect();
    (if words.is_empty() { "for nobody".to_owned() } else { words.join(", ") }, tone)
}

/// The tone of a status.
pub(super) const fn tone(status: DeliveryStatus) -> Tone {
    match status {
        DeliveryStatus::Done => Tone::Good,
        DeliveryStatus::Dead => Tone::Bad,
        DeliveryStatus::Running => Tone::Busy,
        DeliveryStatus::Held | DeliveryStatus::Pending | DeliveryStatus::Expired => Tone::Odd,
        DeliveryStatus::Skipped => Tone::Faint,
    }
}

fn print(screen: &mut Screen, lines: &[Line], now: Timestamp) -> io::Result<()> {
    if lines.is_empty() {
        return writeln!(screen, "(none)");
    }
    let mut table = Table::new([
        Column::right("place"),
        Column::new("event", Room::Middle),
        Column::new("topic", Room::Middle),
        Column::new("accepted", Room::Whole),
        Column::new("deliveries", Room::End),
    ]);
    for line in lines {
        let (accepted_at, summary, tone) = &line.seen;
        table.row([
            plain(format!("#{}", line.event.n)),
            (clean(&line.event.event_id), Tone::Strong),
            plain(clean(&line.event.topic)),
            (time::ago(*accepted_at, now), Tone::Faint),
            (summary.clone(), *tone),
        ]);
    }
    table.print(screen)
}

#[cfg(test)]
mod tests {
    use oneiric_core::Payload;
    use oneiric_core::roles::{Envelope, Priority};
    use oneiric_store::{ChainMode, DeliveryState, EnvelopeRecord};

    use super::*;
    use crate::output::tests::printed;

    fn line(n: u64, id: &str, topic: &str, age: i64, statuses: &[DeliveryStatus]) -> Line {
        let at = Timestamp::from_micros(1_700_000_000_000_000 - age * 1_000_000);
        let envelope = Envelope::new(topic.parse().unwrap(), Payload::NULL);
        let event = EnvelopeRecord { n, ..EnvelopeRecord::new(id.parse().unwrap(), envelope, at) };
        let of = |status: &DeliveryStatus| DeliveryRecord {
            event: event.id.clone(),
            handler: "h".to_owned(),
            priority: Priority::Normal,
            chain: ChainMode::Ordered,
            behind: Vec::new(),
            state: DeliveryState { status: *status, ..DeliveryState::due(at) },
        };
        let deliveries = statuses.iter().map(of).collect();
        Line::of(&Logged { event, deliveries })
    }

    #[test]
    fn a_list_fits_the_terminal() {
        use DeliveryStatus::{Dead, Done, Held, Pending, Skipped};
        let lines = [
            line(
                412,
                "019aa9d0-2a3b-7c4d-8e5f-001122334455",
                "fastblocks.order.created",
                3,
                &[Done, Dead, Done],
            ),
            line(411, "order-7", "order.paid", 400, &[Pending, Held, Done]),
            line(9, "order-6", "order.paid", 90_000, &[Done, Skipped]),
            line(8, "order-5", "order.cancelled", 900_000, &[]),
        ];
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        insta::assert_snapshot!("list_80", printed(80, |screen| print(screen, &lines, now)));
        insta::assert_snapshot!("list_100", printed(100, |screen| print(screen, &lines, now)));
    }
}

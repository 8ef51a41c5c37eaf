//! `event show`: an event, and where its deliveries stand.

use std::io::{self, Write as _};

use oneiric_core::Timestamp;
use oneiric_core::roles::{Envelope, Priority};
use oneiric_core::settings::masked;
use oneiric_runtime::Outcome;
use oneiric_runtime::json::EventShown;
use oneiric_store::{ActivityRecord, BootSeen, DeliveryFilter, DeliveryRecord, EnvelopeRecord, Store as _};
use serde_json::Value;

use super::find;
use super::list::tone;
use crate::args::EventShowArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::{clean, cut, duration};
use crate::output::{Screen, time};
use crate::session::{self, Session};
use crate::wait::wait;

/// What the store says beside the event.
struct Known {
    deliveries: Vec<DeliveryRecord>,
    boots: Vec<BootSeen>,
    activities: Vec<ActivityRecord>,
    now: Timestamp,
}

/// Shows it.
pub(in crate::commands) fn show(session: &mut Session, args: &EventShowArgs) -> Result<Code, Failure> {
    let store = session.store()?;
    let event = find::event(session::reading(store.as_ref()), &args.event)?;
    let store = store.expect("an event was found in it");
    let rows = wait(store.deliveries(DeliveryFilter::of(event.id.clone())))?;
    let known = Known {
        deliveries: rows.into_iter().map(|(_, delivery)| delivery).collect(),
        boots: wait(store.boots())?,
        activities: wait(store.activities())?,
        now: session::now(),
    };
    let report = report(&event, &known, |rest| session.command(rest));
    session.screen.emit(&report, |screen| print(screen, &report, &event, &known))?;
    Ok(Code::Ok)
}

fn report<'a>(
    event: &'a EnvelopeRecord,
    known: &'a Known,
    command: impl Fn(&str) -> String,
) -> EventShown<'a> {
    let Known { deliveries, boots, activities, now } = known;
    let mut shown = EventShown::new(event, deliveries, boots, activities, *now, command);
    for waits in shown.deliveries.iter_mut().filter_map(|delivery| delivery.waits.as_mut()) {
        waits.text = clean(&waits.text);
    }
    shown
}

fn print(
    screen: &mut Screen,
    report: &EventShown<'_>,
    event: &EnvelopeRecord,
    known: &Known,
) -> io::Result<()> {
    let now = known.now;
    head(screen, event, now)?;
    writeln!(screen)?;
    if report.deliveries.is_empty() {
        return writeln!(screen, "  (for nobody)");
    }
    let mut table = Table::new([
        Column::new("handler", Room::Middle),
        Column::new("status", Room::Whole),
        Column::right("tries"),
        Column::right("took"),
        Column::new("since", Room::Whole),
        Column::new("", Room::End),
    ]);
    for (line, record) in report.deliveries.iter().zip(&known.deliveries) {
        let state = &record.state;
        let tried = state.attempts > 0;
        let dash = || "-".to_owned();
        table.row([
            (clean(&record.handler), Tone::Strong),
            (state.status.to_string(), tone(state.status)),
            plain(if tried { state.attempts.to_string() } else { dash() }),
            plain(if tried { duration(std::time::Duration::from_micros(state.took_us)) } else { dash() }),
            (time::ago(state.at, now), Tone::Faint),
            plain(said(record)),
        ]);
        if state.deaths > 0 {
            table.note(format!("its process died {} over it", times(state.deaths)), Tone::Bad);
        }
        if let Some(waits) = &line.waits {
            let until = waits.at.map(|at| match at.since(now) {
                left if left.is_zero() => ", due now".to_owned(),
                left => format!(", due in {}", duration(left)),
            });
            table.note(format!("{}{}", waits.text, until.unwrap_or_default()), Tone::Odd);
        }
    }
    table.print(screen)?;
    let mut commands: Vec<&String> =
        report.deliveries.iter().filter_map(|line| line.waits.as_ref()?.command.as_ref()).collect();
    commands.dedup();
    for command in commands {
        // Not cut: it is there to be copied.
        writeln!(screen, "  {} {command}", screen.palette.paint(Tone::Busy, "next:"))?;
    }
    Ok(())
}

fn times(count: u32) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// What the handler returned, or why it did not.
fn said(delivery: &DeliveryRecord) -> String {
    if !delivery.state.status.is_over() {
        return String::new();
    }
    match Outcome::of(delivery).result {
        Ok(value) if value.is_null() => String::new(),
        Ok(value) => clean(&masked(value.value()).to_string()),
        Err(fault) => clean(&fault.message),
    }
}

fn head(screen: &mut Screen, event: &EnvelopeRecord, now: Timestamp) -> io::Result<()> {
    let Envelope { topic, payload, headers, priority, routing_key, tags, expires_at, delivery } =
        &event.envelope;
    let accepted = format!("{} ({})", time::local(event.accepted_at), time::ago(event.accepted_at, now));
    let mut lines = vec![
        ("event", event.id.to_string()),
        ("topic", topic.to_string()),
        ("accepted", format!("{accepted}, #{} of the log", event.n)),
    ];
    if *priority != Priority::Normal {
        lines.push(("priority", priority.name().to_owned()));
    }
    if let Some(key) = routing_key {
        lines.push(("for", key.clone()));
    }
    if !tags.is_empty() {
        lines.push(("tags", tags.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    if let Some(at) = expires_at {
        let gone = if event.envelope.has_expired(now) { " (it has)" } else { "" };
        lines.push(("expires", format!("{}{gone}", time::local(*at))));
    }
    if let Some(delivery) = delivery {
        lines.push(("promise", delivery.name().replace('_', " ")));
    }
    lines.push(("payload", masked(payload.value()).to_string()));
    for (name, value) in headers {
        if name == "event_id" {
            continue;
        }
        let value = masked(&Value::Object([(name.clone(), value.clone())].into_iter().collect()));
        let value = match &value[name] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        lines.push(("header", format!("{name}: {value}")));
    }
    for (name, text) in lines {
        let name = screen.palette.paint(Tone::Faint, &format!("{name:<8}"));
        writeln!(screen, "  {name} {}", cut(&clean(&text), screen.width.saturating_sub(11)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use oneiric_core::Fault;
    use oneiric_core::Payload;
    use oneiric_store::{ChainMode, DeliveryState, DeliveryStatus};
    use serde_json::json;

    use super::*;
    use crate::output::tests::printed;

    #[test]
    fn an_event_is_read_by_people_and_programs() {
        let at = |second: i64| Timestamp::from_micros((1_700_000_000 + second) * 1_000_000);
        let mut envelope =
            Envelope::new("order.paid".parse().unwrap(), json!({"order": 7, "api_token": "x1"}))
                .with_header("event_id", "order-7")
                .with_header("source", "shop");
        envelope.priority = Priority::High;
        envelope.tags = ["vip".to_owned()].into();
        let event =
            EnvelopeRecord { n: 42, ..EnvelopeRecord::new("order-7".parse().unwrap(), envelope, at(0)) };
        let row = |handler: &str, status, behind: &[&str], state: DeliveryState| DeliveryRecord {
            event: event.id.clone(),
            handler: handler.to_owned(),
            priority: Priority::High,
            chain: ChainMode::Ordered,
            behind: behind.iter().map(|name| (*name).to_owned()).collect(),
            state: DeliveryState { status, ..state },
        };
        let due = DeliveryState::due(at(1));
        let tried = DeliveryState { attempts: 3, took_us: 214_000, ..due.clone() };
        let failed =
            DeliveryState { fault: Some(Fault::permanent("x", "no route to the bank")), ..tried.clone() };
        let retry = DeliveryState { due_at: at(160), deaths: 2, ..failed.clone() };
        let done = DeliveryState { value: Payload::from(json!({"sent": true})), ..tried };
        use DeliveryStatus::{Dead, Done, Held, Pending};
        let known = Known {
            deliveries: vec![
                row("shop.bank:wire", Dead, &[], failed),
                row("shop.crm:x", Pending, &["shop.erp:y"], retry),
                row("shop.erp:y", Held, &[], due.clone()),
                row("shop.mail:smtp", Done, &[], done),
                row("shop.print:lp", Pending, &[], due),
            ],
            boots: Vec::new(),
            activities: Vec::new(),
            now: at(100),
        };
        let report = report(&event, &known, |rest| format!("oneiric {rest}"));
        // In the zone of whoever runs the tests.
        insta::with_settings!({filters => vec![(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "[local time]")]}, {
            insta::assert_snapshot!("show_80", printed(80, |screen| print(screen, &report, &event, &known)));
            insta::assert_snapshot!("show_100", printed(100, |screen| print(screen, &report, &event, &known)));
        });
        insta::assert_snapshot!("show_json", serde_json::to_string_pretty(&report).unwrap());
    }
}

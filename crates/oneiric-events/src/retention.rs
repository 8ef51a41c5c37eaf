//! How long an accepted event is kept. Pure.

use std::time::Duration;

use oneiric_core::{Fault, Timestamp};
use oneiric_store::{DeliveryRecord, DeliveryStatus, EnvelopeRecord};

/// The code of the fault of a delivery whose handler nobody has known for longer than events are kept.
pub const UNKNOWN_HANDLER: &str = "unknown-handler";

/// What becomes of an event and its deliveries now.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// It is younger than events are kept: so are all that were accepted after it.
    Young,
    /// It stays: something of it is still to be done, or was done lately.
    Needed,
    /// It goes, with its deliveries.
    Old,
    /// These wait for a handler that nobody knows, and become dead letters.
    Unknown(Vec<DeliveryRecord>),
}

/// What becomes of an event. It goes once the last that happened to it lies `keep` back, and nothing of it is on
/// its way: so a dead letter can be seen for as long as an event. `is_known` says of a handler whether anybody
/// may still take events to it.
pub fn kept(
    event: &EnvelopeRecord,
    deliveries: &[DeliveryRecord],
    keep: Duration,
    now: Timestamp,
    is_known: impl Fn(&str) -> bool,
) -> Kept {
    let is_old = |at: Timestamp| at.after(keep) <= now;
    if !is_old(event.accepted_at) {
        return Kept::Young;
    }
    let lost = |delivery: &&DeliveryRecord| {
        let state = &delivery.state;
        let waits = state.status == DeliveryStatus::Pending && state.owner.is_none();
        waits && is_old(state.due_at) && !is_known(&delivery.handler)
    };
    let unknown: Vec<DeliveryRecord> = deliveries.iter().filter(lost).cloned().collect();
    if !unknown.is_empty() {
        return Kept::Unknown(unknown);
    }
    let is_done_with =
        |delivery: &DeliveryRecord| delivery.state.status.is_over() && is_old(delivery.state.at);
    if deliveries.iter().all(is_done_with) { Kept::Old } else { Kept::Needed }
}

/// Why a delivery becomes a dead letter whose handler nobody knows.
pub fn unknown_handler(handler: &str) -> Fault {
    let message = format!("no process has known the handler `{handler}` for as long as events are kept");
    Fault::permanent(UNKNOWN_HANDLER, message)
}

#[cfg(test)]
mod tests {
    use oneiric_core::BootId;
    use oneiric_core::roles::{Envelope, Priority};
    use oneiric_store::{ChainMode, DeliveryState};
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_event_goes_once_all_of_it_is_old_and_over() {
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000);
        let event = EnvelopeRecord::new(
            "e".parse().unwrap(),
            Envelope::new("t".parse().unwrap(), Value::Null),
            at(10),
        );
        let row = |handler: &str, status, second, owner: Option<u8>| DeliveryRecord {
            event: event.id.clone(),
            handler: handler.to_owned(),
            priority: Priority::Normal,
            chain: ChainMode::Ordered,
            behind: Vec::new(),
            state: DeliveryState {
                status,
                owner: owner.map(|n| BootId::from_bytes([n; 16])),
                ..DeliveryState::due(at(second))
            },
        };
        let known = |handler: &str| handler == "known";
        let check = |now, rows: &[DeliveryRecord], expected: Kept| {
            assert_eq!(kept(&event, rows, Duration::from_secs(100), at(now), known), expected, "{rows:?}");
        };
        use DeliveryStatus::{Dead, Done, Held, Pending, Running};
        check(109, &[], Kept::Young);
        check(110, &[], Kept::Old);
        check(110, &[row("a", Done, 10, None)], Kept::Old);
        check(110, &[row("a", Done, 10, None), row("b", Dead, 11, None)], Kept::Needed);
        check(111, &[row("a", Done, 10, None), row("b", Dead, 11, None)], Kept::Old);
        check(999, &[row("known", Pending, 10, None)], Kept::Needed);
        check(999, &[row("a", Pending, 10, Some(1))], Kept::Needed);
        check(999, &[row("a", Pending, 950, None)], Kept::Needed);
        check(999, &[row("a", Running, 10, None), row("b", Held, 10, None)], Kept::Needed);
        let lost = row("a", Pending, 10, None);
        check(999, &[lost.clone(), row("b", Held, 10, None)], Kept::Unknown(vec![lost]));
    }
}

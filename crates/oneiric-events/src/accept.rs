//! What an accepted event writes: itself, and a delivery for each handler that is promised one. Pure.

use std::sync::Arc;

use oneiric_core::roles::{DeliveryMode, Envelope};
use oneiric_core::{BootId, Timestamp};
use oneiric_store::{
    Batch, ChainMode, DeliveryRecord, DeliveryState, DeliveryStatus, EnvelopeRecord, Op, Require,
};

use crate::table::{Live, Mode, Route, Table};

/// What an accepted event writes, and what of it is seen to by whom.
#[derive(Debug)]
pub struct Acceptance {
    /// The event and its deliveries; refused where the event was accepted before.
    pub batch: Batch,
    /// The deliveries among them.
    pub deliveries: Vec<DeliveryRecord>,
}

/// Who gets an event through the store, and who only if the process lives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Split {
    pub(crate) stored: Route,
    pub(crate) passing: Route,
}

/// What is promised of an event to a handler: what the event says, else what the handler says. Nothing can be
/// promised to who fetches events: nobody else could see to it.
pub(crate) fn mode(envelope: &Envelope, live: &Live) -> DeliveryMode {
    if live.mode != Mode::Push {
        return DeliveryMode::FireAndForget;
    }
    envelope.delivery.unwrap_or(live.subscription.delivery)
}

/// Splits a route by what is promised. A chain is stored as a whole if one of its handlers asks for it: who
/// comes after whom could not be kept otherwise.
pub(crate) fn split(table: &Table, route: Route, envelope: &Envelope) -> Split {
    let is_stored = |place: &u32| mode(envelope, table.live(*place)) == DeliveryMode::AtLeastOnce;
    let mut split = Split::default();
    let (stored, passing) = route.alone.into_iter().partition(|place| is_stored(place));
    (split.stored.alone, split.passing.alone) = (stored, passing);
    let chains = [
        (route.ordered, &mut split.stored.ordered, &mut split.passing.ordered),
        (route.first_success, &mut split.stored.first_success, &mut split.passing.first_success),
    ];
    for (chain, stored, passing) in chains {
        let whole = if chain.iter().any(is_stored) { stored } else { passing };
        *whole = chain;
    }
    split
}

/// What an accepted event writes. `mine` says for each handler whether this process sees to its delivery, by
/// name; the others are free for whoever has room.
pub(crate) fn accept_stored(
    table: &Table,
    stored: &Route,
    record: EnvelopeRecord,
    now: Timestamp,
    mut mine: impl FnMut(&Arc<Live>) -> Option<BootId>,
) -> Acceptance {
    let mut deliveries = Vec::new();
    let mut put = |places: &[u32], chain: ChainMode| {
        let names: Vec<String> =
            places.iter().map(|place| table.live(*place).subscription.name.to_string()).collect();
        for (at, place) in places.iter().enumerate() {
            let mut state = DeliveryState::due(now);
            if at == 0 {
                state.owner = mine(table.live(*place));
            } else {
                state.status = DeliveryStatus::Held;
            }
            deliveries.push(DeliveryRecord {
                event: record.id.clone(),
                handler: names[at].clone(),
                priority: record.envelope.priority,
                chain,
                behind: names[at + 1..].to_vec(),
                state,
            });
        }
    };
    stored.alone.iter().for_each(|place| put(std::slice::from_ref(place), ChainMode::Ordered));
    put(&stored.ordered, ChainMode::Ordered);
    put(&stored.first_success, ChainMode::FirstSuccess);
    accept(record, deliveries)
}

/// What an accepted event with these deliveries writes.
pub fn accept(record: EnvelopeRecord, deliveries: Vec<DeliveryRecord>) -> Acceptance {
    let absent = Require::EventAbsent(record.id.clone());
    let puts = deliveries.iter().map(|delivery| Op::PutDelivery(Box::new(delivery.clone())));
    let batch = Batch::of([Op::PutEnvelope(Box::new(record))]).require(absent).and(Batch::of(puts));
    Acceptance { batch, deliveries }
}

//! Accepted events and their deliveries, in memory.

use std::collections::{BTreeMap, HashMap};

use oneiric_core::BootId;
use oneiric_core::roles::EventId;

use crate::batch::Refusal;
use crate::claim::{DeliveryClaim, Waiting};
use crate::record::delivery::{DeliveryRecord, DeliveryState, DeliveryStatus};
use crate::record::envelope::EnvelopeRecord;
use crate::store::{DeliveryFilter, EnvelopeFilter, Order};

/// The log of events, and who has to hear of them.
#[derive(Debug, Default)]
pub(super) struct Events {
    log: BTreeMap<u64, EnvelopeRecord>,
    places: HashMap<EventId, u64>,
    // By the event's place and the handler.
    deliveries: BTreeMap<(u64, String), DeliveryRecord>,
    /// The last place that was given.
    last: u64,
}

impl Events {
    pub(super) fn contains(&self, event: &EventId) -> bool {
        self.places.contains_key(event)
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        (self.log.len() as u64, self.deliveries.len() as u64)
    }

    pub(super) fn deliveries_in(&self, status: DeliveryStatus) -> u64 {
        self.deliveries.values().filter(|delivery| delivery.state.status == status).count() as u64
    }

    fn delivery_mut(&mut self, event: &EventId, handler: &str) -> Option<&mut DeliveryRecord> {
        let place = *self.places.get(event)?;
        self.deliveries.get_mut(&(place, handler.to_owned()))
    }

    /// Whether a delivery's fence stands at `held`.
    pub(super) fn check_epoch(&self, event: &EventId, handler: &str, held: u64) -> Result<(), Refusal> {
        let place = self.places.get(event);
        let found = place.and_then(|place| self.deliveries.get(&(*place, handler.to_owned())));
        let (event, handler) = (event.clone(), handler.to_owned());
        match found.map(|delivery| delivery.state.epoch) {
            None => Err(Refusal::DeliveryMissing { event, handler }),
            Some(found) if found == held => Ok(()),
            Some(found) => Err(Refusal::StaleDelivery { event, handler, held, found }),
        }
    }

    /// Whether an event is there, and no delivery of it to a handler.
    pub(super) fn check_absent(&self, event: &EventId, handler: &str) -> Result<(), Refusal> {
        let place = *self.places.get(event).ok_or_else(|| Refusal::EventMissing(event.clone()))?;
        let (event, handler) = (event.clone(), handler.to_owned());
        match self.deliveries.contains_key(&(place, handler.clone())) {
            true => Err(Refusal::DeliveryExists { event, handler }),
            false => Ok(()),
        }
    }

    /// Whether an event is there, and every delivery of it over.
    pub(super) fn check_settled(&self, event: &EventId) -> Result<(), Refusal> {
        let place = *self.places.get(event).ok_or_else(|| Refusal::EventMissing(event.clone()))?;
        let mut of_it = self.deliveries.range((place, String::new())..(place + 1, String::new()));
        match of_it.all(|(_, delivery)| delivery.state.status.is_over()) {
            true => Ok(()),
            false => Err(Refusal::EventOpen(event.clone())),
        }
    }

    pub(super) fn put(&mut self, mut record: EnvelopeRecord) {
        self.last += 1;
        record.n = self.last;
        self.places.insert(record.id.clone(), record.n);
        self.log.insert(record.n, record);
    }

    pub(super) fn put_delivery(&mut self, record: DeliveryRecord) {
        if let Some(place) = self.places.get(&record.event) {
            self.deliveries.entry((*place, record.handler.clone())).or_insert(record);
        }
    }

    pub(super) fn set_delivery(&mut self, event: &EventId, handler: &str, state: DeliveryState) {
        if let Some(delivery) = self.delivery_mut(event, handler) {
            let epoch = delivery.state.epoch;
            delivery.state = DeliveryState { epoch, ..state };
        }
    }

    pub(super) fn renew_delivery(&mut self, record: DeliveryRecord) {
        if let Some(delivery) = self.delivery_mut(&record.event, &record.handler) {
            let epoch = delivery.state.epoch + 1;
            *delivery = DeliveryRecord { state: DeliveryState { epoch, ..record.state }, ..record };
        }
    }

    pub(super) fn set_held_delivery(&mut self, event: &EventId, handler: &str, state: DeliveryState) {
        let held = |delivery: &mut DeliveryRecord| delivery.state.status == DeliveryStatus::Held;
        if self.delivery_mut(event, handler).is_some_and(held) {
            self.set_delivery(event, handler, state);
        }
    }

    pub(super) fn release(&mut self, event: &EventId, handler: &str) {
        if let Some(delivery) = self.delivery_mut(event, handler) {
            free(&mut delivery.state);
        }
    }

    pub(super) fn drop_envelope(&mut self, event: &EventId) {
        if let Some(place) = self.places.remove(event) {
            self.log.remove(&place);
            self.deliveries.retain(|(of, _), _| *of != place);
        }
    }

    /// How many deliveries a boot owns.
    pub(super) fn owned(&self, boot: BootId) -> u64 {
        self.deliveries.values().filter(|delivery| delivery.state.owner == Some(boot)).count() as u64
    }

    /// Frees what a boot owns and raises its fences. A try whose beginning is on record ended with the boot.
    pub(super) fn disown(&mut self, boot: BootId, deaths: u32) {
        let owned = self.deliveries.values_mut().map(|delivery| &mut delivery.state);
        for state in owned.filter(|state| state.owner == Some(boot)) {
            if state.status == DeliveryStatus::Running {
                state.deaths += deaths;
            }
            free(state);
        }
    }

    /// Every delivery that is not over, or that is owned although it is.
    pub(super) fn unsettled(&self) -> impl Iterator<Item = &DeliveryRecord> {
        self.deliveries
            .values()
            .filter(|delivery| !delivery.state.status.is_over() || delivery.state.owner.is_some())
    }

    /// Whether somebody in front of a delivery will release it.
    pub(super) fn is_behind_somebody(&self, held: &DeliveryRecord) -> bool {
        let Some(place) = self.places.get(&held.event) else { return false };
        let of_event = self.deliveries.range((*place, String::new())..(*place + 1, String::new()));
        of_event.map(|(_, delivery)| delivery).any(|front| {
            let goes = matches!(front.state.status, DeliveryStatus::Pending | DeliveryStatus::Running);
            goes && front.behind.contains(&held.handler)
        })
    }

    pub(super) fn claim(&mut self, claim: &DeliveryClaim) -> Vec<(EnvelopeRecord, DeliveryRecord)> {
        let mut taken = Vec::new();
        for (handler, limit) in &claim.wanted {
            let mut free: Vec<_> = self
                .deliveries
                .iter_mut()
                .filter(|((_, of), delivery)| of == handler && is_free(&delivery.state))
                .filter(|(_, delivery)| delivery.state.due_at <= claim.now)
                .collect();
            free.sort_by_key(|((place, _), delivery)| {
                (std::cmp::Reverse(delivery.priority), delivery.state.due_at, *place)
            });
            for ((place, _), delivery) in free.into_iter().take(*limit) {
                delivery.state.owner = Some(claim.boot);
                delivery.state.epoch += 1;
                taken.push((self.log[place].clone(), delivery.clone()));
            }
        }
        taken
    }

    pub(super) fn waiting(&self) -> Vec<Waiting> {
        let mut first: BTreeMap<&str, oneiric_core::Timestamp> = BTreeMap::new();
        for delivery in self.deliveries.values().filter(|delivery| is_free(&delivery.state)) {
            let due = first.entry(&delivery.handler).or_insert(delivery.state.due_at);
            *due = (*due).min(delivery.state.due_at);
        }
        first.into_iter().map(|(handler, due_at)| Waiting { handler: handler.to_owned(), due_at }).collect()
    }

    pub(super) fn envelope(&self, event: &EventId) -> Option<EnvelopeRecord> {
        self.log.get(self.places.get(event)?).cloned()
    }

    pub(super) fn envelopes(&self, filter: &EnvelopeFilter) -> Vec<EnvelopeRecord> {
        let matching = self.log.values().filter(|event| filter.accepts(event));
        match filter.order {
            Order::Oldest => matching.take(filter.limit).cloned().collect(),
            Order::Newest => matching.rev().take(filter.limit).cloned().collect(),
        }
    }

    pub(super) fn deliveries(&self, filter: &DeliveryFilter) -> Vec<(u64, DeliveryRecord)> {
        let page = self.deliveries.iter().filter(|((place, _), delivery)| {
            filter.after.is_none_or(|after| *place > after)
                && filter.before.is_none_or(|before| *place < before)
                && filter.accepts(delivery)
        });
        let mut found: Vec<_> = page.map(|((place, _), delivery)| (*place, delivery.clone())).collect();
        if filter.order == Order::Newest {
            found.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.handler.cmp(&other.handler)));
        }
        found.truncate(filter.limit);
        found
    }
}

/// Nobody's from now on; a try that was at work has ended.
fn free(state: &mut DeliveryState) {
    state.owner = None;
    state.epoch += 1;
    if state.status == DeliveryStatus::Running {
        state.status = DeliveryStatus::Pending;
    }
}

fn is_free(state: &DeliveryState) -> bool {
    state.owner.is_none() && state.status == DeliveryStatus::Pending
}

//! The log of events from its oldest on, in pages.

use std::collections::{BTreeMap, BTreeSet};

use oneiric_core::Timestamp;
use oneiric_core::roles::{EventId, Topic};
use oneiric_events::{Pattern, Repeat};
use oneiric_store::{
    DeliveryFilter, DeliveryRecord, DeliveryStatus, EnvelopeFilter, EnvelopeRecord, Order, Store, StoreError,
};

use super::log::Logged;
use crate::error::Error;

/// Events that are read at a time: their payloads are in memory together.
const PAGE: usize = 64;

/// Which events of the log, and which of their handlers. What is empty or absent excludes nothing.
#[derive(Debug, Clone, Default)]
pub struct EventSelection {
    /// Exactly these, and no others.
    pub ids: Vec<EventId>,
    /// Of one of these topics.
    pub topics: Vec<Pattern>,
    /// Accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
    /// Only their deliveries to these handlers, by name.
    pub handlers: BTreeSet<String>,
}

impl EventSelection {
    /// Whether an event is meant.
    pub fn accepts(&self, event: &EnvelopeRecord) -> bool {
        (self.ids.is_empty() || self.ids.contains(&event.id))
            && of_topics(&self.topics, &event.envelope.topic)
            && self.since.is_none_or(|since| event.accepted_at >= since)
            && self.until.is_none_or(|until| event.accepted_at < until)
    }
}

/// Whether a topic is one of these.
pub(super) fn of_topics(topics: &[Pattern], topic: &Topic) -> bool {
    topics.is_empty() || topics.iter().any(|pattern| pattern.matches(topic.as_str()))
}

/// The one topic that is meant, where it can be asked for by its name.
pub(super) fn only_topic(topics: &[Pattern]) -> Option<Topic> {
    match topics {
        [only] if only.is_exact() => Topic::new(only.as_str()).ok(),
        _ => None,
    }
}

/// Selected events from the oldest on, up to the newest that there is when the walk begins.
#[derive(Debug)]
pub(super) struct Walk {
    of: EventSelection,
    repeat: Repeat,
    /// Only after this place.
    after: u64,
    /// Up to this place.
    last: u64,
    /// Those that are named and were not met yet, by place.
    named: Option<BTreeMap<u64, EventId>>,
}

impl Walk {
    /// The beginning of one.
    ///
    /// # Errors
    /// [`Error::UnknownEvent`] for an id that is not in the log; [`Error::Store`].
    pub(super) async fn begin(store: &dyn Store, of: EventSelection, repeat: Repeat) -> Result<Self, Error> {
        let newest = store.envelopes(EnvelopeFilter::all(Order::Newest, 1)).await?;
        let last = newest.first().map_or(0, |event| event.n);
        let mut named = None;
        if !of.ids.is_empty() {
            let mut places = BTreeMap::new();
            for id in &of.ids {
                let event = store.envelope(id).await?;
                let event = event.ok_or_else(|| Error::UnknownEvent(format!("`{id}`")))?;
                places.insert(event.n, event.id);
            }
            named = Some(places);
        }
        Ok(Self { of, repeat, after: 0, last, named })
    }

    /// The next of them with their deliveries; none at the end.
    pub(super) async fn next(&mut self, store: &dyn Store) -> Result<Vec<Logged>, StoreError> {
        loop {
            let Some(mut events) = self.page(store).await? else { return Ok(Vec::new()) };
            events.retain(|event| self.of.accepts(event));
            if !events.is_empty() {
                return with_deliveries(store, events).await;
            }
        }
    }

    /// Events, selected or not; `None` at the end.
    async fn page(&mut self, store: &dyn Store) -> Result<Option<Vec<EnvelopeRecord>>, StoreError> {
        if let Some(named) = &mut self.named {
            let mut events = Vec::new();
            while events.len() < PAGE {
                let Some((_, id)) = named.pop_first() else { break };
                // One may have gone meanwhile.
                events.extend(store.envelope(&id).await?);
            }
            return Ok((!events.is_empty()).then_some(events));
        }
        let before = Some(self.last.saturating_add(1));
        let events = match self.repeat {
            Repeat::Missing | Repeat::Over => {
                let filter = EnvelopeFilter {
                    after: Some(self.after),
                    before,
                    topic: only_topic(&self.of.topics),
                    since: self.of.since,
                    until: self.of.until,
                    ..EnvelopeFilter::all(Order::Oldest, PAGE)
                };
                store.envelopes(filter).await?
            }
            Repeat::Dead => {
                let filter = DeliveryFilter {
                    statuses: vec![DeliveryStatus::Dead],
                    after: Some(self.after),
                    before,
                    order: Order::Oldest,
                    ..DeliveryFilter::any(PAGE)
                };
                let mut events = Vec::new();
                let mut seen = BTreeMap::new();
                for (place, delivery) in store.deliveries(filter).await? {
                    seen.entry(place).or_insert(delivery.event);
                }
                if let Some((place, _)) = seen.last_key_value() {
                    self.after = *place;
                }
                let ended = seen.is_empty();
                for (_, id) in seen {
                    events.extend(store.envelope(&id).await?);
                }
                return Ok((!ended).then_some(events));
            }
        };
        let Some(last) = events.last() else { return Ok(None) };
        self.after = last.n;
        Ok(Some(events))
    }
}

/// Events with all of their deliveries, in the order given.
pub(super) async fn with_deliveries(
    store: &dyn Store,
    events: Vec<EnvelopeRecord>,
) -> Result<Vec<Logged>, StoreError> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let ids = events.iter().map(|event| event.id.clone()).collect();
    let mut found: BTreeMap<u64, Vec<DeliveryRecord>> = BTreeMap::new();
    for (place, delivery) in
        store.deliveries(DeliveryFilter { events: ids, ..DeliveryFilter::any(usize::MAX) }).await?
    {
        found.entry(place).or_default().push(delivery);
    }
    let with = |event: EnvelopeRecord| {
        let deliveries = found.remove(&event.n).unwrap_or_default();
        Logged { event, deliveries }
    };
    Ok(events.into_iter().map(with).collect())
}

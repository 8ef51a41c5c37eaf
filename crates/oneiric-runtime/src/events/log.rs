//! The log of events, looked at: the newest of it, or from a place on.

use std::collections::BTreeSet;
use std::time::Duration;

use oneiric_core::Timestamp;
use oneiric_core::roles::EventId;
use oneiric_events::Pattern;
use oneiric_store::{
    DeliveryFilter, DeliveryRecord, DeliveryStatus, EnvelopeFilter, EnvelopeRecord, Order, Store, StoreError,
};

use super::walk::{of_topics, only_topic, with_deliveries};
use crate::error::Error;
use crate::oneiric::Oneiric;

/// Rows that are read at a time.
const PAGE: usize = 200;

/// Deliveries that are looked at for the names of handlers.
const LOOKED_AT: usize = 2000;

/// An accepted event with its deliveries, by handler.
#[derive(Debug, Clone, PartialEq)]
pub struct Logged {
    /// The event.
    pub event: EnvelopeRecord,
    /// What became of it.
    pub deliveries: Vec<DeliveryRecord>,
}

/// Which events to list, the newest first. What is empty or absent excludes nothing.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Of one of these topics.
    pub topics: Vec<Pattern>,
    /// Accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
    /// With a delivery to this handler, by its name.
    pub handler: Option<String>,
    /// With a delivery in one of these; together with `handler`, that one.
    pub statuses: Vec<DeliveryStatus>,
    /// Only before this place in the log: the last of the page before.
    pub before: Option<u64>,
    /// The most events.
    pub limit: usize,
}

/// Lists events, the newest first. Reads in pages, whatever the log's length.
///
/// # Errors
/// [`StoreError`].
pub async fn list_events(store: &dyn Store, query: &EventQuery) -> Result<Vec<Logged>, StoreError> {
    let (mut found, mut before) = (Vec::new(), query.before);
    while found.len() < query.limit {
        let (events, next) = page(store, query, before).await?;
        found.extend(with_deliveries(store, events).await?);
        match next {
            Some(next) => before = Some(next),
            None => break,
        }
    }
    found.truncate(query.limit);
    Ok(found)
}

/// The handlers of the newest deliveries in one of these statuses, any where there is none: for names that were
/// not written as they are.
///
/// # Errors
/// [`StoreError`].
pub async fn logged_handlers(
    store: &dyn Store,
    statuses: Vec<DeliveryStatus>,
) -> Result<BTreeSet<String>, StoreError> {
    let rows = store.deliveries(DeliveryFilter { statuses, ..DeliveryFilter::any(LOOKED_AT) }).await?;
    Ok(rows.into_iter().map(|(_, delivery)| delivery.handler).collect())
}

/// Events that are meant, and the place to go on from; `None` at the end.
async fn page(
    store: &dyn Store,
    query: &EventQuery,
    before: Option<u64>,
) -> Result<(Vec<EnvelopeRecord>, Option<u64>), StoreError> {
    let is_meant = |event: &EnvelopeRecord| {
        of_topics(&query.topics, &event.envelope.topic)
            && query.since.is_none_or(|since| event.accepted_at >= since)
            && query.until.is_none_or(|until| event.accepted_at < until)
    };
    if query.handler.is_none() && query.statuses.is_empty() {
        let filter = EnvelopeFilter {
            before,
            topic: only_topic(&query.topics),
            since: query.since,
            until: query.until,
            ..EnvelopeFilter::all(Order::Newest, query.limit.clamp(1, PAGE))
        };
        let mut events = store.envelopes(filter).await?;
        let next = events.last().map(|event| event.n);
        events.retain(is_meant);
        return Ok((events, next));
    }
    let filter = DeliveryFilter {
        handler: query.handler.clone(),
        statuses: query.statuses.clone(),
        before,
        ..DeliveryFilter::any(PAGE)
    };
    let rows = store.deliveries(filter).await?;
    let next = rows.last().map(|(place, _)| *place);
    let mut ids: Vec<EventId> = rows.into_iter().map(|(_, delivery)| delivery.event).collect();
    ids.dedup();
    let mut events = Vec::new();
    for id in ids {
        events.extend(store.envelope(&id).await?.filter(is_meant));
    }
    Ok((events, next))
}

/// Follows the log after a place. Places are given in the order in which events become visible, so that none is
/// passed over.
#[derive(Debug, Clone)]
pub struct Tail {
    topics: Vec<Pattern>,
    since: Option<Timestamp>,
    after: u64,
}

impl Tail {
    /// Everything of these topics that was accepted at `since` or later, from the beginning of the log on.
    pub fn since(topics: Vec<Pattern>, since: Option<Timestamp>) -> Self {
        Self { topics, since, after: 0 }
    }

    /// Everything of these topics after a place.
    pub fn after(topics: Vec<Pattern>, place: u64) -> Self {
        Self { topics, since: None, after: place }
    }

    /// The place that was reached: whoever goes on from there misses nothing and meets nothing twice.
    pub fn place(&self) -> u64 {
        self.after
    }

    /// The newest `count` events of these topics, and what comes after them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn newest(store: &dyn Store, topics: Vec<Pattern>, count: usize) -> Result<Self, StoreError> {
        // In front, so that what comes while it is read is not passed over.
        let newest = store.envelopes(EnvelopeFilter::all(Order::Newest, 1)).await?;
        let end = newest.first().map_or(0, |event| event.n);
        let mut after = end;
        if count > 0 {
            let query = EventQuery {
                topics: topics.clone(),
                before: Some(end.saturating_add(1)),
                limit: count,
                ..EventQuery::default()
            };
            if let Some(first) = list_events(store, &query).await?.last() {
                after = first.event.n - 1;
            }
        }
        Ok(Self { topics, since: None, after })
    }

    /// The next events, the oldest first; none where there is nothing more for now.
    ///
    /// # Errors
    /// [`StoreError`]; then the place is where it was.
    pub async fn next(&mut self, store: &dyn Store) -> Result<Vec<EnvelopeRecord>, StoreError> {
        loop {
            let filter = EnvelopeFilter {
                after: Some(self.after),
                topic: only_topic(&self.topics),
                since: self.since,
                ..EnvelopeFilter::all(Order::Oldest, PAGE)
            };
            let mut events = store.envelopes(filter).await?;
            let Some(last) = events.last() else { return Ok(events) };
            self.after = last.n;
            events.retain(|event| of_topics(&self.topics, &event.envelope.topic));
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }
}

/// How often the log is looked at for what other processes accept, while somebody follows it.
const GLANCE: Duration = Duration::from_secs(1);

impl Oneiric {
    /// Waits for the next events of a tail. What this process accepts is told at once, what others accept within a
    /// second. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`Error::Store`]; then the place is where it was.
    pub async fn next_of(&self, tail: &mut Tail) -> Result<Vec<EnvelopeRecord>, Error> {
        loop {
            // In front, so that nothing that is accepted while it is read is slept through.
            let logged = self.0.logged.notified();
            let events = tail.next(&**self.store()).await?;
            if !events.is_empty() {
                return Ok(events);
            }
            tokio::select! {
                () = logged => {}
                () = self.clock().sleep(GLANCE) => {}
            }
        }
    }
}

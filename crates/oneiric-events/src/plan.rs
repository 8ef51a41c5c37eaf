//! What is to happen with one event, decided before anything does.

use std::sync::Arc;

use oneiric_core::roles::{DeliveryMode, Envelope};

use crate::accept::{Split, split};
use crate::dispatcher::Dispatcher;
use crate::outcome::{Dispatched, Outcome};
use crate::table::{Route, Table};
use crate::trigger::Trigger;

/// Who gets an event, and how, on the table of the moment when it was planned.
#[derive(Debug)]
pub struct Plan {
    pub(crate) table: Arc<Table>,
    pub(crate) split: Split,
    stored: bool,
}

impl Dispatcher {
    /// Decides who gets an event.
    pub fn plan(&self, envelope: &Envelope) -> Plan {
        let table = self.table();
        let route = table.route(envelope);
        let split = split(&table, route, envelope);
        let stored = envelope.delivery == Some(DeliveryMode::AtLeastOnce)
            || !split.stored.is_empty()
            || places(&split.passing).any(|place| !table.live(place).subscription.triggers.is_empty());
        Plan { table, split, stored }
    }
}

/// All places of a route.
pub(crate) fn places(route: &Route) -> impl Iterator<Item = u32> {
    route.alone.iter().chain(&route.ordered).chain(&route.first_success).copied()
}

impl Plan {
    /// Whether the event is stored: it says so, a handler is promised it, or it may start a workflow.
    pub fn is_stored(&self) -> bool {
        self.stored
    }

    /// What the declared subscriptions were made from: what was given to [`Dispatcher::declare_of`].
    pub fn origin<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        Arc::downcast(Arc::clone(self.table.origin.as_ref()?)).ok()
    }

    /// How many handlers get it.
    pub fn handlers(&self) -> usize {
        places(&self.split.stored).chain(places(&self.split.passing)).count()
    }

    /// The triggers of the handlers that get it, with the handler's name, in the order of the table.
    pub fn triggers(&self) -> Vec<(Arc<str>, &Trigger)> {
        let mut all: Vec<u32> = places(&self.split.stored).chain(places(&self.split.passing)).collect();
        all.sort_unstable();
        let of = |place: u32| {
            let subscription = &self.table.live(place).subscription;
            subscription.triggers.iter().map(move |trigger| (Arc::clone(&subscription.name), trigger))
        };
        all.into_iter().flat_map(of).collect()
    }
}

/// Results in the order of the table.
pub(crate) fn in_order(envelope: &Envelope, mut results: Vec<(u32, Outcome)>) -> Dispatched {
    results.sort_by_key(|(place, _)| *place);
    Dispatched {
        topic: envelope.topic.clone(),
        event_id: None,
        results: results.into_iter().map(|(_, outcome)| outcome).collect(),
    }
}

//! Who gets an event: all subscriptions of a moment, and the way through them.
//!
//! A table never changes. One that is built anew takes over from an old one whatever lives on in both (who
//! waits, who is at work, what was counted), and an event ends on the table that it began on.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use oneiric_core::manifest::FanoutPolicy;
use oneiric_core::roles::Envelope;
use serde_json::Value;

use crate::buffer::Buffer;
use crate::filter::Filter;
use crate::handler::Handler;
use crate::pattern::index::Index;
use crate::scope::EventScope;
use crate::slots::Slots;
use crate::stats::{Counts, Stats};
use crate::subscription::Subscription;

/// A subscription in a table, with what lives as long as it does.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) subscription: Subscription,
    pub(crate) handler: Handler,
    /// As many as may be handled at a time.
    pub(crate) slots: Arc<Slots>,
    pub(crate) stats: Arc<Stats>,
    /// What waits in memory.
    pub(crate) buffer: Arc<Buffer>,
    pub(crate) mode: Mode,
    /// How many stored events this process has in hand for it.
    pub(crate) in_hand: Arc<AtomicUsize>,
}

/// How the events of a subscription get to whom they are for. ACB's three modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They go to its handler.
    Push,
    /// They are fetched.
    Pull,
    /// Both: each by who is first.
    Hybrid,
}

impl Live {
    pub(crate) fn new(subscription: Subscription, handler: Handler) -> Arc<Self> {
        Arc::new(Self::of(subscription, handler))
    }

    /// One whose events are fetched, and handled where there is a handler.
    pub(crate) fn pulled(subscription: Subscription, handler: Option<Handler>) -> Arc<Self> {
        let (handler, mode) = match handler {
            Some(handler) => (Some(handler), Mode::Hybrid),
            None => (None, Mode::Pull),
        };
        Arc::new(Self::with(subscription, handler, mode))
    }

    fn of(subscription: Subscription, handler: Handler) -> Self {
        Self::with(subscription, Some(handler), Mode::Push)
    }

    fn with(subscription: Subscription, handler: Option<Handler>, mode: Mode) -> Self {
        let slots = Slots::new(subscription.max_concurrency as usize);
        let (slots, stats, in_hand) = (Arc::new(slots), Arc::<Stats>::default(), Arc::default());
        let buffer = Buffer::new(subscription.buffer, subscription.overflow, Arc::clone(&stats));
        let buffer = Arc::new(buffer);
        let handler = handler.unwrap_or_else(|| Handler::buffered(Arc::clone(&buffer)));
        Self { subscription, handler, slots, stats, buffer, mode, in_hand }
    }

    /// One that takes over from one of the same name, which still has events under way: what was counted,
    /// whether it is paused, and, where as many may be handled at a time, who handles them. What waits for the
    /// old one ends there.
    pub(crate) fn after(old: &Self, subscription: Subscription, handler: Handler) -> Arc<Self> {
        let plain = Self::of(subscription, handler);
        let as_many = plain.subscription.max_concurrency == old.subscription.max_concurrency;
        let slots = if as_many { Arc::clone(&old.slots) } else { plain.slots };
        let (stats, in_hand) = (Arc::clone(&old.stats), Arc::clone(&old.in_hand));
        let Subscription { buffer, overflow, .. } = plain.subscription;
        let buffer = Buffer::new(buffer, overflow, Arc::clone(&stats));
        buffer.pause(old.buffer.is_paused());
        Arc::new(Self { slots, stats, in_hand, buffer: Arc::new(buffer), ..plain })
    }

    /// Whether its handler is kept from events.
    pub(crate) fn is_paused(&self) -> bool {
        self.buffer.is_paused() && self.mode != Mode::Pull
    }

    /// What it has counted.
    pub(crate) fn counts(&self) -> Counts {
        let (buffered, paused) = (self.buffer.len() as u64, self.buffer.is_paused());
        Counts { buffered, paused, ..self.stats.read() }
    }
}

/// All subscriptions of a moment, the highest priority first, and of equal ones the first that subscribed.
#[derive(Debug, Default)]
pub(crate) struct Table {
    lives: Vec<Arc<Live>>,
    index: Index,
    /// Those that want every topic.
    everything: Vec<u32>,
    /// Each filter once: handlers of one product ask for the same tenant.
    filters: Vec<Filter>,
    /// Which of them each subscription has, by place.
    filters_of: Vec<Box<[u32]>>,
    by_name: HashMap<Arc<str>, u32>,
    /// Nobody asks for anything but to get events.
    only_broadcast: bool,
    /// What the declared ones were made from.
    pub(crate) origin: Option<Origin>,
}

/// What declared subscriptions were made from, for whoever declared them.
pub(crate) type Origin = Arc<dyn Any + Send + Sync>;

/// Who gets one event. Places of the table, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Route {
    /// Each on its own, all at the same time.
    pub(crate) alone: Vec<u32>,
    /// One after the other.
    pub(crate) ordered: Vec<u32>,
    /// One after the other, until one succeeds.
    pub(crate) first_success: Vec<u32>,
}

/// What filters have said of one event. A few are kept in mind; those beyond are asked again.
#[derive(Debug, Default)]
struct Asked {
    said: [(u32, bool); 8],
    count: usize,
}

impl Asked {
    fn once(&mut self, filter: u32, ask: impl FnOnce() -> bool) -> bool {
        if let Some((_, holds)) = self.said[..self.count].iter().find(|(of, _)| *of == filter) {
            return *holds;
        }
        let holds = ask();
        if let Some(place) = self.said.get_mut(self.count) {
            *place = (filter, holds);
            self.count += 1;
        }
        holds
    }
}

/// Each filter once, and which of them each subscription has.
fn shared_filters(lives: &[Arc<Live>]) -> (Vec<Filter>, Vec<Box<[u32]>>) {
    let (mut filters, mut known) = (Vec::new(), HashMap::new());
    let mut place = |filter: &Filter| {
        let written = Value::from(filter.clone()).to_string();
        *known.entry(written).or_insert_with(|| {
            filters.push(filter.clone());
            u32::try_from(filters.len() - 1).unwrap_or(u32::MAX)
        })
    };
    let of = |live: &Arc<Live>| live.subscription.interest.filters.iter().map(&mut place).collect();
    let filters_of = lives.iter().map(of).collect();
    (filters, filters_of)
}

impl Route {
    pub(crate) fn is_empty(&self) -> bool {
        self.alone.is_empty() && self.ordered.is_empty() && self.first_success.is_empty()
    }
}

impl Table {
    /// Of two of the same name the last one counts.
    pub(crate) fn new(lives: impl IntoIterator<Item = Arc<Live>>, origin: Option<Origin>) -> Self {
        let mut known: HashMap<Arc<str>, usize> = HashMap::new();
        let mut kept: Vec<Arc<Live>> = Vec::new();
        for live in lives {
            match known.get(&live.subscription.name) {
                Some(at) => kept[*at] = live,
                None => {
                    known.insert(Arc::clone(&live.subscription.name), kept.len());
                    kept.push(live);
                }
            }
        }
        // Stable, so that of equal ones the first stays first.
        kept.sort_by_key(|live| std::cmp::Reverse(live.subscription.priority));
        let numbered = || kept.iter().zip(0_u32..).map(|(live, place)| (&live.subscription, place));
        let topics = |(subscription, place): (&'_ Subscription, u32)| {
            subscription
                .interest
                .topics
                .iter()
                .map(move |pattern| (pattern.clone(), place))
                .collect::<Vec<_>>()
        };
        let patterns: Vec<_> = numbered().flat_map(topics).collect();
        let by_name =
            numbered().map(|(subscription, place)| (Arc::clone(&subscription.name), place)).collect();
        let everything = numbered()
            .filter(|(subscription, _)| subscription.interest.topics.is_empty())
            .map(|(_, place)| place)
            .collect();
        let index = Index::new(patterns.iter().map(|(pattern, place)| (pattern, *place)));
        let (filters, filters_of) = shared_filters(&kept);
        let only_broadcast = kept.iter().all(|live| live.subscription.fanout == FanoutPolicy::Broadcast);
        Self { lives: kept, index, everything, filters, filters_of, by_name, only_broadcast, origin }
    }

    pub(crate) fn lives(&self) -> &[Arc<Live>] {
        &self.lives
    }

    pub(crate) fn live(&self, place: u32) -> &Arc<Live> {
        &self.lives[place as usize]
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Live>> {
        self.by_name.get(name).map(|place| self.live(*place))
    }

    /// Those that want an event, the highest first.
    pub(crate) fn matching(&self, envelope: &Envelope) -> Vec<u32> {
        let mut found = self.everything.clone();
        self.index.find(envelope.topic.as_str(), &mut found);
        found.sort_unstable();
        found.dedup();
        if found.is_empty() {
            return found;
        }
        let scope = EventScope::new(envelope);
        let mut asked = Asked::default();
        let mut holds = |filter: u32| asked.once(filter, || self.filters[filter as usize].accepts(envelope));
        found.retain(|place| {
            let live = self.live(*place);
            if !self.filters_of[*place as usize].iter().all(|filter| holds(*filter)) {
                return false;
            }
            match live.subscription.interest.accepts(&scope, envelope) {
                Ok(wanted) => wanted,
                Err(error) => {
                    Stats::count(&live.stats.undecided);
                    let (handler, topic) = (&*live.subscription.name, &envelope.topic);
                    tracing::warn!(handler, %topic, %error, "a handler's condition cannot be decided");
                    false
                }
            }
        });
        found
    }

    /// Who gets an event.
    pub(crate) fn route(&self, envelope: &Envelope) -> Route {
        self.fan_out(self.matching(envelope))
    }

    /// Who of those that want an event gets it. If any of them is exclusive, the highest of these alone.
    pub(crate) fn fan_out(&self, matching: Vec<u32>) -> Route {
        if self.only_broadcast {
            return Route { alone: matching, ..Route::default() };
        }
        let fanout = |place: &u32| self.live(*place).subscription.fanout;
        if let Some(highest) = matching.iter().find(|place| fanout(place) == FanoutPolicy::Exclusive) {
            return Route { alone: vec![*highest], ..Route::default() };
        }
        let mut route = Route::default();
        for place in matching {
            match fanout(&place) {
                FanoutPolicy::Broadcast | FanoutPolicy::Exclusive => route.alone.push(place),
                FanoutPolicy::Ordered => route.ordered.push(place),
                FanoutPolicy::FirstSuccess => route.first_success.push(place),
            }
        }
        route
    }
}

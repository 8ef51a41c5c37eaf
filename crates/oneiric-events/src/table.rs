//! Who gets an event: all subscriptions of a moment, and the way through them.
//!
//! A table never changes. One that is built anew takes over from an old one whatever lives on in both (who
//! waits, who is at work, what was counted), and an event ends on the table that it began on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use oneiric_core::manifest::FanoutPolicy;
use oneiric_core::roles::Envelope;
use tokio::sync::Semaphore;

use crate::buffer::Buffer;
use crate::handler::Handler;
use crate::pattern::index::Index;
use crate::scope::EventScope;
use crate::stats::{Counts, Stats};
use crate::subscription::Subscription;

/// A subscription in a table, with what lives as long as it does.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) subscription: Subscription,
    pub(crate) handler: Handler,
    /// As many as may be handled at a time.
    pub(crate) slots: Semaphore,
    pub(crate) stats: Stats,
    /// What waits in memory.
    pub(crate) buffer: Arc<Buffer>,
    pub(crate) mode: Mode,
    /// How many stored events this process has in hand for it.
    pub(crate) in_hand: AtomicUsize,
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
        let buffer = Arc::new(Buffer::new(subscription.buffer, subscription.overflow));
        Arc::new(Self::with(subscription, handler, buffer, Mode::Push))
    }

    /// One whose events are fetched, and handled where there is a handler.
    pub(crate) fn pulled(subscription: Subscription, handler: Option<Handler>) -> Arc<Self> {
        let buffer = Arc::new(Buffer::new(subscription.buffer, subscription.overflow));
        let (handler, mode) = match handler {
            Some(handler) => (handler, Mode::Hybrid),
            None => (Handler::buffered(Arc::clone(&buffer)), Mode::Pull),
        };
        Arc::new(Self::with(subscription, handler, buffer, mode))
    }

    fn with(subscription: Subscription, handler: Handler, buffer: Arc<Buffer>, mode: Mode) -> Self {
        let slots = Semaphore::new((subscription.max_concurrency as usize).min(Semaphore::MAX_PERMITS));
        let (stats, in_hand) = (Stats::default(), AtomicUsize::new(0));
        Self { subscription, handler, slots, stats, buffer, mode, in_hand }
    }

    /// What it has counted.
    pub(crate) fn counts(&self) -> Counts {
        let buffer = &self.buffer;
        let (buffered, overflowed) = (buffer.len() as u64, buffer.overflowed());
        Counts { buffered, overflowed, paused: buffer.is_paused(), ..self.stats.read() }
    }
}

/// All subscriptions of a moment, the highest priority first, and of equal ones the first that subscribed.
#[derive(Debug, Default)]
pub(crate) struct Table {
    lives: Vec<Arc<Live>>,
    index: Index,
    /// Those that want every topic.
    everything: Vec<u32>,
    by_name: HashMap<Arc<str>, u32>,
}

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

impl Route {
    pub(crate) fn is_empty(&self) -> bool {
        self.alone.is_empty() && self.ordered.is_empty() && self.first_success.is_empty()
    }
}

impl Table {
    /// Of two of the same name the last one counts.
    pub(crate) fn new(lives: impl IntoIterator<Item = Arc<Live>>) -> Self {
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
        Self { lives: kept, index, everything, by_name }
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
        found.retain(|place| {
            let live = self.live(*place);
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

    /// Who gets an event. If any of those that want it is exclusive, the highest of these alone.
    pub(crate) fn route(&self, envelope: &Envelope) -> Route {
        let matching = self.matching(envelope);
        let fanout = |place: &u32| self.live(*place).subscription.fanout;
        if let Some(highest) = matching.iter().find(|place| fanout(place) == FanoutPolicy::Exclusive) {
            return Route { alone: vec![*highest], ..Route::default() };
        }
        if matching.iter().all(|place| fanout(place) == FanoutPolicy::Broadcast) {
            return Route { alone: matching, ..Route::default() };
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

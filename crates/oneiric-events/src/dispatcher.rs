//! Subscriptions of a process, and events on their way through them in memory.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use oneiric_core::Key;
use oneiric_core::linked::PROVIDER;
use oneiric_core::roles::{Envelope, EventHandler};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::{Parts, Under, Watch};
use crate::handler::Handler;
use crate::interest::Interest;
use crate::outcome::{Dispatched, Outcome};
use crate::pattern::Pattern;
use crate::plan::in_order;
use crate::stats::Counts;
use crate::subscription::{Defaults, Subscription};
use crate::table::{Live, Mode, Origin, Route, Table};

/// Subscriptions, and events on their way through them. A clone is the same one.
///
/// ```
/// use std::sync::Arc;
/// use oneiric_core::roles::Envelope;
/// use oneiric_core::{Fault, gate::Pipeline};
/// use oneiric_events::{Defaults, Dispatcher, Handler, Interest, Parts, Pattern, Subscription, typed};
/// # use oneiric_core::rng::SeededRng;
/// # use oneiric_testkit::ManualClock;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let (clock, rng) = (Arc::new(ManualClock::new()), Arc::new(SeededRng::new(1)));
/// let dispatcher = Dispatcher::new(Parts { clock, rng, gate: Arc::new(Pipeline::standard()) });
/// let greeter = typed(|name: String| async move { Ok::<_, Fault>(format!("hello {name}")) });
/// let subscription = Subscription {
///     interest: Interest::topic(Pattern::new("user.*")?),
///     ..Subscription::new("greeter", "greeter".parse()?, &Defaults::default())
/// };
/// dispatcher.subscribe(subscription, Handler::fixed(Arc::new(greeter)));
/// let done = dispatcher.dispatch(&Envelope::new("user.created".parse()?, serde_json::json!("Ada"))).await;
/// assert_eq!(serde_json::to_value(&done)?["results"][0]["value"], "hello Ada");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Dispatcher(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) parts: Parts,
    table: ArcSwap<Table>,
    /// The table does not show the entries any more.
    stale: AtomicBool,
    entries: Mutex<Entries>,
    next: AtomicU64,
    /// Workers, and whoever emits at this moment.
    pub(crate) tasks: TaskTracker,
    /// No further event is taken.
    pub(crate) stop: CancellationToken,
    /// What is at work is dropped.
    pub(crate) abort: CancellationToken,
    /// How many events were dropped because the process ended.
    pub(crate) abandoned: AtomicU64,
}

/// All subscriptions, in the order in which they came.
#[derive(Default)]
struct Entries {
    /// Those of manifests and of the builder: replaced together.
    declared: Vec<Arc<Live>>,
    /// What those were made from.
    origin: Option<Origin>,
    /// Those that came at run time.
    added: Vec<(u64, Arc<Live>)>,
}

/// What a subscription is told apart by, from when it came to when it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subscribed(u64);

impl Dispatcher {
    /// One without subscriptions.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts,
            table: ArcSwap::default(),
            stale: AtomicBool::new(false),
            entries: Mutex::default(),
            next: AtomicU64::new(1),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            abandoned: AtomicU64::new(0),
        }))
    }

    /// Adds a subscription. Every event that is emitted after this returns finds it. One of the same name is
    /// replaced.
    pub fn subscribe(&self, subscription: Subscription, handler: Handler) -> Subscribed {
        self.add(Live::new(subscription, handler))
    }

    /// Subscribes a handler to a topic, under a name of its own, with the defaults of its kind: the short way.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use oneiric_core::rng::SeededRng;
    /// # use oneiric_core::{Fault, gate::Pipeline};
    /// # use oneiric_events::{Defaults, Dispatcher, Parts, Pattern, typed};
    /// # use oneiric_testkit::ManualClock;
    /// #[derive(serde::Deserialize)]
    /// struct Order { id: u64 }
    ///
    /// # let (clock, rng) = (Arc::new(ManualClock::new()), Arc::new(SeededRng::new(1)));
    /// # let dispatcher = Dispatcher::new(Parts { clock, rng, gate: Arc::new(Pipeline::standard()) });
    /// let confirm = typed(|order: Order| async move { Ok::<_, Fault>(format!("order {}", order.id)) });
    /// dispatcher.on(Pattern::new("order.*")?, confirm, &Defaults::default());
    /// # Ok::<(), oneiric_events::PatternError>(())
    /// ```
    pub fn on(
        &self,
        topic: Pattern,
        handler: impl EventHandler + 'static,
        defaults: &Defaults,
    ) -> Subscribed {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let key = Key::new(format!("added-{id}")).expect("letters, a dash and a number are a key");
        let plain = Subscription::new(format!("{key}:{PROVIDER}"), key, defaults);
        let subscription = Subscription { interest: Interest::topic(topic), ..plain };
        self.add_as(id, Live::new(subscription, Handler::fixed(Arc::new(handler))))
    }

    pub(crate) fn add(&self, live: Arc<Live>) -> Subscribed {
        self.add_as(self.0.next.fetch_add(1, Ordering::Relaxed), live)
    }

    fn add_as(&self, id: u64, live: Arc<Live>) -> Subscribed {
        let mut entries = self.entries();
        entries.added.push((id, live));
        self.0.stale.store(true, Ordering::Release);
        Subscribed(id)
    }

    /// Removes a subscription. No event that is emitted after this returns finds it; those under way end, and
    /// so do those in its buffer. Whether it was there.
    pub fn unsubscribe(&self, subscribed: Subscribed) -> bool {
        let mut entries = self.entries();
        let at = entries.added.iter().position(|(id, _)| *id == subscribed.0);
        let gone = at.map(|at| entries.added.remove(at));
        self.0.stale.store(true, Ordering::Release);
        drop(entries);
        match &gone {
            Some((_, live)) => self.retire(live),
            None => return false,
        }
        true
    }

    /// What waits for one that is gone still goes to its handler.
    fn retire(&self, live: &Arc<Live>) {
        if live.mode != Mode::Push {
            live.buffer.close();
        }
        self.set_paused(live, false);
    }

    /// Keeps events from a subscription's handler until [`Dispatcher::resume`]: they wait in its buffer, within
    /// its bound, and whoever waits for the handler waits. What is with the handler ends. It is about one
    /// subscription of this process, for as long as that lives; what operators pause is a component. Whether
    /// there is one of this name.
    pub fn pause(&self, name: &str) -> bool {
        self.table().named(name).inspect(|live| self.set_paused(live, true)).is_some()
    }

    /// Lets events pass again. Whether there is a subscription of this name.
    pub fn resume(&self, name: &str) -> bool {
        self.table().named(name).inspect(|live| self.set_paused(live, false)).is_some()
    }

    fn set_paused(&self, live: &Arc<Live>, paused: bool) {
        // As whoever emits does it: then it is waited for.
        let _under_way = self.0.tasks.token();
        live.buffer.pause(paused);
        if !paused && !self.0.stop.is_cancelled() {
            self.hire(live);
        }
    }

    /// Replaces all declared subscriptions at once; those that came at run time stay. One that is as it was
    /// keeps its slots, its buffer and its counts; one that has changed keeps its counts, and its slots where
    /// there are as many. Events under way end on the table that they began on.
    pub fn declare(&self, declared: impl IntoIterator<Item = (Subscription, Handler)>) {
        self.declare_of(declared, Arc::new(()));
    }

    /// As [`Dispatcher::declare`], with what the subscriptions were made from. [`Plan::origin`](crate::Plan::origin)
    /// gives it back, so that an event and what it starts are decided by one and the same.
    pub fn declare_of(
        &self,
        declared: impl IntoIterator<Item = (Subscription, Handler)>,
        origin: Arc<dyn Any + Send + Sync>,
    ) {
        let mut entries = self.entries();
        let old = std::mem::take(&mut entries.declared);
        let old: HashMap<_, _> =
            old.into_iter().map(|live| (Arc::clone(&live.subscription.name), live)).collect();
        entries.declared = declared
            .into_iter()
            .map(|(subscription, handler)| match old.get(&subscription.name) {
                Some(live) if live.subscription == subscription && live.handler.is_as(&handler) => {
                    Arc::clone(live)
                }
                Some(live) => Live::after(live, subscription, handler),
                None => Live::new(subscription, handler),
            })
            .collect();
        let kept = |old: &Arc<Live>| entries.declared.iter().any(|new| Arc::ptr_eq(new, old));
        let gone: Vec<_> = old.into_values().filter(|live| !kept(live)).collect();
        entries.origin = Some(origin);
        self.0.table.store(Arc::new(entries.table()));
        self.0.stale.store(false, Ordering::Release);
        drop(entries);
        gone.iter().for_each(|live| self.retire(live));
    }

    /// Every subscription, the highest priority first.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.table().lives().iter().map(|live| live.subscription.clone()).collect()
    }

    /// What each subscription has counted, by name, in the order of [`Dispatcher::subscriptions`].
    pub fn counts(&self) -> Vec<(Arc<str>, Counts)> {
        let counted = |live: &Arc<Live>| (Arc::clone(&live.subscription.name), live.counts());
        self.table().lives().iter().map(counted).collect()
    }

    /// The table of this moment.
    pub(crate) fn table(&self) -> Arc<Table> {
        if self.0.stale.load(Ordering::Acquire) {
            let entries = self.entries();
            if self.0.stale.load(Ordering::Acquire) {
                // The table first: whoever sees that it is not stale takes it.
                self.0.table.store(Arc::new(entries.table()));
                self.0.stale.store(false, Ordering::Release);
            }
        }
        self.0.table.load_full()
    }

    // Nothing under the lock can panic half way.
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an event to everybody who wants it, and waits for all of them. Nothing is stored.
    ///
    /// Whatever one handler does (fail, panic, take too long) is in its result and touches no other. Dropping the
    /// future cancels those that are at work.
    pub async fn dispatch(&self, envelope: &Envelope) -> Dispatched {
        let table = self.table();
        let route = table.route(envelope);
        let ended = self.0.parts.run(&table, &route, envelope, None).await;
        in_order(envelope, ended)
    }
}

impl Parts {
    /// Takes an event along its route. Who can answer at once does so one after the other; the others go on at
    /// the same time. Who has not answered when `limit` has passed is dropped.
    pub(crate) async fn run(
        &self,
        table: &Table,
        route: &Route,
        envelope: &Envelope,
        limit: Option<Duration>,
    ) -> Vec<(u32, Outcome)> {
        let watch = Watch::start(&*self.clock);
        let alone = async {
            let mut ended = Vec::with_capacity(route.alone.len());
            let mut under: Vec<(u32, Under<'_>)> = Vec::new();
            poll_fn(|cx| {
                for place in &route.alone {
                    match self.begin(table.live(*place), envelope, &watch, limit, cx) {
                        Ok(outcome) => ended.push((*place, outcome)),
                        Err(call) => under.push((*place, call)),
                    }
                }
                Poll::Ready(())
            })
            .await;
            all(under, &mut ended).await;
            ended
        };
        if route.ordered.is_empty() && route.first_success.is_empty() {
            return alone.await;
        }
        let chain =
            |places, until_success| self.run_chain(table, places, until_success, envelope, &watch, limit);
        let (mut ended, ordered, first) =
            tokio::join!(alone, chain(&route.ordered, false), chain(&route.first_success, true));
        ended.extend(ordered);
        ended.extend(first);
        ended
    }

    /// One handler after the other; where it says so, only until one has succeeded.
    pub(crate) async fn run_chain(
        &self,
        table: &Table,
        chain: &[u32],
        until_success: bool,
        envelope: &Envelope,
        watch: &Watch<'_>,
        limit: Option<Duration>,
    ) -> Vec<(u32, Outcome)> {
        let began = self.clock.monotonic();
        let mut ended = Vec::with_capacity(chain.len());
        for place in chain {
            let left = limit.map(|limit| limit.saturating_sub(self.clock.monotonic().saturating_sub(began)));
            let outcome = self.call(table.live(*place), envelope, watch, left).await;
            let enough = until_success && outcome.is_success();
            ended.push((*place, outcome));
            if enough {
                break;
            }
        }
        ended
    }
}

/// What waits for a chain knows the table that it is in.
impl Drop for Inner {
    fn drop(&mut self) {
        let entries = self.entries.get_mut().unwrap_or_else(PoisonError::into_inner);
        let added = entries.added.iter().map(|(_, live)| live);
        for live in entries.declared.iter().chain(added) {
            live.buffer.clear();
        }
    }
}

/// Up to so many calls are asked in turn whenever one of them may go on; more are told apart.
const IN_TURN: usize = 30;

/// Waits for all calls under way.
async fn all(mut under: Vec<(u32, Under<'_>)>, ended: &mut Vec<(u32, Outcome)>) {
    if under.len() > IN_TURN {
        let calls = under.into_iter().map(|(place, call)| async move { (place, call.await) });
        let mut calls: FuturesUnordered<_> = calls.collect();
        while let Some(outcome) = calls.next().await {
            ended.push(outcome);
        }
        return;
    }
    poll_fn(|cx| {
        under.retain_mut(|(place, call)| match call.as_mut().poll(cx) {
            Poll::Ready(outcome) => {
                ended.push((*place, outcome));
                false
            }
            Poll::Pending => true,
        });
        if under.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

impl Entries {
    fn table(&self) -> Table {
        let added = self.added.iter().map(|(_, live)| live);
        let lives = self.declared.iter().chain(added).map(Arc::clone);
        Table::new(lives, self.origin.clone())
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("subscriptions", &self.table().lives().len())
            .finish_non_exhaustive()
    }
}

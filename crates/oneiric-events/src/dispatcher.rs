//! Subscriptions of a process, and events on their way through them in memory.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use arc_swap::ArcSwap;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use oneiric_core::Key;
use oneiric_core::linked::PROVIDER;
use oneiric_core::roles::{Envelope, EventHandler};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::{Parts, once};
use crate::handler::Handler;
use crate::interest::Interest;
use crate::outcome::{Dispatched, Outcome};
use crate::pattern::Pattern;
use crate::plan::in_order;
use crate::stats::Counts;
use crate::subscription::{Defaults, Subscription};
use crate::table::{Live, Mode, Route, Table};

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
    /// keeps its slots, its buffer and its counts. Events under way end on the table that they began on.
    pub fn declare(&self, declared: impl IntoIterator<Item = (Subscription, Handler)>) {
        let mut entries = self.entries();
        let old = std::mem::take(&mut entries.declared);
        entries.declared = declared
            .into_iter()
            .map(|(subscription, handler)| {
                let same = old.iter().find(|live| live.subscription == subscription);
                same.cloned().unwrap_or_else(|| Live::new(subscription, handler))
            })
            .collect();
        let kept = |old: &Arc<Live>| entries.declared.iter().any(|new| Arc::ptr_eq(new, old));
        let gone: Vec<_> = old.into_iter().filter(|live| !kept(live)).collect();
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
        let mut ended = Vec::with_capacity(route.alone.len());
        self.0.parts.run(&table, &route, envelope, &mut ended).await;
        in_order(envelope, ended)
    }
}

/// A call under way; the places of the handlers that had the event, with what became of it.
type Under<'a> = Pin<Box<dyn Future<Output = Vec<(u32, Outcome)>> + Send + 'a>>;

impl Parts {
    /// Takes an event along its route, and puts what comes of it behind what `ended` has. Who can answer at once
    /// does so one after the other; the others go on at the same time.
    pub(crate) async fn run(
        &self,
        table: &Table,
        route: &Route,
        envelope: &Envelope,
        ended: &mut Vec<(u32, Outcome)>,
    ) {
        let mut waiting = FuturesUnordered::new();
        for place in &route.alone {
            let mut call = Box::pin(async move { (*place, self.call(table.live(*place), envelope).await) });
            match once(call.as_mut()).await {
                Poll::Ready(outcome) => ended.push(outcome),
                Poll::Pending => waiting.push(call),
            }
        }
        let mut chains: FuturesUnordered<Under<'_>> = FuturesUnordered::new();
        for (chain, until_success) in [(&route.ordered, false), (&route.first_success, true)] {
            if !chain.is_empty() {
                chains.push(Box::pin(self.run_chain(table, chain, until_success, envelope)));
            }
        }
        loop {
            tokio::select! {
                Some(outcome) = waiting.next(), if !waiting.is_empty() => ended.push(outcome),
                Some(outcomes) = chains.next(), if !chains.is_empty() => ended.extend(outcomes),
                else => return,
            }
        }
    }

    /// One handler after the other; where it says so, only until one has succeeded.
    pub(crate) async fn run_chain(
        &self,
        table: &Table,
        chain: &[u32],
        until_success: bool,
        envelope: &Envelope,
    ) -> Vec<(u32, Outcome)> {
        let mut ended = Vec::with_capacity(chain.len());
        for place in chain {
            let outcome = self.call(table.live(*place), envelope).await;
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

impl Entries {
    fn table(&self) -> Table {
        let added = self.added.iter().map(|(_, live)| live);
        Table::new(self.declared.iter().chain(added).map(Arc::clone))
    }
}

impl fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatcher")
            .field("subscriptions", &self.table().lives().len())
            .finish_non_exhaustive()
    }
}

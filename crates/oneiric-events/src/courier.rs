//! Takes stored events to their handlers, in this process.
//!
//! What this process accepted it has in hand from the beginning, as far as there is room; the rest waits in the
//! store for whoever has some, and so does what a dead process had in hand. Each delivery is a task of its own,
//! and every one of them is waited for at the end.

mod adrift;
mod carry;
mod emit;
mod hand;
mod leave;
mod status;

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oneiric_core::{Clock, Timestamp};
use oneiric_store::{
    Batch, ChainMode, CommitError, DeliveryClaim, DeliveryRecord, DeliveryStatus, EnvelopeRecord, Lease,
    Refusal, Store, StoreError, failpoint,
};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::accept_stored;
use crate::call::Parts;
use crate::dispatcher::Dispatcher;
use crate::outcome::Outcome;
use crate::plan::{Plan, places};
use crate::table::Live;
use adrift::Unheard;
use carry::Load;
pub use emit::{Accepted, Emitted, Entered};
use hand::{Hand, Hands};
pub use status::HandlerStatus;

/// When to look into the store again where no bell rang: one may have been missed.
const IDLE: Duration = Duration::from_secs(60);

/// When to look again where the store failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// What a courier needs of the process around it.
#[derive(Debug, Clone)]
pub struct CourierParts {
    /// Where accepted events are.
    pub store: Arc<dyn Store>,
    /// What the deliveries in hand hang off.
    pub lease: Arc<Lease>,
    /// The most deliveries in hand for one handler.
    pub in_hand: usize,
    /// How often an event may kill the process over one handler.
    pub max_deliveries: u32,
}

/// Takes stored events to their handlers. A clone is the same one.
#[derive(Clone)]
pub struct Courier(Arc<Inner>);

struct Inner {
    dispatcher: Dispatcher,
    parts: CourierParts,
    tasks: TaskTracker,
    /// Nothing further starts.
    stop: CancellationToken,
    /// What is at work is dropped.
    abort: CancellationToken,
    /// How many deliveries are in hand; told once it is none.
    in_hand: AtomicUsize,
    idle: Notify,
    hands: Arc<Hands>,
    /// For one delivery at a time over which a process has died. With two of them at work at a third death nobody
    /// could say which one it was, and the innocent would be taken for poison.
    suspect: Semaphore,
    /// Handlers that the gate keeps events from, until then or until something changes.
    shut: Mutex<HashMap<String, Option<Timestamp>>>,
    /// How often something has changed.
    changes: AtomicU64,
}

/// A handler that will have had a stored event, once it has.
#[derive(Debug)]
pub(crate) struct Awaited {
    /// Its place in the table.
    pub(crate) place: u32,
    /// Comes when the delivery is over or somebody else's; never where the handler is not asked.
    pub(crate) outcome: oneshot::Receiver<Outcome>,
}

impl Courier {
    /// One with nothing in hand.
    pub fn new(dispatcher: Dispatcher, parts: CourierParts) -> Self {
        Self(Arc::new(Inner {
            hands: Hands::new(parts.in_hand),
            suspect: Semaphore::new(1),
            dispatcher,
            parts,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            in_hand: AtomicUsize::new(0),
            idle: Notify::new(),
            shut: Mutex::default(),
            changes: AtomicU64::new(0),
        }))
    }

    /// The subscriptions that it takes events to.
    pub fn dispatcher(&self) -> &Dispatcher {
        &self.0.dispatcher
    }

    /// Stores an event with its deliveries, and whatever else belongs to the same moment. When this returns, it
    /// is durable, and those deliveries that this process has in hand are under way.
    ///
    /// # Errors
    /// [`CommitError::Refused`] with [`Refusal::EventExists`] where it was accepted before;
    /// [`CommitError::Store`]. Then nothing happened.
    pub(crate) async fn accept(
        &self,
        plan: &Plan,
        record: EnvelopeRecord,
        with: Batch,
    ) -> Result<Vec<Awaited>, CommitError> {
        let lease = &self.0.parts.lease;
        match self.put(plan, record.clone(), with.clone()).await {
            // One that has been at rest may have been taken for dead meanwhile: then it gets up, and tries again.
            Err(CommitError::Refused(Refusal::BootEnded(_))) => {
                lease.beat(&*self.0.parts.store).await?;
                self.put(plan, record, with).await
            }
            put => put,
        }
    }

    async fn put(
        &self,
        plan: &Plan,
        record: EnvelopeRecord,
        with: Batch,
    ) -> Result<Vec<Awaited>, CommitError> {
        let CourierParts { store, lease, .. } = &self.0.parts;
        let clock = self.clock();
        // Behind it on the way out: the hands are gone when it looks.
        let unheard = Unheard::of(self, &record.id);
        let mut hands: HashMap<String, Hand> = HashMap::new();
        let acceptance =
            accept_stored(&plan.table, &plan.split.stored, record.clone(), clock.now(), |live| {
                let hand = self.take(live, &record)?;
                hands.insert(live.subscription.name.to_string(), hand);
                Some(lease.boot())
            });
        let losses = lease.losses();
        let began = clock.monotonic();
        let mut batch = acceptance.batch.and(with);
        let (mut owned, mut beats) = (None, false);
        if !hands.is_empty() {
            let (holds, taking) = lease.take();
            beats = !taking.ops.is_empty();
            batch = batch.and(taking);
            owned = Some(Arc::new(holds));
        }
        let committed = store.commit(batch).await;
        if hands.is_empty() || !matches!(committed, Err(CommitError::Store(_))) {
            unheard.heard();
        }
        committed?;
        failpoint::reach("event.accepted");
        if beats {
            lease.confirm(began);
        }
        let mut tells = HashMap::new();
        let awaited = places(&plan.split.stored)
            .map(|place| {
                let (tell, outcome) = oneshot::channel();
                tells.insert(plan.table.live(place).subscription.name.to_string(), tell);
                Awaited { place, outcome }
            })
            .collect();
        let event = Arc::new(record);
        let mut free = false;
        for delivery in acceptance.deliveries {
            if delivery.state.status == DeliveryStatus::Held {
                // Who waits for it is told by the task of the one in front of it.
                continue;
            }
            let Some(live) = plan.table.named(&delivery.handler) else { continue };
            let Some((hand, owned)) = hands.remove(&delivery.handler).zip(owned.clone()) else {
                free = true;
                let of = |name: &String| tells.remove(name).map(|tell| (name.clone(), tell));
                let told =
                    std::iter::once(&delivery.handler).chain(&delivery.behind).filter_map(of).collect();
                tell_waiting(told, delivery.chain, Some(&delivery.handler));
                continue;
            };
            let of = |name: &String| tells.remove(name).map(|tell| (name.clone(), tell));
            let told = std::iter::once(&delivery.handler).chain(&delivery.behind).filter_map(of).collect();
            self.spawn(Load {
                span: Parts::span(live, &event.envelope),
                live: Arc::clone(live),
                event: Arc::clone(&event),
                record: delivery,
                _hand: hand,
                owned,
                losses,
                told,
            });
        }
        if free {
            self.nudge();
        }
        Ok(awaited)
    }

    fn spawn(&self, load: Load) {
        let under_way = UnderWay::new(self);
        self.0.tasks.spawn(async move { under_way.0.carry(load).await });
    }

    /// There may be something to take.
    pub fn nudge(&self) {
        self.0.hands.bell.notify_one();
    }

    /// Something has changed for handlers that the gate kept events from.
    pub fn reconsider(&self) {
        self.0.changes.fetch_add(1, Ordering::AcqRel);
        self.shut().clear();
        self.nudge();
    }

    /// Takes what is due and free, now and from then on. Runs until it is dropped or the courier is shut down.
    pub async fn tend(&self) {
        let clock = self.clock();
        let mut sure_at = Some(clock.monotonic());
        loop {
            let now = clock.monotonic();
            let unsure = sure_at.is_none_or(|at| now.saturating_sub(at) >= IDLE);
            let looked = async {
                if unsure {
                    self.let_go_of_all().await?;
                }
                self.round().await
            };
            let next = match looked.await {
                Ok(next) => {
                    sure_at = if unsure { Some(now) } else { sure_at };
                    next
                }
                Err(error) => {
                    tracing::error!(%error, "cannot see which events wait");
                    // Something may have been taken all the same.
                    sure_at = None;
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                // As everywhere here: chance has no part in what happens.
                biased;
                () = self.0.stop.cancelled() => return,
                () = self.0.hands.bell.notified() => {}
                () = clock.sleep(next) => {}
            }
        }
    }

    /// Takes what is due and free until `more` has ended and nothing of that is left: none is due, and none in
    /// hand. What waits for a later try, or for a handler that is paused or not known here, is left to others.
    /// Ends with the courier, too; then `more` may not have ended.
    pub async fn settle(&self, more: impl Future<Output = ()>) {
        let (mut more, mut ended) = (pin!(more), false);
        loop {
            let next = match self.round().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::error!(%error, "cannot see which events wait");
                    IDLE
                }
            };
            if ended && !next.is_zero() && self.0.in_hand.load(Ordering::Acquire) == 0 {
                return;
            }
            tokio::select! {
                () = self.0.stop.cancelled() => return,
                () = &mut more, if !ended => ended = true,
                () = self.0.hands.bell.notified() => {}
                () = self.0.idle.notified() => {}
                () = self.clock().sleep(next) => {}
            }
        }
    }

    /// One look. When to look again at the latest.
    async fn round(&self) -> Result<Duration, StoreError> {
        let CourierParts { store, lease, .. } = &self.0.parts;
        let clock = self.clock();
        let (table, now) = (self.0.dispatcher.table(), clock.now());
        let (mut wanted, mut next) = (Vec::new(), IDLE);
        for waiting in store.waiting().await? {
            let Some(live) = table.named(&waiting.handler) else { continue };
            let due = self.opens(&waiting.handler, now).map_or(waiting.due_at, |at| at.max(waiting.due_at));
            // A paused one is looked at again once it goes on.
            let room = if live.is_paused() { 0 } else { self.0.hands.room(live) };
            if due > now {
                next = next.min(due.since(now));
            } else if room > 0 && !self.is_shut(&waiting.handler) {
                wanted.push((waiting.handler, room));
            }
        }
        if wanted.is_empty() {
            return Ok(next);
        }
        let (losses, began) = (lease.losses(), clock.monotonic());
        let claim = DeliveryClaim { boot: lease.boot(), wanted, now };
        let taken = match store.claim_deliveries(claim).await {
            Ok(taken) => taken,
            Err(CommitError::Refused(Refusal::BootEnded(_))) => {
                // Others took this process for dead. It gets up, and looks again.
                lease.beat(&**store).await?;
                return Ok(Duration::ZERO);
            }
            Err(CommitError::Refused(refusal)) => return Err(StoreError::Io(refusal.to_string())),
            Err(CommitError::Store(error)) => return Err(error),
        };
        if taken.is_empty() {
            return Ok(next);
        }
        lease.confirm(began);
        let owned = Arc::new(lease.own());
        for (event, record) in taken {
            self.put_in_hand(event, record, &owned, losses);
        }
        // There may be more of it.
        Ok(Duration::ZERO)
    }

    fn put_in_hand(
        &self,
        event: EnvelopeRecord,
        record: DeliveryRecord,
        owned: &Arc<oneiric_store::Owned>,
        losses: u64,
    ) {
        // The table may have changed since the claim; what it does not know any more goes back.
        let table = self.0.dispatcher.table();
        let Some(live) = table.named(&record.handler) else {
            self.give_back(record);
            return;
        };
        self.spawn(Load {
            span: Parts::span(live, &event.envelope),
            live: Arc::clone(live),
            event: Arc::new(event),
            _hand: self.0.hands.take_over(live, &record.event, record.state.epoch),
            record,
            owned: Arc::clone(owned),
            losses,
            told: Vec::new(),
        });
    }

    /// Room for a delivery, unless there is none or the gate keeps events from the handler.
    fn take(&self, live: &Arc<Live>, event: &EnvelopeRecord) -> Option<Hand> {
        if live.is_paused() || self.0.stop.is_cancelled() || self.is_shut(&live.subscription.name) {
            return None;
        }
        self.0.hands.take(live, &event.id)
    }

    fn is_shut(&self, handler: &str) -> bool {
        let mut shut = self.shut();
        match shut.get(handler) {
            None => false,
            Some(Some(until)) if *until <= self.clock().now() => {
                shut.remove(handler);
                false
            }
            Some(_) => true,
        }
    }

    /// When the gate may let events pass again, where it said so.
    fn opens(&self, handler: &str, now: Timestamp) -> Option<Timestamp> {
        self.shut().get(handler).copied().flatten().filter(|until| *until > now)
    }

    fn shut(&self) -> MutexGuard<'_, HashMap<String, Option<Timestamp>>> {
        self.0.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.dispatcher.0.parts.clock
    }

    /// Begins nothing further, and waits for what is at work, at most `deadline`; what is not done by then is
    /// dropped. Whatever is in hand stays so until the lease ends. How many were dropped.
    pub async fn shutdown(&self, deadline: Duration) -> usize {
        self.0.stop.cancel();
        self.0.tasks.close();
        let dropped = tokio::select! {
            biased;
            () = self.0.tasks.wait() => 0,
            () = self.clock().sleep(deadline) => self.0.tasks.len(),
        };
        self.0.abort.cancel();
        self.0.tasks.wait().await;
        dropped
    }
}

/// A delivery that is in hand.
struct UnderWay(Courier);

impl UnderWay {
    fn new(courier: &Courier) -> Self {
        courier.0.in_hand.fetch_add(1, Ordering::AcqRel);
        Self(courier.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.0.in_hand.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.0.idle.notify_one();
        }
    }
}

/// Says that a handler gets the event later: the one whose turn it is, and in a chain that asks everybody those
/// behind it.
fn tell_waiting(told: Vec<(String, oneshot::Sender<Outcome>)>, chain: ChainMode, turn: Option<&str>) {
    for (name, tell) in told {
        if chain == ChainMode::Ordered || turn == Some(&name) {
            // Whoever waited may have given up.
            let _ = tell.send(Outcome::waiting(&name.into()));
        }
    }
}

impl fmt::Debug for Courier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Courier").field("in_hand", &self.0.tasks.len()).finish_non_exhaustive()
    }
}

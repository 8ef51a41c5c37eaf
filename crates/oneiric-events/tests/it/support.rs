//! What the tests of couriers share: a store that outlives processes, handlers that write down their calls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use oneiric_core::gate::{Gate, Pipeline};
use oneiric_core::manifest::FanoutPolicy;
use oneiric_core::retry::RetryPolicy;
use oneiric_core::rng::SeededRng;
use oneiric_core::roles::{DeliveryMode, Envelope, EventHandler, EventId};
use oneiric_core::{BootId, Clock, Fault, Payload, Timestamp};
use oneiric_events::{Courier, CourierParts, Defaults, Dispatcher, Handler, Parts, Subscription};
use oneiric_store::{
    Batch, BootRecord, Claim, DeliveryFilter, DeliveryRecord, DeliveryStatus, EnvelopeRecord, Lease,
    MemoryStore, Op, Store,
};
use oneiric_testkit::ManualClock;
use serde_json::json;

pub const SECOND: Duration = Duration::from_secs(1);
pub const LEASE: Duration = Duration::from_secs(2);

/// How often an event may kill a process here.
pub const MAX_DELIVERIES: u32 = 3;

pub fn boot(number: u64) -> BootId {
    BootId::from_bytes(u128::from(number).to_be_bytes())
}

pub fn id(n: u64) -> EventId {
    EventId::new(format!("event-{n}")).unwrap()
}

/// Event `n`, promised to everybody.
pub fn envelope(n: u64) -> Envelope {
    let plain = Envelope::new("order.paid".parse().unwrap(), json!({"n": n}));
    Envelope { delivery: Some(DeliveryMode::AtLeastOnce), ..plain.with_header("event_id", id(n).as_str()) }
}

/// One that is tried three times, half a second apart.
pub fn subscription(name: &str) -> Subscription {
    let retry = RetryPolicy { attempts: 3, base_delay: 0.5, ..RetryPolicy::ONCE };
    Subscription {
        retry: Some(retry),
        max_concurrency: 10,
        ..Subscription::new(name, name.parse().unwrap(), &Defaults::default())
    }
}

/// One of a chain, the highest priority first.
pub fn chained(name: &str, fanout: FanoutPolicy, priority: i32) -> Subscription {
    Subscription { fanout, priority, ..subscription(name) }
}

/// Every call, outside of everything that can crash: event, handler, and when, on the monotonic clock.
pub type Calls = Arc<Mutex<Vec<(EventId, String, Duration)>>>;

/// What a handler does: told how often this event has called it, this time included.
type Does = Box<dyn Fn(&Envelope, u32) -> Result<Payload, Fault> + Send + Sync>;

/// A handler that writes down its calls, takes its time and does what it is told.
pub struct Telling {
    name: String,
    calls: Calls,
    clock: ManualClock,
    takes: Duration,
    does: Does,
}

#[async_trait]
impl EventHandler for Telling {
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        let event = envelope.event_id().unwrap();
        let nth = {
            let mut calls = self.calls.lock().unwrap();
            calls.push((event.clone(), self.name.clone(), self.clock.monotonic()));
            calls.iter().filter(|(of, name, _)| *of == event && *name == self.name).count()
        };
        if !self.takes.is_zero() {
            self.clock.sleep(self.takes).await;
        }
        (self.does)(envelope, u32::try_from(nth).unwrap())
    }
}

/// One process: a courier and its lease.
pub struct Process {
    pub courier: Courier,
    pub lease: Arc<Lease>,
    store: MemoryStore,
    clock: ManualClock,
}

/// Everything that outlives a process.
#[derive(Default)]
pub struct World {
    pub store: MemoryStore,
    pub clock: ManualClock,
    pub calls: Calls,
    boots: AtomicU64,
}

impl World {
    /// A new process on a store that stands in front of the world's.
    pub fn process_on(&self, store: Arc<dyn Store>, gate: Arc<dyn Gate>) -> Process {
        let number = self.boots.fetch_add(1, Ordering::SeqCst) + 1;
        let record = BootRecord {
            lease_ms: LEASE.as_millis() as u64,
            serves: true,
            ..BootRecord::new(boot(number), "here", 1, Timestamp::default())
        };
        // Memory answers at once.
        self.store.commit(Batch::of([Op::SetBoot(record.clone())])).now_or_never().unwrap().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let lease = Lease::new(record, Arc::clone(&clock));
        let parts = Parts { clock, rng: Arc::new(SeededRng::new(number)), gate };
        let courier = Courier::new(
            Dispatcher::new(parts),
            CourierParts { store, lease: Arc::clone(&lease), in_hand: 8, max_deliveries: MAX_DELIVERIES },
        );
        Process { courier, lease, store: self.store.clone(), clock: self.clock.clone() }
    }

    pub fn process(&self) -> Process {
        self.process_on(Arc::new(self.store.clone()), Arc::new(Pipeline::standard()))
    }

    /// A handler that takes a hundredth of a second.
    pub fn handler(
        &self,
        name: &str,
        does: impl Fn(&Envelope, u32) -> Result<Payload, Fault> + Send + Sync + 'static,
    ) -> Handler {
        self.slow(name, SECOND / 100, does)
    }

    pub fn slow(
        &self,
        name: &str,
        takes: Duration,
        does: impl Fn(&Envelope, u32) -> Result<Payload, Fault> + Send + Sync + 'static,
    ) -> Handler {
        let (calls, clock) = (Arc::clone(&self.calls), self.clock.clone());
        Handler::fixed(Arc::new(Telling { name: name.to_owned(), calls, clock, takes, does: Box::new(does) }))
    }

    /// Frees what the processes before `number` have, as whoever looks after the dead does.
    pub async fn bury_before(&self, number: u64) {
        let dead: Vec<BootId> = (1..number).map(boot).collect();
        dead.iter().for_each(|boot| self.store.bury(*boot));
        self.store.claim(Claim { dead, ..Claim::any(boot(u64::MAX), 0) }).await.unwrap();
    }

    pub async fn deliveries(&self) -> Vec<DeliveryRecord> {
        let all = self.store.deliveries(DeliveryFilter::any(usize::MAX)).await.unwrap();
        all.into_iter().map(|(_, delivery)| delivery).collect()
    }

    /// Waits, at most two virtual minutes, until everything is over.
    pub async fn settle(&self) {
        for _ in 0..2400 {
            if self.deliveries().await.iter().all(|delivery| delivery.state.status.is_over()) {
                return;
            }
            self.clock.sleep(SECOND / 20).await;
        }
        panic!("not over after two minutes: {:#?}", self.deliveries().await);
    }

    /// How often each handler was called with each event.
    pub fn counts(&self) -> HashMap<(EventId, String), u32> {
        let mut counts = HashMap::new();
        for (event, handler, _) in self.calls.lock().unwrap().iter() {
            *counts.entry((event.clone(), handler.clone())).or_default() += 1;
        }
        counts
    }

    /// The handlers that event `n` has called, in order.
    pub fn called(&self, n: u64) -> Vec<String> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(event, ..)| *event == id(n)).map(|(_, handler, _)| handler.clone()).collect()
    }

    pub async fn status(&self, n: u64, handler: &str) -> DeliveryStatus {
        let filter = DeliveryFilter { handler: Some(handler.to_owned()), ..DeliveryFilter::of(id(n)) };
        self.store.deliveries(filter).await.unwrap()[0].1.state.status
    }

    /// That nothing is stuck, and nothing wrong.
    pub async fn assert_clean(&self) {
        assert_eq!(self.store.violations().await.unwrap(), []);
        assert_eq!(self.store.check().await.unwrap().problems, Vec::<String>::new());
    }
}

impl Process {
    pub fn subscribe(&self, subscription: Subscription, handler: Handler) -> oneiric_events::Subscribed {
        self.courier.dispatcher().subscribe(subscription, handler)
    }

    /// Takes what is free from now on, and beats for what it has.
    pub fn tend(&self) -> tokio::task::JoinHandle<()> {
        let Self { courier, lease, store, clock } = self;
        let (courier, lease) = (courier.clone(), Arc::clone(lease));
        let (store, clock) = (store.clone(), clock.clone());
        tokio::spawn(async move {
            let beats = async {
                loop {
                    clock.sleep(lease.interval()).await;
                    if lease.is_owning() {
                        lease.beat(&store).await.unwrap();
                    }
                }
            };
            tokio::select! { () = courier.tend() => {}, () = beats => {} }
        })
    }

    /// Emits event `n` and waits, at most ten virtual seconds.
    pub async fn emit(&self, n: u64) -> Result<oneiric_events::Emitted, oneiric_store::CommitError> {
        self.emit_envelope(n, envelope(n)).await
    }

    pub async fn emit_envelope(
        &self,
        n: u64,
        envelope: Envelope,
    ) -> Result<oneiric_events::Emitted, oneiric_store::CommitError> {
        let plan = self.courier.dispatcher().plan(&envelope);
        let record = EnvelopeRecord::new(id(n), envelope, Timestamp::default());
        self.courier.emit_and_wait(plan, record, Batch::default(), 10 * SECOND).await
    }

    /// It is not there any more: nothing of it goes on.
    pub async fn dies(&self) {
        self.courier.shutdown(Duration::ZERO).await;
    }
}

pub fn done() -> Result<Payload, Fault> {
    Ok(json!("done").into())
}

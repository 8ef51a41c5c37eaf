//! What the tests of events in memory share: an event is a number.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oneiric_core::gate::{Gate, Pipeline};
use oneiric_core::linked::handler_fn;
use oneiric_core::rng::SeededRng;
use oneiric_core::roles::{Envelope, EventId, Topic};
use oneiric_core::{BootId, Clock, Fault};
use oneiric_events::{Counts, Courier, CourierParts, Defaults, Dispatcher, Handler, Parts, Subscription};
use oneiric_store::{BootRecord, EnvelopeRecord, Lease, MemoryStore, Store};
use oneiric_testkit::ManualClock;
use serde_json::Value;

/// A dispatcher whose gate lets everything pass.
pub fn dispatcher(clock: &ManualClock) -> Dispatcher {
    dispatcher_behind(clock, Arc::new(Pipeline::standard()))
}

pub fn dispatcher_behind(clock: &ManualClock, gate: Arc<dyn Gate>) -> Dispatcher {
    Dispatcher::new(Parts { clock: Arc::new(clock.clone()), rng: Arc::new(SeededRng::new(7)), gate })
}

/// A courier on a store in memory.
pub async fn courier(clock: &ManualClock, in_hand: usize) -> (Courier, Arc<dyn Store>) {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let boot = BootId::from_uuid(uuid::Uuid::from_u128(1));
    store.enter(BootRecord::new(boot, "host", 1, clock.now())).await.unwrap();
    let lease = Lease::alone(boot, Arc::new(clock.clone()));
    let parts = CourierParts { store: Arc::clone(&store), lease, in_hand, max_deliveries: 3 };
    (Courier::new(dispatcher(clock), parts), store)
}

/// Every event, with a buffer for a thousand.
pub fn subscription(name: &str) -> Subscription {
    Subscription::new(name, name.parse().unwrap(), &Defaults::default())
}

pub fn topic(text: &str) -> Topic {
    text.parse().unwrap()
}

pub fn event(number: usize) -> Envelope {
    Envelope::new(topic("numbers.next"), Value::from(number))
}

/// An event of its own, ready for the store.
pub fn record(number: usize) -> EnvelopeRecord {
    let id = EventId::new(format!("event-{number}")).unwrap();
    EnvelopeRecord::new(id, event(number), ManualClock::new().now())
}

pub fn number(envelope: &Envelope) -> usize {
    usize::try_from(envelope.payload.value().as_u64().unwrap()).unwrap()
}

/// A handler of the event's number.
pub fn handler<Fut>(function: impl Fn(usize) -> Fut + Send + Sync + 'static) -> Handler
where
    Fut: Future<Output = Result<(), Fault>> + Send + 'static,
{
    Handler::fixed(Arc::new(handler_fn(move |envelope: Envelope| function(number(&envelope)))))
}

pub const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Numbers that handlers have seen, in order.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<usize>>>);

impl Seen {
    pub fn add(&self, number: usize) {
        self.0.lock().unwrap().push(number);
    }

    pub fn all(&self) -> Vec<usize> {
        self.0.lock().unwrap().clone()
    }

    /// A handler that takes its time with each.
    pub fn handler(&self, clock: &ManualClock, takes: Duration) -> Handler {
        let (seen, clock) = (self.clone(), clock.clone());
        handler(move |number| {
            let (seen, clock) = (seen.clone(), clock.clone());
            async move {
                clock.sleep(takes).await;
                seen.add(number);
                Ok(())
            }
        })
    }
}

/// What the subscription of a name has counted.
pub fn counts(dispatcher: &Dispatcher, name: &str) -> Counts {
    dispatcher.counts().into_iter().find(|(of, _)| &**of == name).unwrap().1
}

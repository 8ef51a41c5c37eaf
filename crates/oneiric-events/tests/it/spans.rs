//! The spans that are promised: upstream's name and attributes, around every handler of an event.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oneiric_core::gate::Pipeline;
use oneiric_core::retry::RetryPolicy;
use oneiric_core::rng::SeededRng;
use oneiric_core::roles::{DeliveryMode, Envelope};
use oneiric_core::{BootId, Clock, Fault};
use oneiric_events::{
    Courier, CourierParts, Defaults, Dispatcher, Handler, Interest, Parts, Pattern, Subscription, stamp,
    typed,
};
use oneiric_store::{Batch, BootRecord, EnvelopeRecord, Lease, MemoryStore, Store};
use oneiric_testkit::ManualClock;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

/// Every span named `event.handler`, with its attributes as text.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<BTreeMap<u64, BTreeMap<String, String>>>>);

struct Fields<'a>(&'a mut BTreeMap<String, String>);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl<S: tracing::Subscriber> Layer<S> for Spans {
    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        if span.metadata().name() == "event.handler" {
            let mut fields = BTreeMap::new();
            span.record(&mut Fields(&mut fields));
            self.0.lock().unwrap().insert(id.into_u64(), fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
        if let Some(fields) = self.0.lock().unwrap().get_mut(&id.into_u64()) {
            values.record(&mut Fields(fields));
        }
    }
}

impl Spans {
    /// Those of one handler.
    fn of(&self, handler: &str) -> Vec<BTreeMap<String, String>> {
        let spans = self.0.lock().unwrap();
        let of = |fields: &&BTreeMap<String, String>| {
            fields.get("oneiric.event.handler").is_some_and(|name| name == handler)
        };
        spans.values().filter(of).cloned().collect()
    }
}

/// One handler that succeeds, and one that needs its second and last try to fail.
fn dispatcher(clock: &Arc<ManualClock>) -> Dispatcher {
    let dispatcher = Dispatcher::new(Parts {
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        rng: Arc::new(SeededRng::new(1)),
        gate: Arc::new(Pipeline::standard()),
    });
    let plain = |name: &str| Subscription {
        interest: Interest::topic(Pattern::new("order.*").unwrap()),
        ..Subscription::new(name, name.split(':').next().unwrap().parse().unwrap(), &Defaults::default())
    };
    let good = typed(|_: Value| async { Ok::<_, Fault>("done") });
    let bad = typed(|_: Value| async { Err::<(), _>(Fault::transient("away", "the server is away")) });
    dispatcher.subscribe(plain("shop.audit:files"), Handler::fixed(Arc::new(good)));
    let retry = RetryPolicy { attempts: 2, ..serde_json::from_value(json!({})).unwrap() };
    let twice = Subscription { retry: Some(retry), ..plain("shop.mail:smtp") };
    dispatcher.subscribe(twice, Handler::fixed(Arc::new(bad)));
    dispatcher
}

fn event() -> Envelope {
    Envelope::new("order.paid".parse().unwrap(), json!({}))
}

#[track_caller]
fn check(spans: &Spans) {
    let check = |handler: &str, key: &str, expected: [(&str, &str); 3]| {
        let found = spans.of(handler);
        let [span] = found.as_slice() else { panic!("one span for each handler: {found:#?}") };
        let fixed = [
            ("oneiric.domain", "event"),
            ("oneiric.key", key),
            ("oneiric.event.handler", handler),
            ("oneiric.event.topic", "order.paid"),
        ];
        for (name, value) in fixed.into_iter().chain(expected) {
            assert_eq!(span.get(name).map(String::as_str), Some(value), "{name} in {span:#?}");
        }
        let took: f64 = span["oneiric.event.duration_ms"].parse().unwrap();
        assert!(took >= 0.0);
    };
    let ended = |most, attempts, success| {
        [
            ("oneiric.event.max_attempts", most),
            ("oneiric.event.attempts", attempts),
            ("oneiric.event.success", success),
        ]
    };
    check("shop.audit:files", "shop.audit", ended("1", "1", "true"));
    check("shop.mail:smtp", "shop.mail", ended("2", "2", "false"));
}

#[tokio::test]
async fn every_handler_has_a_span_with_upstreams_attributes() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
    let done = dispatcher(&Arc::new(ManualClock::new())).dispatch(&event()).await;
    assert_eq!(done.results.len(), 2);
    check(&spans);
}

#[tokio::test]
async fn a_stored_event_has_the_same_spans() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(spans.clone()));
    let clock = Arc::new(ManualClock::new());
    let (store, boot) = (Arc::new(MemoryStore::new()), BootId::from_bytes([1; 16]));
    store.enter(BootRecord::new(boot, "host".to_owned(), 1, clock.now())).await.unwrap();
    let courier = Courier::new(
        dispatcher(&clock),
        CourierParts {
            store: Arc::clone(&store) as Arc<dyn Store>,
            lease: Lease::alone(boot, Arc::clone(&clock) as Arc<dyn Clock>),
            in_hand: 10,
            max_deliveries: 3,
        },
    );
    let mut event = Envelope { delivery: Some(DeliveryMode::AtLeastOnce), ..event() };
    let id = stamp(&mut event, "shop", clock.now(), [7; 10]);
    let plan = courier.dispatcher().plan(&event);
    let record = EnvelopeRecord::new(id, event, clock.now());
    let emitted =
        courier.emit_and_wait(plan, record, Batch::default(), Duration::from_secs(60)).await.unwrap();
    assert!(emitted.stored);
    check(&spans);
}

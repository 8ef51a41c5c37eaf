//! What the Python original got wrong with events, as far as it takes a whole process to see that it does not come
//! back. The numbers are those of the list of weaknesses; the others are in
//! `crates/oneiric-events/tests/it/defects.rs`.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oneiric_core::linked::handler_fn;
use oneiric_core::roles::{DeliveryMode, Envelope, EventHandler};
use oneiric_core::{Component, Fault, Instance};
use oneiric_runtime::{Builder, Error, EventReport, Oneiric};
use oneiric_store::{
    DeliveryFilter, DeliveryRecord, DeliveryStatus, EnvelopeFilter, MemoryStore, Order, Store,
};
use serde_json::{Value, json};

use crate::support::builder;

const LONG: Duration = Duration::from_secs(30);

/// What the handlers of the factory `shop` had: their provider and the payload.
#[derive(Debug, Clone, Default)]
struct Shop {
    had: Arc<Mutex<Vec<(String, Value)>>>,
    /// How many calls still fail.
    failing: Arc<AtomicU32>,
}

struct Nothing;
impl Component for Nothing {}

impl Shop {
    fn builder(&self, entries: &str) -> Builder {
        let shop = self.clone();
        let make = move |provider: String| {
            let shop = shop.clone();
            handler_fn(move |event: Envelope| {
                let had = (provider.clone(), event.payload.value().clone());
                shop.had.lock().unwrap().push(had);
                let left =
                    shop.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                let fails = left.is_ok();
                async move { if fails { Err(Fault::transient("busy", "the shop is busy")) } else { Ok("done") } }
            })
        };
        builder()
            .factory("shop", move |blueprint| {
                let handler: Arc<dyn EventHandler> =
                    Arc::new(make(blueprint.descriptor.provider.to_string()));
                Ok(Instance::new(Arc::new(Nothing)).plays::<dyn EventHandler>(handler))
            })
            .manifest_text("shop.yaml", format!("entries:\n{entries}").into_bytes())
    }

    fn had(&self) -> Vec<(String, Value)> {
        self.had.lock().unwrap().clone()
    }
}

/// A handler of orders, with more to say.
fn entry(provider: &str, more: &str) -> String {
    format!(
        "- {{domain: event, key: orders, provider: {provider}, factory: shop, event_topics: ['order.*']{more}}}\n"
    )
}

fn order(number: u32) -> Envelope {
    Envelope::new("order.paid".parse().unwrap(), json!(number))
}

/// One that is stored.
fn promised(number: u32) -> Envelope {
    let delivery = Some(DeliveryMode::AtLeastOnce);
    Envelope { delivery, ..order(number).with_header("event_id", format!("e-{number}")) }
}

async fn emit(oneiric: &Oneiric, event: Envelope) -> EventReport {
    oneiric.emit_and_wait(event, LONG).await.unwrap()
}

async fn rows(store: &dyn Store) -> Vec<DeliveryRecord> {
    let rows = store.deliveries(DeliveryFilter::any(1000)).await.unwrap();
    rows.into_iter().map(|(_, row)| row).collect()
}

async fn until(what: &str, mut seen: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !seen().await {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(LONG, waiting).await.is_ok(), "waited in vain: {what}");
}

#[tokio::test]
async fn defect_29_what_has_failed_as_often_as_it_may_is_a_dead_letter() {
    let shop = Shop::default();
    shop.failing.store(100, Ordering::SeqCst);
    let entries = entry("p", ", retry_policy: {attempts: 3, base_delay: 0}");
    let oneiric = shop.builder(&entries).start().await.unwrap();
    let report = emit(&oneiric, promised(1)).await;
    assert!(!report.dispatched.is_success());
    let rows = rows(&**oneiric.store()).await;
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!(
        (row.handler.as_str(), row.state.status, row.state.attempts),
        ("orders:p", DeliveryStatus::Dead, 3)
    );
    assert_eq!(row.state.fault.as_ref().unwrap().code, "busy");
    let event = oneiric.store().envelope(&row.event).await.unwrap().unwrap();
    assert_eq!(event.envelope.payload.value(), &json!(1), "it can still be looked at");
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn defect_29_what_was_promised_outlives_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let shop = Shop::default();
    let open = async |state: &Path| {
        let entries = entry("p", ", event_delivery: at_least_once");
        shop.builder(&entries).serve(true).state_dir(state).start().await.unwrap()
    };
    let first = open(folder.path()).await;
    first.pause_component("event", "orders", None).await.unwrap();
    let report = first.emit_and_wait(order(1), Duration::ZERO).await.unwrap();
    assert!(report.stored && report.dispatched.results[0].pending, "{report:?}");
    first.shutdown(LONG).await.unwrap();
    assert!(shop.had().is_empty());
    let second = open(folder.path()).await;
    second.resume_component("event", "orders").await.unwrap();
    until("the next process hands it over", async || !shop.had().is_empty()).await;
    assert_eq!(shop.had(), [("p".to_owned(), json!(1))]);
    second.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn defect_29_an_event_is_accepted_once_by_its_id() {
    let shop = Shop::default();
    let oneiric = shop.builder(&entry("p", "")).start().await.unwrap();
    let first = emit(&oneiric, promised(1)).await;
    let again = emit(&oneiric, promised(1)).await;
    assert_eq!((first.duplicate, again.duplicate), (false, true));
    assert_eq!(again.dispatched.results[0].result, first.dispatched.results[0].result);
    assert_eq!(shop.had().len(), 1);
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn defect_29_shadowed_handlers_fire_where_they_say_so() {
    let shop = Shop::default();
    let entries = [
        entry("silent", ", priority: 1"),
        entry("best", ", priority: 9"),
        entry("also", ", priority: 5, event_shadowed: true"),
    ];
    let oneiric = shop.builder(&entries.concat()).start().await.unwrap();
    let report = emit(&oneiric, order(1)).await;
    let names: Vec<&str> = report.dispatched.results.iter().map(|one| &*one.handler).collect();
    assert_eq!(names, ["orders:best", "orders:also"]);
    let mut had: Vec<_> = shop.had().into_iter().map(|(provider, _)| provider).collect();
    had.sort();
    assert_eq!(had, ["also", "best"], "each by its own instance");
    oneiric.shutdown(LONG).await.unwrap();
}

#[test]
fn defect_30_a_filter_that_is_none_is_an_error_at_load_with_its_place() {
    let check = |filters: &str, expected: &str| {
        let entries = [entry("good", ""), entry("p", &format!(", event_filters: {filters}"))];
        let error = Shop::default().builder(&entries.concat()).load().unwrap_err();
        let Error::Manifest { problems, .. } = &error else { panic!("{error}") };
        assert!(problems.problems.iter().all(|problem| problem.place.line == 3), "{error}");
        assert!(error.to_string().contains("shop.yaml:3:"), "{error}");
        assert!(problems.problems.iter().any(|problem| problem.message.contains(expected)), "{error}");
    };
    check("[{equals: 1}]", "`path`");
    check("[{pth: tenant, equals: 1}]", "`pth`");
    check("[{path: tenant}]", "states no condition");
    check("[{path: tenant, any_of: []}]", "would match nothing");
    check("[tenant]", "mapping");
}

#[tokio::test]
async fn defect_31_a_paused_handler_is_not_tried_as_if_it_had_failed() {
    let shop = Shop::default();
    let entries = entry("p", ", retry_policy: {attempts: 5, base_delay: 0}");
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let oneiric = shop.builder(&entries).store(Arc::clone(&store)).serve(true).start().await.unwrap();
    oneiric.pause_component("event", "orders", None).await.unwrap();
    // To whom nothing is promised it is refused, once.
    let passing = emit(&oneiric, order(1)).await;
    assert_eq!((passing.stored, passing.dispatched.results[0].attempts), (false, 0));
    let (_, counts) = oneiric.dispatcher().counts().remove(0);
    assert_eq!((counts.refused, counts.attempts, counts.failed.count), (1, 0, 0));
    // What was promised waits; no try is lost to the pause.
    oneiric.emit_and_wait(promised(2), Duration::ZERO).await.unwrap();
    let state = async || rows(&*store).await[0].state.clone();
    assert_eq!((state().await.status, state().await.attempts), (DeliveryStatus::Pending, 0));
    oneiric.resume_component("event", "orders").await.unwrap();
    until("it is handled", async || state().await.status == DeliveryStatus::Done).await;
    assert_eq!(state().await.attempts, 1);
    assert_eq!(shop.had(), [("p".to_owned(), json!(2))]);
    oneiric.shutdown(LONG).await.unwrap();
}

#[tokio::test]
async fn defect_31_every_event_is_on_record_and_not_the_last_one_alone() {
    let shop = Shop::default();
    let oneiric = shop.builder(&entry("p", "")).start().await.unwrap();
    for number in 0..100 {
        emit(&oneiric, promised(number)).await;
    }
    let filter = EnvelopeFilter::all(Order::Oldest, 1000);
    let kept = oneiric.store().envelopes(filter).await.unwrap();
    let ids: Vec<String> = kept.iter().map(|event| event.id.to_string()).collect();
    assert_eq!(ids, (0..100).map(|number| format!("e-{number}")).collect::<Vec<_>>());
    oneiric.shutdown(LONG).await.unwrap();
}

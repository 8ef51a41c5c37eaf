//! The log of events: once more, and for how long.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use oneiric_core::roles::{DeliveryMode, Envelope, EventId};
use oneiric_core::settings::Settings;
use oneiric_core::{Clock as _, Fault, Timestamp};
use oneiric_events::{Handler, Subscription, typed};
use oneiric_runtime::{
    DROPPED, EventQuery, EventSelection, Oneiric, Repeat, ReplayReport, ReplayRequest, Tail, list_events,
};
use oneiric_store::{
    Batch, DeliveryFilter, DeliveryState, DeliveryStatus, EnvelopeRecord, MemoryStore, Op, RunFilter, Store,
};
use oneiric_testkit::{CrashingStore, ManualClock, Side, virtual_time};
use serde_json::{Value, json};

use crate::support::process;

/// A process on a store.
async fn start(store: &Arc<dyn Store>) -> Oneiric {
    Oneiric::builder().serve(false).store(Arc::clone(store)).load().unwrap().start().await.unwrap()
}

fn id(n: u32) -> EventId {
    format!("event-{n}").parse().unwrap()
}

/// Events of topic `t`, accepted and promised to nobody yet.
async fn accepted(store: &Arc<dyn Store>, count: u32) {
    for n in 0..count {
        let envelope = Envelope::new("t".parse().unwrap(), json!(n));
        let record = EnvelopeRecord::new(id(n), envelope, Timestamp::from_micros(i64::from(n)));
        store.commit(Batch::of([Op::PutEnvelope(Box::new(record))])).await.unwrap();
    }
}

/// Somebody who wants `t` and is promised it; what it was called with.
fn subscribe(
    oneiric: &Oneiric,
    name: &str,
    answer: impl Fn(u64) -> Result<u64, Fault> + Send + Sync + 'static,
) -> Arc<Mutex<Vec<u64>>> {
    let calls: Arc<Mutex<Vec<u64>>> = Arc::default();
    let (seen, answer) = (Arc::clone(&calls), Arc::new(answer));
    let subscription = Subscription {
        name: name.into(),
        delivery: DeliveryMode::AtLeastOnce,
        ..oneiric.subscription("k", "t").unwrap()
    };
    let handler = typed(move |n: u64| {
        let answer = Arc::clone(&answer);
        seen.lock().unwrap().push(n);
        async move { answer(n) }
    });
    oneiric.subscribe(subscription, Handler::fixed(Arc::new(handler)));
    calls
}

async fn replay(oneiric: &Oneiric, repeat: Repeat) -> ReplayReport {
    oneiric.replay(ReplayRequest { repeat, ..ReplayRequest::default() }, |_| {}).await.unwrap()
}

fn counts(report: &ReplayReport, handler: &str) -> [u64; 4] {
    let counts = report.handlers.get(handler).copied().unwrap_or_default();
    [counts.made, counts.again, counts.there, counts.open]
}

async fn statuses(store: &Arc<dyn Store>) -> Vec<DeliveryStatus> {
    let all = store.deliveries(DeliveryFilter::any(1000)).await.unwrap();
    all.into_iter().map(|(_, delivery)| delivery.state.status).collect()
}

/// Calls, whatever their order: deliveries go on at the same time.
fn sorted(calls: &Mutex<Vec<u64>>) -> Vec<u64> {
    let mut calls = calls.lock().unwrap().clone();
    calls.sort_unstable();
    calls
}

async fn nothing() {}

#[test]
fn a_repeated_replay_changes_nothing_of_what_is_there() {
    process(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        accepted(&store, 150).await;
        let oneiric = start(&store).await;
        let calls = subscribe(&oneiric, "late", Ok);
        assert_eq!(counts(&replay(&oneiric, Repeat::Missing).await, "late"), [150, 0, 0, 0]);
        assert_eq!(counts(&replay(&oneiric, Repeat::Missing).await, "late"), [0, 0, 0, 150]);
        oneiric.carry_out(nothing()).await;
        assert_eq!(counts(&replay(&oneiric, Repeat::Missing).await, "late"), [0, 0, 150, 0]);
        oneiric.carry_out(nothing()).await;
        assert_eq!(sorted(&calls), (0..150).collect::<Vec<u64>>(), "each once");
        assert_eq!(counts(&replay(&oneiric, Repeat::Over).await, "late"), [0, 150, 0, 0]);
        assert_eq!(counts(&replay(&oneiric, Repeat::Over).await, "late"), [0, 0, 0, 150]);
        oneiric.carry_out(nothing()).await;
        assert_eq!(calls.lock().unwrap().len(), 300);
        oneiric.shutdown(Duration::from_secs(5)).await.unwrap();
    });
}

#[test]
fn a_dry_run_says_what_would_happen_and_writes_nothing() {
    process(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        accepted(&store, 3).await;
        let oneiric = start(&store).await;
        subscribe(&oneiric, "late", Ok);
        let request = ReplayRequest { dry_run: true, ..ReplayRequest::default() };
        let report = oneiric.replay(request, |_| {}).await.unwrap();
        assert_eq!((report.events, counts(&report, "late")), (3, [3, 0, 0, 0]));
        assert_eq!(statuses(&store).await, []);
    });
}

#[test]
fn a_replay_that_dies_at_any_commit_goes_on_where_it_was() {
    const EVENTS: u32 = 6;
    for side in [Side::Before, Side::After] {
        for dies_at in 1.. {
            let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
            let died = process(async {
                accepted(&store, EVENTS).await;
                let crashing = Arc::new(CrashingStore::new(Arc::clone(&store), dies_at, side));
                let oneiric = start(&(Arc::clone(&crashing) as Arc<dyn Store>)).await;
                subscribe(&oneiric, "late", Ok);
                let _ = oneiric.replay(ReplayRequest::default(), |_| {}).await;
                crashing.is_dead()
            });
            process(async {
                let oneiric = start(&store).await;
                let calls = subscribe(&oneiric, "late", Ok);
                let report = replay(&oneiric, Repeat::Missing).await;
                let [made, again, there, open] = counts(&report, "late");
                assert_eq!((made + open, again, there), (EVENTS.into(), 0, 0), "commit {dies_at} {side:?}");
                oneiric.carry_out(nothing()).await;
                assert_eq!(sorted(&calls), (0..EVENTS.into()).collect::<Vec<u64>>());
            });
            if !died {
                break;
            }
        }
    }
}

#[test]
fn two_replays_at_the_same_time_do_it_once() {
    process(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        accepted(&store, 200).await;
        let (one, other) = (start(&store).await, start(&store).await);
        let calls = (subscribe(&one, "late", Ok), subscribe(&other, "late", Ok));
        for (repeat, place) in [(Repeat::Missing, 0), (Repeat::Over, 1)] {
            let (a, b) = (one.clone(), other.clone());
            let a = tokio::spawn(async move { replay(&a, repeat).await });
            let b = tokio::spawn(async move { replay(&b, repeat).await });
            let (a, b) = (counts(&a.await.unwrap(), "late"), counts(&b.await.unwrap(), "late"));
            assert_eq!((a[place] + b[place], a[3] + b[3]), (200, 200), "{repeat:?}: {a:?} {b:?}");
            tokio::join!(one.carry_out(nothing()), other.carry_out(nothing()));
        }
        let calls = calls.0.lock().unwrap().len() + calls.1.lock().unwrap().len();
        assert_eq!(calls, 400);
    });
}

#[test]
fn dead_letters_go_again_or_are_given_up() {
    process(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let oneiric = start(&store).await;
        let broken = Arc::new(AtomicU32::new(1));
        let state = Arc::clone(&broken);
        let calls = subscribe(&oneiric, "k:p", move |n| match state.load(Ordering::SeqCst) {
            1 if n != 1 => Err(Fault::permanent("broken", "out of order")),
            _ => Ok(n),
        });
        for n in 0..4 {
            let envelope =
                Envelope::new("t".parse().unwrap(), json!(n)).with_header("event_id", id(n).as_str());
            oneiric.emit_and_wait(envelope, Duration::from_secs(10)).await.unwrap();
        }
        let dead = EventQuery { statuses: vec![DeliveryStatus::Dead], limit: 10, ..EventQuery::default() };
        let found = list_events(&*store, &dead).await.unwrap();
        let ids: Vec<_> = found.iter().map(|logged| logged.event.id.clone()).collect();
        assert_eq!(ids, [id(3), id(2), id(0)]);
        broken.store(0, Ordering::SeqCst);
        let of = EventSelection { ids: vec![id(0)], ..EventSelection::default() };
        let request = ReplayRequest { of, repeat: Repeat::Dead, ..ReplayRequest::default() };
        let report = oneiric.replay(request, |_| {}).await.unwrap();
        assert_eq!(counts(&report, "k:p"), [0, 1, 0, 0]);
        let of =
            EventSelection { handlers: BTreeSet::from(["other".to_owned()]), ..EventSelection::default() };
        assert_eq!(oneiric.drop_dead_letters(of).await.unwrap(), 0);
        let of = EventSelection { ids: vec![id(2)], ..EventSelection::default() };
        assert_eq!(oneiric.drop_dead_letters(of).await.unwrap(), 1);
        assert_eq!(counts(&replay(&oneiric, Repeat::Dead).await, "k:p"), [0, 1, 0, 0]);
        oneiric.carry_out(nothing()).await;
        assert_eq!(sorted(&calls), [0, 0, 1, 2, 3, 3]);
        assert_eq!(list_events(&*store, &dead).await.unwrap(), []);
        let dropped = store.deliveries(DeliveryFilter::of(id(2))).await.unwrap().remove(0).1.state;
        assert_eq!(
            (dropped.status, dropped.fault.unwrap().code.as_str()),
            (DeliveryStatus::Skipped, DROPPED)
        );
        assert_eq!(counts(&replay(&oneiric, Repeat::Missing).await, "k:p"), [0, 0, 4, 0]);
    });
}

#[test]
fn a_mistake_in_a_request_does_nothing_and_says_what_was_meant() {
    process(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        accepted(&store, 1).await;
        let oneiric = start(&store).await;
        subscribe(&oneiric, "shop.notify:mail", Ok);
        let check = async |of: EventSelection, rate: Option<u32>, expected: &str| {
            let request =
                ReplayRequest { of, rate: rate.and_then(NonZeroU32::new), ..ReplayRequest::default() };
            let error = oneiric.replay(request, |_| {}).await.unwrap_err();
            assert_eq!(error.to_string(), expected);
        };
        let any = EventSelection::default;
        let handlers = BTreeSet::from(["shop.notfy:mail".to_owned()]);
        let unknown = "event handler `shop.notfy:mail` is unknown (did you mean `shop.notify:mail`?)";
        check(EventSelection { handlers, ..any() }, None, unknown).await;
        check(EventSelection { ids: vec![id(7)], ..any() }, None, "event `event-7` is unknown").await;
        check(any(), Some(100_001), "rate: allowed are 1 to 100000 events per second").await;
        let at = Some(Timestamp::from_micros(5));
        let empty = EventSelection { since: at, until: at, ..any() };
        let never =
            "the beginning of the replay: it lies at or behind the end, so that no event can be meant";
        check(empty, None, never).await;
        assert_eq!(statuses(&store).await, []);
    });
}

const SHOP: &str = r#"
entries:
- {domain: task, key: noop, provider: x, factory: "builtin:noop"}
- {domain: workflow, key: fulfil, provider: x, factory: "builtin:noop", dag: {nodes: [{id: a, task: noop}]}}
- domain: event
  key: starter
  provider: x
  factory: "builtin:noop"
  event_topics: [t]
  metadata: {workflows: {triggers: [fulfil]}}
"#;

#[test]
fn triggers_start_on_replay_what_they_did_not_start_before() {
    process(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        accepted(&store, 2).await;
        let builder =
            crate::support::builder().store(Arc::clone(&store)).manifest_text("shop.yaml", SHOP.as_bytes());
        let oneiric = builder.load().unwrap().start().await.unwrap();
        let emitted = Envelope::new("t".parse().unwrap(), json!({}));
        let report = oneiric.emit_and_wait(emitted, Duration::from_secs(10)).await.unwrap();
        assert_eq!(report.runs.len(), 1);
        let with = |triggers, dry_run| ReplayRequest { triggers, dry_run, ..ReplayRequest::default() };
        for (request, runs) in
            [(with(false, false), 0), (with(true, true), 2), (with(true, false), 2), (with(true, false), 0)]
        {
            let report = oneiric.replay(request, |_| {}).await.unwrap();
            assert_eq!((report.events, report.runs, report.unstarted), (3, runs, 0));
        }
        assert_eq!(store.runs(RunFilter::newest(10)).await.unwrap().len(), 3);
    });
}

#[test]
fn a_rate_spreads_events_over_time() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        accepted(&store, 11).await;
        let oneiric = Oneiric::builder()
            .serve(false)
            .store(Arc::clone(&store))
            .clock(Arc::new(clock.clone()))
            .load()
            .unwrap()
            .start()
            .await
            .unwrap();
        subscribe(&oneiric, "late", Ok);
        let began = clock.monotonic();
        let request = ReplayRequest { rate: NonZeroU32::new(2), ..ReplayRequest::default() };
        oneiric.replay(request, |_| {}).await.unwrap();
        assert_eq!(clock.monotonic() - began, Duration::from_secs(5));
    });
}

#[test]
fn the_log_is_followed_from_a_place_on() {
    process(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let mut all = Tail::newest(&*store, Vec::new(), 10).await.unwrap();
        assert_eq!(all.next(&*store).await.unwrap(), []);
        accepted(&store, 5).await;
        let ids = |events: Vec<EnvelopeRecord>| events.into_iter().map(|event| event.id).collect::<Vec<_>>();
        assert_eq!(ids(all.next(&*store).await.unwrap()), [id(0), id(1), id(2), id(3), id(4)]);
        assert_eq!(all.next(&*store).await.unwrap(), []);
        let mut last = Tail::newest(&*store, vec!["*".parse().unwrap()], 2).await.unwrap();
        assert_eq!(ids(last.next(&*store).await.unwrap()), [id(3), id(4)]);
        let mut none = Tail::newest(&*store, vec!["other".parse().unwrap()], 2).await.unwrap();
        assert_eq!(none.next(&*store).await.unwrap(), []);
        let mut since = Tail::since(Vec::new(), Some(Timestamp::from_micros(3)));
        assert_eq!(ids(since.next(&*store).await.unwrap()), [id(3), id(4)]);
        assert_eq!(Tail::newest(&*store, Vec::new(), 0).await.unwrap().next(&*store).await.unwrap(), []);
    });
}

#[test]
fn old_events_go_once_they_are_done_with() {
    process(async {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        // Accepted in 1970.
        accepted(&store, 5).await;
        let oneiric = start(&store).await;
        subscribe(&oneiric, "late", Ok);
        let rows = [(1, "late", DeliveryStatus::Done), (2, "late", DeliveryStatus::Pending)];
        let lost = [(3, "gone", DeliveryStatus::Pending), (4, "gone", DeliveryStatus::Dead)];
        for (n, handler, status) in rows.into_iter().chain(lost) {
            let record = oneiric_store::DeliveryRecord {
                event: id(n),
                handler: handler.to_owned(),
                priority: oneiric_core::roles::Priority::Normal,
                chain: oneiric_store::ChainMode::Ordered,
                behind: Vec::new(),
                state: DeliveryState { status, ..DeliveryState::due(Timestamp::from_micros(1)) },
            };
            store.commit(Batch::of([Op::PutDelivery(Box::new(record))])).await.unwrap();
        }
        let tidied = oneiric.tidy_events().await.unwrap();
        assert_eq!((tidied.dropped, tidied.unknown), (3, 1));
        let all = EventQuery { limit: 10, ..EventQuery::default() };
        let left = list_events(&*store, &all).await.unwrap();
        let left: Vec<_> =
            left.iter().map(|logged| (logged.event.id.clone(), logged.deliveries[0].state.status)).collect();
        assert_eq!(left, [(id(3), DeliveryStatus::Dead), (id(2), DeliveryStatus::Pending)]);
        assert_eq!(
            oneiric.tidy_events().await.unwrap(),
            Default::default(),
            "its dead letter is seen for a week"
        );
    });
}

#[test]
fn a_process_that_serves_keeps_the_log_short() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let settings = Settings::default();
        let keep = settings.event_delivery.keep_seconds.duration();
        let oneiric = Oneiric::builder().settings(settings).clock(Arc::new(clock.clone())).load().unwrap();
        let oneiric = oneiric.start().await.unwrap();
        let store = Arc::clone(oneiric.store());
        let stored = || Envelope {
            delivery: Some(DeliveryMode::AtLeastOnce),
            ..Envelope::new("t".parse().unwrap(), Value::Null)
        };
        for _ in 0..250 {
            oneiric.emit_and_wait(stored(), Duration::from_secs(1)).await.unwrap();
        }
        let count = async || {
            list_events(&*store, &EventQuery { limit: 1000, ..EventQuery::default() }).await.unwrap().len()
        };
        clock.sleep(keep - Duration::from_secs(3600)).await;
        assert_eq!(count().await, 250);
        clock.sleep(Duration::from_secs(2 * 3600)).await;
        assert_eq!(count().await, 0);
    });
}

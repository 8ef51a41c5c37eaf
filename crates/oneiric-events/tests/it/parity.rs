//! What ACB's event bus and upstream's dispatcher can do, each as a claim; `docs/events.md` names them in its table.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::linked::handler_fn;
use oneiric_core::manifest::{self, FanoutPolicy, Overflow};
use oneiric_core::retry::RetryPolicy;
use oneiric_core::roles::{DeliveryMode, Envelope, EventHandler, Priority};
use oneiric_core::{Clock as _, Descriptor, Fault, Payload, Source};
use oneiric_events::{Defaults, Filter, Handler, Index, Interest, Predicate, Subscription, typed};
use serde_json::{Value, json};

use crate::world::{World, about, at, code, event, names, pattern, plain, subscription};

#[derive(serde::Deserialize)]
struct Order {
    number: u32,
}

/// A struct that handles events.
#[derive(Debug)]
struct Clerk;

#[async_trait]
impl EventHandler for Clerk {
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        Ok(Payload::from(json!(envelope.topic.as_str())))
    }
}

#[test]
fn a_handler_is_a_struct_a_function_of_the_event_or_a_function_of_a_type() {
    let world = World::new();
    let of_event = handler_fn(|event: Envelope| async move { Ok::<_, Fault>(event.payload) });
    let of_order = typed(|order: Order| async move { Ok::<_, Fault>(order.number + 1) });
    world.dispatcher.subscribe(plain("struct"), Handler::fixed(Arc::new(Clerk)));
    world.dispatcher.subscribe(plain("function"), Handler::fixed(Arc::new(of_event)));
    world.dispatcher.subscribe(plain("typed"), Handler::fixed(Arc::new(of_order)));
    let dispatched = world.dispatch(&event("order.paid", json!({"number": 7})));
    let value = |name: &str| at(&dispatched, name).result.as_ref().unwrap().value().clone();
    assert_eq!(value("struct"), "order.paid");
    assert_eq!(value("function"), json!({"number": 7}));
    assert_eq!(value("typed"), 8);
    // What is not of the type is a fault that names the field, and is not tried again.
    let wrong = world.dispatch(&event("order.paid", json!({"number": "seven"})));
    let fault = at(&wrong, "typed").result.clone().unwrap_err();
    assert_eq!((fault.code.as_str(), at(&wrong, "typed").attempts), ("bad-payload", 1));
    assert!(fault.message.contains("number"), "{fault}");
}

#[test]
fn a_predicate_in_code_decides_who_gets_an_event() {
    let world = World::new();
    let large: Predicate = Arc::new(|event| event.payload.value()["number"].as_u64() > Some(5));
    world.interested("large", Interest { predicate: Some(large), ..Interest::default() });
    assert_eq!(world.reaches(&event("t", json!({"number": 6}))), ["large"]);
    assert!(world.reaches(&event("t", json!({"number": 5}))).is_empty());
}

#[test]
fn every_condition_of_an_interest_must_hold() {
    let filter = |written: Value| Filter::new(&written).unwrap();
    let interest = Interest {
        topics: vec![pattern("order.*"), pattern("invoice.*")],
        filters: vec![
            filter(json!({"path": "payload.tenant", "any_of": ["a", "b"]})),
            filter(json!({"path": "headers.trace_id", "exists": true})),
        ],
        tags: BTreeSet::from(["vip".to_owned(), "eu".to_owned()]),
        sources: vec![pattern("shop.*")],
        routing_keys: vec![pattern("eu.#")],
        min_priority: Some(Priority::High),
        when: None,
        predicate: None,
    };
    let world = World::new();
    world.interested("picky", interest);
    let good = || {
        let mut event = event("order.paid", json!({"tenant": "a"}))
            .with_header("trace_id", "t-1")
            .with_header("source", "shop.web");
        event.tags = ["vip", "eu", "new"].map(str::to_owned).into();
        event.routing_key = Some("eu.de.berlin".to_owned());
        event.priority = Priority::Critical;
        event
    };
    assert_eq!(world.reaches(&good()), ["picky"]);
    let misses: [fn(&mut Envelope); 8] = [
        |event| event.topic = "refund.paid".parse().unwrap(),
        |event| event.payload = json!({"tenant": "c"}).into(),
        |event| drop(event.headers.remove("trace_id")),
        |event| event.tags = ["eu".to_owned()].into(),
        |event| drop(event.headers.insert("source".to_owned(), json!("bank.web"))),
        |event| drop(event.headers.remove("source")),
        |event| event.routing_key = None,
        |event| event.priority = Priority::Normal,
    ];
    for (place, miss) in misses.iter().enumerate() {
        let mut event = good();
        miss(&mut event);
        assert!(world.reaches(&event).is_empty(), "{place}: {event:?}");
    }
}

#[test]
fn sources_and_topics_may_be_regular_expressions() {
    let world = World::new();
    let interest = Interest { sources: vec![pattern("/^shop-[0-9]+$/")], ..Interest::default() };
    world.interested("shops", interest);
    assert_eq!(world.reaches(&about("t").with_header("source", "shop-12")), ["shops"]);
    assert!(world.reaches(&about("t").with_header("source", "shop-x")).is_empty());
}

#[test]
fn whoever_names_no_topic_gets_every_event() {
    let world = World::new();
    world.interested("all", Interest::default());
    world.on("orders", "order.*");
    assert_eq!(world.reaches(&about("order.paid")), ["all", "orders"]);
    assert_eq!(world.reaches(&about("anything")), ["all"]);
}

#[test]
fn of_exclusive_handlers_the_highest_alone_gets_the_event() {
    let world = World::new();
    let fanout = FanoutPolicy::Exclusive;
    let subscribe = |subscription: Subscription| {
        let handler = world.works(&subscription.name, 0);
        world.dispatcher.subscribe(subscription, handler)
    };
    subscribe(Subscription { priority: 9, ..subscription("everybody", "t") });
    subscribe(Subscription { priority: 1, fanout, ..subscription("lower", "t") });
    let highest = subscribe(Subscription { priority: 2, fanout, ..subscription("highest", "t") });
    assert_eq!(world.reaches(&about("t")), ["highest"]);
    world.dispatcher.unsubscribe(highest);
    assert_eq!(world.reaches(&about("t")), ["lower"]);
    // An event that it does not want goes to the others as ever.
    subscribe(subscription("everybody", "#"));
    assert_eq!(world.reaches(&about("u")), ["everybody"]);
}

#[test]
fn after_the_first_success_nobody_further_is_asked() {
    let world = World::new();
    let fails = handler_fn(|_: Envelope| async { Err::<(), _>(Fault::permanent("down", "it is down")) });
    let chain = |name: &str, priority| Subscription {
        priority,
        fanout: FanoutPolicy::FirstSuccess,
        ..subscription(name, "t")
    };
    world.dispatcher.subscribe(chain("first", 3), Handler::fixed(Arc::new(fails)));
    world.dispatcher.subscribe(chain("second", 2), world.works("second", 1));
    world.dispatcher.subscribe(chain("third", 1), world.works("third", 0));
    world.on("beside", "t");
    let dispatched = world.dispatch(&about("t"));
    assert_eq!(names(&dispatched), ["first", "second", "beside"]);
    assert_eq!(code(&dispatched, "first"), "down");
    assert!(at(&dispatched, "second").is_success());
}

#[test]
fn a_handler_is_tried_again_as_its_policy_says_and_only_where_that_may_help() {
    let fails = |fault: fn() -> Fault, times: u32| {
        let calls = Arc::new(AtomicU32::new(0));
        let handler = handler_fn(move |_: Envelope| {
            let call = calls.fetch_add(1, Ordering::SeqCst);
            async move { if call < times { Err(fault()) } else { Ok(call) } }
        });
        Handler::fixed(Arc::new(handler))
    };
    let transient = || Fault::transient("busy", "it is busy");
    let permanent = || Fault::permanent("wrong", "it is wrong");
    let check = |retry: Option<RetryPolicy>, handler: Handler, attempts: u32, seconds: u64, success: bool| {
        let world = World::new();
        world.dispatcher.subscribe(Subscription { retry, ..plain("h") }, handler);
        let dispatched = world.dispatch(&about("t"));
        let outcome = at(&dispatched, "h");
        assert_eq!((outcome.attempts, outcome.is_success()), (attempts, success), "{retry:?}");
        assert_eq!((outcome.took, world.clock.monotonic()), (Duration::from_secs(seconds), outcome.took));
    };
    let policy =
        Some(RetryPolicy { attempts: 4, base_delay: 1.0, max_delay: Some(3.0), ..RetryPolicy::ONCE });
    // One, two and then three seconds in between.
    check(policy, fails(transient, 3), 4, 6, true);
    check(policy, fails(transient, 9), 4, 6, false);
    check(policy, fails(permanent, 1), 1, 0, false);
    check(None, fails(transient, 1), 1, 0, false);
}

#[test]
fn an_event_that_has_expired_is_not_handled() {
    let world = World::new();
    world.on("late", "t");
    world.clock.advance(Duration::from_secs(10));
    let fresh = Envelope { expires_at: Some(world.clock.now().after(Duration::from_secs(1))), ..about("t") };
    assert_eq!(world.reaches(&fresh), ["late"]);
    let expired = Envelope { expires_at: Some(world.clock.now()), ..about("t") };
    let dispatched = world.dispatch(&expired);
    assert_eq!((at(&dispatched, "late").attempts, at(&dispatched, "late").is_success()), (0, false));
    assert_eq!(world.began(), ["late"], "once, with the other one");
}

#[test]
fn a_subscription_counts_what_it_did_and_how_long_that_took() {
    let world = World::new();
    let subscribed = subscription("busy", "t");
    world.dispatcher.subscribe(subscribed, world.works("busy", 2));
    let fails = handler_fn(|_: Envelope| async { Err::<(), _>(Fault::permanent("down", "it is down")) });
    world.dispatcher.subscribe(subscription("down", "t"), Handler::fixed(Arc::new(fails)));
    for _ in 0..3 {
        world.dispatch(&about("t"));
    }
    let counts = world.dispatcher.counts();
    let (busy, down) = (&counts[0].1, &counts[1].1);
    assert_eq!((busy.succeeded.count, busy.succeeded.sum_ms, busy.attempts), (3, 6000.0, 3));
    assert_eq!((down.failed.count, down.succeeded.count), (3, 0));
}

#[test]
fn the_bounds_of_a_subscription_that_says_nothing_are_those_of_the_original() {
    let Defaults { timeout, buffer } = Defaults::default();
    assert_eq!((timeout.as_secs(), buffer), (30, 1000));
    let plain = plain("plain");
    assert_eq!((plain.max_concurrency, plain.timeout, plain.buffer), (1, timeout, buffer));
}

#[test]
fn whatever_an_emitter_says_reaches_the_handler_unchanged() {
    let world = World::new();
    let echo = handler_fn(|event: Envelope| async move { Ok::<_, Fault>(event) });
    world.dispatcher.subscribe(plain("echo"), Handler::fixed(Arc::new(echo)));
    let mut event = event("t", json!({"n": 1.5}))
        .with_header("correlation_id", "c-1")
        .with_header("causation_id", "e-0")
        .with_header("reply_to", "order.answers");
    event.priority = Priority::Critical;
    event.routing_key = Some("eu".to_owned());
    event.tags = ["vip".to_owned()].into();
    let dispatched = world.dispatch(&event);
    let had = at(&dispatched, "echo").result.as_ref().unwrap().value();
    assert_eq!(*had, serde_json::to_value(&event).unwrap());
    assert_eq!(had["headers"]["reply_to"], "order.answers");
}

#[test]
fn a_declared_handler_that_has_changed_keeps_its_slots_and_its_counts() {
    let world = World::new();
    let declare = |topic: &str, most: u32| {
        let changed = Subscription { max_concurrency: most, ..subscription("h", topic) };
        world.dispatcher.declare([(changed, world.works("h", 10))]);
    };
    declare("a", 1);
    let (one, two) = (about("a"), about("b"));
    oneiric_testkit::virtual_time(&world.clock, async {
        let first = world.dispatcher.dispatch(&one);
        let then = async {
            // The first one is at work on the old table by now.
            world.clock.sleep(Duration::from_secs(1)).await;
            declare("b", 1);
            world.dispatcher.dispatch(&two).await
        };
        let (first, second) = tokio::join!(first, then);
        assert!(first.is_success() && second.is_success());
    });
    assert_eq!(world.clock.monotonic().as_secs(), 20, "one at a time, whichever table they are on");
    assert_eq!(world.dispatcher.counts()[0].1.succeeded.count, 2);
    // Of more slots there are more at once.
    declare("b", 2);
    assert_eq!(world.dispatcher.counts()[0].1.succeeded.count, 2);
    assert_eq!(world.dispatcher.subscriptions()[0].max_concurrency, 2);
}

#[test]
fn events_of_one_table_know_what_it_was_made_from() {
    let world = World::new();
    let declare = |origin: &'static str| {
        let handler = (plain("h"), world.works("h", 0));
        world.dispatcher.declare_of([handler], Arc::new(origin));
    };
    declare("old");
    let before = world.dispatcher.plan(&about("t"));
    declare("new");
    world.on("added", "t");
    let after = world.dispatcher.plan(&about("t"));
    let origin = |plan: &oneiric_events::Plan| *plan.origin::<&'static str>().unwrap();
    assert_eq!((origin(&before), origin(&after)), ("old", "new"));
    assert_eq!((before.handlers(), after.handlers()), (1, 2));
    assert!(after.origin::<u32>().is_none());
}

#[test]
fn a_topic_is_found_among_ten_thousand_patterns() {
    let patterns: Vec<_> = (0..10_000).map(|n| pattern(&format!("order.{n}.*"))).collect();
    let index = Index::new(patterns.iter().zip(0..));
    let mut found = Vec::new();
    index.find("order.1234.paid", &mut found);
    assert_eq!(found, [1234]);
}

/// The subscription of the only entry of a manifest.
fn declared(entry: &str) -> Subscription {
    let text = format!(
        "entries:\n- {{domain: event, key: audit, provider: shop, factory: 'builtin:noop', {entry}}}"
    );
    let manifest = manifest::parse("shop.yaml", text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    let descriptor: Arc<Descriptor> = Arc::new(manifest.entries[0].descriptor(Source::Manual));
    let defaults = Defaults { timeout: Duration::from_secs(7), buffer: 11 };
    Subscription::of(&descriptor, &defaults).unwrap()
}

#[test]
fn what_a_manifest_says_of_events_is_what_its_subscription_does() {
    let said = declared(
        "priority: 3, event_priority: 9, event_topics: ['order.*'], event_max_concurrency: 4, event_fanout_policy: ordered, \
         event_filters: [{path: n, equals: 1}], event_when: 'payload.n > 0', event_tags: [vip], event_sources: [shop], \
         event_routing_keys: ['eu.#'], event_min_priority: high, event_delivery: at_least_once, event_buffer: 5, \
         event_overflow: drop_oldest, timeout_seconds: 2, idempotent: true, retry_policy: {attempts: 3}",
    );
    let of = said.clone();
    assert_eq!((&*of.name, of.key.as_str(), of.priority, of.max_concurrency), ("audit:shop", "audit", 9, 4));
    assert_eq!((of.fanout, of.delivery), (FanoutPolicy::Ordered, DeliveryMode::AtLeastOnce));
    assert_eq!((of.buffer, of.overflow, of.timeout), (5, Overflow::DropOldest, Duration::from_secs(2)));
    assert_eq!((of.idempotent, of.retry.map(|retry| retry.attempts)), (Some(true), Some(3)));
    let world = World::new();
    world.dispatcher.subscribe(said, world.works("audit", 0));
    let mut event = event("order.paid", json!({"n": 1})).with_header("source", "shop");
    event.tags = ["vip".to_owned()].into();
    event.routing_key = Some("eu.de".to_owned());
    event.priority = Priority::High;
    assert_eq!(world.reaches(&event), ["audit:shop"]);
    for other in [json!({"n": 2}), json!({"n": -1}), json!({})] {
        assert!(world.reaches(&Envelope { payload: other.into(), ..event.clone() }).is_empty());
    }
    let plain = declared("priority: 3");
    assert_eq!((plain.priority, plain.max_concurrency, plain.fanout), (3, 1, FanoutPolicy::Broadcast));
    assert_eq!(
        (plain.timeout, plain.buffer, plain.delivery),
        (Duration::from_secs(7), 11, DeliveryMode::FireAndForget)
    );
    assert_eq!(plain.interest, Interest::default());
}

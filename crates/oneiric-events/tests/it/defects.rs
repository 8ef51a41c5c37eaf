//! What the Python original got wrong with events, each as a claim. The numbers are those of the list of weaknesses
//! that was drawn up of it; what needs a whole process is in `crates/oneiric-runtime/tests/it/event_defects.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use oneiric_core::linked::handler_fn;
use oneiric_core::manifest::FanoutPolicy;
use oneiric_core::roles::Envelope;
use oneiric_core::{Clock as _, Fault};
use oneiric_events::{Filter, FilterError, Handler, Interest, Subscription, typed};
use oneiric_testkit::virtual_time;
use serde_json::{Value, json};

use crate::world::{World, about, at, code, event, names, plain, subscription};

#[test]
fn defect_27_max_concurrency_is_enforced() {
    for most in [1, 3] {
        let world = World::new();
        let (now, high) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (counting, highest, clock) = (Arc::clone(&now), Arc::clone(&high), world.clock.clone());
        let handler = handler_fn(move |_: Envelope| {
            let (now, high, clock) = (Arc::clone(&counting), Arc::clone(&highest), clock.clone());
            async move {
                high.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                clock.sleep(Duration::from_secs(1)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Fault>(())
            }
        });
        let limited = Subscription { max_concurrency: most, ..plain("limited") };
        world.dispatcher.subscribe(limited, Handler::fixed(Arc::new(handler)));
        let ten: Vec<_> = (0..10).map(|_| about("t")).collect();
        let all = join_all(ten.iter().map(|event| world.dispatcher.dispatch(event)));
        let all = virtual_time(&world.clock, all);
        assert!(all.iter().all(oneiric_events::Dispatched::is_success), "{all:?}");
        assert_eq!(high.load(Ordering::SeqCst), most);
        // Ten seconds of work, so many at a time.
        assert_eq!(world.clock.monotonic().as_secs(), u64::from(10_u32.div_ceil(most)));
    }
}

#[test]
fn defect_28_a_handler_that_fails_in_any_way_cancels_nobody() {
    let world = World::new();
    let fails = |fault: fn() -> Fault| {
        let handler = move |_: Envelope| async move { Err::<(), _>(fault()) };
        Handler::fixed(Arc::new(handler_fn(handler)))
    };
    let panics =
        handler_fn(
            |event: Envelope| async move { Ok::<_, Fault>(event.headers.get("never").cloned().unwrap()) },
        );
    let panics_at_once = handler_fn(|event: Envelope| {
        assert!(event.headers.contains_key("never"), "KeyError");
        async { Ok::<_, Fault>(()) }
    });
    let hangs = handler_fn(|_: Envelope| std::future::pending::<Result<(), Fault>>());
    let picky = typed(|_: Vec<u32>| async { Ok::<_, Fault>(()) });
    let all = [
        ("permanent", fails(|| Fault::permanent("gone", "it is gone")), "gone"),
        ("transient", fails(|| Fault::transient("busy", "it is busy")), "busy"),
        ("denied", fails(|| Fault::denied("no", "it may not")), "no"),
        ("unknown", fails(|| Fault::unknown_outcome("lost", "who knows")), "lost"),
        ("shutdown", fails(|| Fault::shutdown("it goes")), "shutdown"),
        ("panics", Handler::fixed(Arc::new(panics)), "panic"),
        ("panics at once", Handler::fixed(Arc::new(panics_at_once)), "panic"),
        ("hangs", Handler::fixed(Arc::new(hangs)), "timeout"),
        ("picky", Handler::fixed(Arc::new(picky)), "bad-payload"),
    ];
    let predicate: oneiric_events::Predicate = Arc::new(|_| panic!("a predicate is foreign code, too"));
    world.interested("never", Interest { predicate: Some(predicate), ..Interest::default() });
    for (name, handler, _) in &all {
        world.dispatcher.subscribe(plain(name), handler.clone());
    }
    // Longer than all of them.
    let patient = Subscription { timeout: Duration::from_secs(100), ..plain("good") };
    world.dispatcher.subscribe(patient, world.works("good", 60));
    let dispatched = world.dispatch(&about("t"));
    assert_eq!(dispatched.results.len(), all.len() + 1, "{dispatched:?}");
    for (name, _, expected) in &all {
        assert_eq!(code(&dispatched, name), *expected, "{name}");
    }
    assert_eq!(at(&dispatched, "good").result.as_ref().unwrap().value(), "good");
}

#[test]
fn defect_29_priority_orders_results_and_a_pipeline() {
    let world = World::new();
    // The higher, the longer it works: results are not in the order in which they ended.
    for (name, priority) in [("low", 1), ("high", 3), ("middle", 2)] {
        let subscription = Subscription { priority, ..plain(name) };
        world.dispatcher.subscribe(subscription, world.works(name, u64::from(priority.unsigned_abs())));
    }
    assert_eq!(names(&world.dispatch(&about("t"))), ["high", "middle", "low"]);
    let began = world.clock.monotonic();
    let ordered = World::new();
    for (name, priority) in [("low", 1), ("high", 3), ("middle", 2)] {
        let subscription = Subscription { priority, fanout: FanoutPolicy::Ordered, ..plain(name) };
        ordered.dispatcher.subscribe(subscription, ordered.works(name, u64::from(priority.unsigned_abs())));
    }
    assert_eq!(names(&ordered.dispatch(&about("t"))), ["high", "middle", "low"]);
    assert_eq!(ordered.began(), ["high", "middle", "low"]);
    assert_eq!(
        (began.as_secs(), ordered.clock.monotonic().as_secs()),
        (3, 6),
        "at once, and one after the other"
    );
}

#[test]
fn defect_29_topics_have_wildcards_and_regular_expressions() {
    let world = World::new();
    for topic in ["order.paid", "order.*", "order.>", "#.paid", r"/^order\.(paid|sent)$/"] {
        world.on(topic, topic);
    }
    let check =
        |topic: &str, expected: &[&str]| assert_eq!(world.reaches(&about(topic)), expected, "{topic}");
    check("order.paid", &["order.paid", "order.*", "order.>", "#.paid", r"/^order\.(paid|sent)$/"]);
    check("order.sent", &["order.*", "order.>", r"/^order\.(paid|sent)$/"]);
    check("order.paid.eu", &["order.>"]);
    check("invoice.paid", &["#.paid"]);
    check("order", &[]);
}

#[test]
fn defect_29_subscriptions_come_and_go_at_run_time() {
    let world = World::new();
    let (first, _second) = (world.on("first", "t"), world.on("second", "t"));
    assert_eq!(world.reaches(&about("t")), ["first", "second"]);
    assert!(world.dispatcher.unsubscribe(first));
    assert!(!world.dispatcher.unsubscribe(first), "it has left before");
    assert_eq!(world.reaches(&about("t")), ["second"]);
}

#[test]
fn defect_29_a_handler_that_hangs_is_given_up_after_thirty_seconds_unless_it_says_otherwise() {
    let world = World::new();
    let hangs = || {
        let hangs = handler_fn(|_: Envelope| std::future::pending::<Result<(), Fault>>());
        Handler::fixed(Arc::new(hangs))
    };
    world.dispatcher.subscribe(plain("plain"), hangs());
    let short = Subscription { timeout: Duration::from_secs(2), ..plain("short") };
    world.dispatcher.subscribe(short, hangs());
    let dispatched = world.dispatch(&about("t"));
    let check = |name: &str, seconds: u64| {
        assert_eq!(code(&dispatched, name), "timeout");
        assert_eq!(at(&dispatched, name).took, Duration::from_secs(seconds));
    };
    check("plain", 30);
    check("short", 2);
}

#[test]
fn defect_30_an_empty_any_of_matches_nothing() {
    let none = Filter::new(&json!({"path": "tenant", "any_of": []})).unwrap();
    for payload in [json!({"tenant": "a"}), json!({"tenant": null}), json!({}), json!([])] {
        assert!(!none.accepts(&event("t", payload.clone())), "{payload}");
    }
}

#[test]
fn defect_30_what_is_missing_is_not_null() {
    let check = |filter: Value, of_null: bool, of_missing: bool| {
        let said = Filter::new(&filter).unwrap();
        let null = said.accepts(&event("t", json!({"tenant": null})));
        let missing = said.accepts(&event("t", json!({})));
        assert_eq!((null, missing), (of_null, of_missing), "{filter}");
    };
    check(json!({"path": "tenant", "exists": true}), true, false);
    check(json!({"path": "tenant", "exists": false}), false, true);
    check(json!({"path": "tenant", "equals": null}), true, false);
    check(json!({"path": "tenant", "any_of": [null]}), true, false);
}

#[test]
fn defect_30_a_filter_that_says_nothing_or_misspells_it_is_an_error() {
    let check = |filter: Value, expected: FilterError| {
        assert_eq!(Filter::new(&filter).unwrap_err(), expected, "{filter}");
    };
    check(json!({"pth": "tenant", "equals": 1}), FilterError::Unknown("pth".to_owned()));
    check(json!({"equals": 1}), FilterError::NoPath);
    check(json!({"path": "", "equals": 1}), FilterError::NoPath);
    check(json!({"path": "tenant"}), FilterError::NoCondition("tenant".to_owned()));
}

#[test]
fn defect_30_a_condition_that_cannot_be_decided_wants_nothing_and_is_counted() {
    let world = World::new();
    let when = oneiric_core::Expr::compile_with("payload.total > 100", oneiric_events::EVENT_VARIABLES);
    world.interested("big", Interest { when: Some(when.unwrap()), ..Interest::default() });
    world.dispatcher.subscribe(subscription("all", "t"), world.works("all", 0));
    assert_eq!(world.reaches(&event("t", json!({"total": 101}))), ["big", "all"]);
    assert_eq!(world.reaches(&event("t", json!({"total": "much"}))), ["all"]);
    assert_eq!(world.reaches(&event("t", json!({}))), ["all"]);
    let counts = world.dispatcher.counts();
    assert_eq!(counts.iter().map(|(_, counts)| counts.undecided).collect::<Vec<_>>(), [2, 0]);
}

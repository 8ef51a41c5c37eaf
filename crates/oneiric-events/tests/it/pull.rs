//! Events that are fetched.

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::Clock;
use oneiric_core::manifest::{FanoutPolicy, Overflow};
use oneiric_core::roles::{DeliveryMode, Envelope};
use oneiric_events::{Pull, Subscription};
use oneiric_testkit::{ManualClock, virtual_time};

use crate::numbers::{Seen, counts, dispatcher, event, ms, number, subscription};

fn all(pull: &Pull) -> Vec<usize> {
    std::iter::from_fn(|| pull.try_next()).map(|envelope| number(&envelope)).collect()
}

fn numbers(batch: &[Arc<Envelope>]) -> Vec<usize> {
    batch.iter().map(|envelope| number(envelope)).collect()
}

#[test]
fn events_wait_until_they_are_fetched() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let dispatcher = dispatcher(&clock);
        let pull = dispatcher.subscribe_pull(subscription("pull")).unwrap();
        assert!(pull.try_next().is_none());
        for number in 0..3 {
            assert_eq!(dispatcher.emit(event(number)).await.taken, 1);
        }
        assert_eq!((pull.len(), number(&pull.next().await.unwrap())), (3, 0));
        assert_eq!(all(&pull), [1, 2]);
        // Who waits is woken, and who emits and waits for handlers waits until the event is in the buffer.
        let late = async {
            clock.sleep(ms(10)).await;
            dispatcher.dispatch(&event(3)).await
        };
        let (next, dispatched) = tokio::join!(pull.next(), late);
        assert_eq!((number(&next.unwrap()), dispatched.results[0].is_success()), (3, true));
        assert_eq!(counts(&dispatcher, "pull").pulled, 4);
    });
}

#[test]
fn a_batch_is_full_or_what_has_come_in_time() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let dispatcher = dispatcher(&clock);
        let pull = dispatcher.subscribe_pull(subscription("pull")).unwrap();
        let emitter = async {
            for number in 0..7 {
                dispatcher.emit(event(number)).await;
                clock.sleep(ms(10)).await;
            }
        };
        let puller = async {
            let full = pull.batch(3, ms(1000)).await;
            assert_eq!((numbers(&full), clock.monotonic()), (vec![0, 1, 2], ms(20)));
            let some = pull.batch(10, ms(25)).await;
            assert_eq!((numbers(&some), clock.monotonic()), (vec![3, 4], ms(45)));
        };
        tokio::join!(emitter, puller);
        assert_eq!(numbers(&pull.batch(10, Duration::ZERO).await), [5, 6]);
        assert_eq!(pull.batch(0, ms(1)).await.len(), 0);
        let began = clock.monotonic();
        assert_eq!(pull.batch(1, ms(5)).await.len(), 0);
        assert_eq!(clock.monotonic() - began, ms(5));
    });
}

#[test]
fn each_event_is_fetched_once_however_many_fetch() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        const EVENTS: usize = 20_000;
        let dispatcher = dispatcher(&ManualClock::new());
        // No room for all of them: whoever emits is held up, and nobody misses a bell.
        let narrow = Subscription { buffer: 16, ..subscription("pull") };
        let pull = Arc::new(dispatcher.subscribe_pull(narrow).unwrap());
        let pullers: Vec<_> = (0..4)
            .map(|_| {
                let pull = Arc::clone(&pull);
                tokio::spawn(async move {
                    let mut mine = Vec::new();
                    while let Some(envelope) = pull.next().await {
                        mine.push(number(&envelope));
                    }
                    mine
                })
            })
            .collect();
        let emitters: Vec<_> = (0..4)
            .map(|of| {
                let dispatcher = dispatcher.clone();
                tokio::spawn(async move {
                    for at in (of..EVENTS).step_by(4) {
                        assert_eq!(dispatcher.emit(event(at)).await.taken, 1);
                    }
                })
            })
            .collect();
        for emitter in emitters {
            emitter.await.unwrap();
        }
        assert!(dispatcher.unsubscribe(pull.subscribed()), "then it ends for all of them");
        let mut had = Vec::new();
        for puller in pullers {
            had.extend(puller.await.unwrap());
        }
        had.sort_unstable();
        assert!(had.into_iter().eq(0..EVENTS));
    });
}

#[test]
fn a_handler_and_whoever_fetches_share_the_events() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let (dispatcher, seen) = (dispatcher(&clock), Seen::default());
        let pull = dispatcher.subscribe_hybrid(subscription("both"), seen.handler(&clock, ms(10))).unwrap();
        for number in 0..4 {
            dispatcher.emit(event(number)).await;
        }
        clock.sleep(ms(5)).await;
        // The handler is at the first one; the others are there for who wants them.
        assert_eq!(pull.try_next().map(|envelope| number(&envelope)), Some(1));
        clock.sleep(ms(100)).await;
        assert_eq!(seen.all(), [0, 2, 3]);
        // While the handler is kept from them, all are.
        dispatcher.pause("both");
        dispatcher.emit(event(4)).await;
        dispatcher.emit(event(5)).await;
        clock.sleep(ms(100)).await;
        assert_eq!(pull.try_next().map(|envelope| number(&envelope)), Some(4));
        // What waits when nobody fetches any more goes to the handler.
        drop(pull);
        clock.sleep(ms(100)).await;
        assert_eq!(seen.all(), [0, 2, 3, 5]);
        assert_eq!(dispatcher.emit(event(6)).await.taken, 0);
    });
}

#[test]
fn a_subscription_ends_with_whoever_fetches() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let dispatcher = dispatcher(&clock);
        let pull = dispatcher.subscribe_pull(subscription("pull")).unwrap();
        dispatcher.emit(event(0)).await;
        drop(pull);
        assert_eq!((dispatcher.emit(event(1)).await.taken, dispatcher.subscriptions().len()), (0, 0));
        // At the end of the process, what waits can still be fetched.
        let pull = dispatcher.subscribe_pull(subscription("pull")).unwrap();
        dispatcher.emit(event(2)).await;
        assert_eq!(dispatcher.shutdown(ms(1)).await, 1, "the one that was dropped with the first");
        assert_eq!(pull.next().await.map(|envelope| number(&envelope)), Some(2));
        assert!(pull.next().await.is_none());
        assert_eq!(pull.batch(3, ms(10)).await.len(), 0);
    });
}

#[test]
fn what_is_fetched_is_promised_nothing() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let dispatcher = dispatcher(&clock);
        let refused =
            |subscription: Subscription| dispatcher.subscribe_pull(subscription).unwrap_err().to_string();
        let delivery = DeliveryMode::AtLeastOnce;
        assert_eq!(
            refused(Subscription { delivery, ..subscription("pull") }),
            "`event_delivery`: a subscription whose events are fetched is promised nothing"
        );
        assert_eq!(
            refused(Subscription { fanout: FanoutPolicy::Ordered, ..subscription("pull") }),
            "`fanout_policy`: a subscription whose events are fetched is no part of a chain"
        );
        // An event that says so is stored, but not for it.
        let pull = dispatcher.subscribe_pull(subscription("pull")).unwrap();
        let promised = Envelope { delivery: Some(delivery), ..event(1) };
        let plan = dispatcher.plan(&promised);
        assert_eq!((plan.is_stored(), plan.handlers()), (true, 1));
        let reject = Subscription { buffer: 1, overflow: Overflow::Reject, ..subscription("narrow") };
        let narrow = dispatcher.subscribe_pull(reject).unwrap();
        let outcomes = [dispatcher.dispatch(&promised).await, dispatcher.dispatch(&promised).await];
        let ok: Vec<_> = outcomes
            .iter()
            .flat_map(|done| done.results.iter().map(|outcome| outcome.is_success()))
            .collect();
        assert_eq!(ok, [true, true, true, false]);
        assert_eq!((pull.len(), narrow.len(), counts(&dispatcher, "narrow").overflowed), (2, 1, 1));
    });
}

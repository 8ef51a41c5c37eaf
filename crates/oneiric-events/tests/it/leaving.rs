//! Subscriptions that end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use oneiric_core::Clock;
use oneiric_testkit::{ManualClock, virtual_time};

use crate::numbers::{Seen, dispatcher, event, handler, ms, subscription};

#[test]
fn those_under_way_end_when_their_subscription_does() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let (dispatcher, seen) = (dispatcher(&clock), Seen::default());
        let subscribed = dispatcher.subscribe(subscription("a"), seen.handler(&clock, ms(10)));
        for number in 0..3 {
            dispatcher.emit(event(number)).await;
        }
        let waited = event(3);
        let waiting = dispatcher.dispatch(&waited);
        let leave = async {
            clock.sleep(ms(5)).await;
            assert!(dispatcher.unsubscribe(subscribed) && !dispatcher.unsubscribe(subscribed));
            assert_eq!(dispatcher.emit(event(4)).await.taken, 0);
            assert_eq!(dispatcher.dispatch(&event(5)).await.results.len(), 0);
        };
        let (dispatched, ()) = tokio::join!(waiting, leave);
        assert!(dispatched.results[0].is_success());
        clock.sleep(ms(100)).await;
        let mut seen = seen.all();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2, 3]);
    });
}

#[test]
fn no_event_that_is_emitted_after_the_end_of_a_subscription_reaches_its_handler() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let dispatcher = dispatcher(&ManualClock::new());
        let stop = Arc::new(AtomicBool::new(false));
        // Others emit all the time, so that the table changes under their hands. Even numbers mean nothing.
        let others: Vec<_> = (0..3)
            .map(|_| {
                let (dispatcher, stop) = (dispatcher.clone(), Arc::clone(&stop));
                tokio::spawn(async move {
                    while !stop.load(Ordering::SeqCst) {
                        dispatcher.emit(event(0)).await;
                        tokio::task::yield_now().await;
                    }
                })
            })
            .collect();
        for round in 0..2000 {
            let after = Arc::new(AtomicUsize::new(0));
            let seen = Arc::clone(&after);
            let counting = handler(move |number| {
                seen.fetch_add(number, Ordering::SeqCst);
                async { Ok(()) }
            });
            let subscribed = dispatcher.subscribe(subscription("a"), counting);
            dispatcher.emit(event(0)).await;
            dispatcher.unsubscribe(subscribed);
            // From here on every event counts.
            assert_eq!(dispatcher.emit(event(1)).await.taken, 0, "round {round}");
            assert_eq!(dispatcher.dispatch(&event(1)).await.results.len(), 0, "round {round}");
            assert_eq!(after.load(Ordering::SeqCst), 0, "round {round}");
        }
        stop.store(true, Ordering::SeqCst);
        for other in others {
            other.await.unwrap();
        }
    });
}

//! Fire and forget.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use oneiric_core::gate::{Admission, Check, No, Permit, Pipeline, Step};
use oneiric_core::manifest::{FanoutPolicy, Overflow};
use oneiric_core::roles::{Envelope, Priority};
use oneiric_core::{Class, Clock, Fault};
use oneiric_events::{Passed, Subscription};
use oneiric_testkit::{ManualClock, virtual_time};

use crate::numbers::{Seen, counts, dispatcher, dispatcher_behind, event, handler, ms, subscription};

fn taken(taken: usize) -> Passed {
    Passed { taken, ..Passed::default() }
}

#[test]
fn nobody_waits_for_a_handler() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let (dispatcher, seen) = (dispatcher(&clock), Seen::default());
        dispatcher.subscribe(subscription("slow"), seen.handler(&clock, ms(10)));
        for number in 0..3 {
            assert_eq!(dispatcher.emit(event(number)).await, taken(1));
        }
        assert_eq!((clock.monotonic(), seen.all()), (ms(0), vec![]));
        assert_eq!(dispatcher.shutdown(ms(1000)).await, 0);
        assert_eq!((clock.monotonic(), seen.all()), (ms(30), vec![0, 1, 2]));
    });
}

#[test]
fn urgent_events_overtake_in_the_buffer() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let (dispatcher, seen) = (dispatcher(&clock), Seen::default());
        dispatcher.subscribe(subscription("slow"), seen.handler(&clock, ms(1)));
        let priorities =
            [Priority::Low, Priority::Normal, Priority::Critical, Priority::Normal, Priority::High];
        for (number, priority) in priorities.into_iter().enumerate() {
            dispatcher.emit(Envelope { priority, ..event(number) }).await;
        }
        dispatcher.shutdown(ms(100)).await;
        assert_eq!(seen.all(), [2, 4, 1, 3, 0]);
    });
}

#[test]
fn the_emitter_hears_what_became_of_an_event_without_room() {
    let check = |overflow: Overflow, expected: [usize; 3], refused: Option<&str>| {
        let clock = ManualClock::new();
        virtual_time(&clock, async {
            let (dispatcher, seen) = (dispatcher(&clock), Seen::default());
            let slow = Subscription { buffer: 2, overflow, timeout: ms(5), ..subscription("slow") };
            dispatcher.subscribe(slow, seen.handler(&clock, ms(100)));
            dispatcher.pause("slow");
            dispatcher.emit(event(0)).await;
            dispatcher.emit(event(1)).await;
            let Passed { taken, overflowed, refused: told } = dispatcher.emit(event(2)).await;
            let codes: Vec<_> = told.iter().map(|refused| refused.fault.code.as_str()).collect();
            assert_eq!(codes, Vec::from_iter(refused), "{overflow:?}");
            let dropped = usize::try_from(counts(&dispatcher, "slow").overflowed).unwrap();
            assert_eq!([taken, overflowed, dropped], expected, "{overflow:?}");
        });
    };
    check(Overflow::Block, [0, 1, 1], None);
    check(Overflow::DropOldest, [1, 0, 1], None);
    check(Overflow::DropNewest, [0, 1, 1], None);
    check(Overflow::Reject, [0, 0, 1], Some("no-room"));
}

#[test]
fn who_blocks_is_waited_for_no_longer_than_a_call_may_take_and_holds_up_nobody_else() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let (dispatcher, seen) = (dispatcher(&clock), Seen::default());
        for name in ["a", "b"] {
            let stuck = Subscription { buffer: 1, timeout: ms(50), ..subscription(name) };
            dispatcher.subscribe(stuck, seen.handler(&clock, ms(1)));
            dispatcher.pause(name);
        }
        let quick = Seen::default();
        dispatcher.subscribe(subscription("quick"), quick.handler(&clock, ms(1)));
        dispatcher.emit(event(0)).await;
        let passed = dispatcher.emit(event(1)).await;
        // Both at the same time.
        assert_eq!(clock.monotonic(), ms(50));
        assert_eq!((passed.taken, passed.overflowed, quick.all()), (1, 2, vec![0, 1]));
        // One that gives up meanwhile is counted as well.
        tokio::select! {
            biased;
            _ = dispatcher.emit(event(2)) => unreachable!("it blocks"),
            () = clock.sleep(ms(10)) => {}
        }
        assert_eq!((counts(&dispatcher, "a").overflowed, counts(&dispatcher, "b").overflowed), (2, 2));
    });
}

#[test]
fn a_handler_that_emits_to_itself_with_a_full_buffer_does_not_wait_for_ever() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let dispatcher = dispatcher(&clock);
        let narrow = Subscription { buffer: 1, timeout: ms(50), ..subscription("echo") };
        let (inner, seen) = (dispatcher.clone(), Seen::default());
        let echo = seen.clone();
        dispatcher.subscribe(
            narrow,
            handler(move |number| {
                let (dispatcher, seen) = (inner.clone(), echo.clone());
                async move {
                    seen.add(number);
                    if number < 4 {
                        // Two for one: the second finds no room while this one is at it.
                        dispatcher.emit(event(number + 1)).await;
                        dispatcher.emit(event(number + 1)).await;
                    }
                    Ok(())
                }
            }),
        );
        dispatcher.emit(event(0)).await;
        clock.sleep(ms(1000)).await;
        assert_eq!(seen.all(), [0, 1, 2, 3, 4]);
        let counts = counts(&dispatcher, "echo");
        assert_eq!((counts.overflowed, counts.buffered), (4, 0));
        assert_eq!((counts.succeeded.count, clock.monotonic()), (5, ms(1000)));
    });
}

#[test]
fn an_event_that_comes_too_late_is_counted_and_not_handled() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let (dispatcher, seen) = (dispatcher(&clock), Seen::default());
        dispatcher.subscribe(subscription("slow"), seen.handler(&clock, ms(10)));
        let until =
            |number, millis| Envelope { expires_at: Some(clock.now().after(ms(millis))), ..event(number) };
        dispatcher.emit(event(0)).await;
        assert_eq!(dispatcher.emit(until(1, 5)).await, taken(1));
        assert_eq!(dispatcher.emit(until(2, 15)).await, taken(1));
        let late = dispatcher.emit(until(3, 0)).await;
        assert_eq!((late.taken, late.refused[0].fault.code.as_str()), (0, "expired"));
        dispatcher.shutdown(ms(100)).await;
        let counts = counts(&dispatcher, "slow");
        assert_eq!((seen.all(), counts.expired, counts.succeeded.count), (vec![0, 2], 2, 2));
    });
}

/// Says no to one key, for as long as it is shut.
#[derive(Debug)]
struct Door(Arc<AtomicBool>);

impl Check for Door {
    fn step(&self) -> Step {
        Step::Activity
    }

    fn ask(&self, admission: &Admission<'_>) -> Result<Permit, No> {
        let shut = admission.key.as_str() == "shut" && self.0.load(Ordering::SeqCst);
        if shut { Err(No::until_change("event:shut is paused")) } else { Ok(Permit::none()) }
    }
}

#[test]
fn whom_the_gate_keeps_events_from_refuses_what_nothing_is_promised_of() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let door = Arc::new(AtomicBool::new(true));
        let gate = Pipeline::standard().with(Door(Arc::clone(&door)));
        let (dispatcher, seen) = (dispatcher_behind(&clock, Arc::new(gate)), Seen::default());
        let open = Seen::default();
        for (name, of) in [("shut", &seen), ("open", &open)] {
            let ordered = Subscription { fanout: FanoutPolicy::Ordered, ..subscription(name) };
            dispatcher.subscribe(ordered, of.handler(&clock, ms(1)));
        }
        let passed = dispatcher.emit(event(1)).await;
        // The rest of its chain goes on without it.
        assert_eq!((passed.taken, &*passed.refused[0].handler), (1, "shut"));
        assert_eq!(passed.refused[0].fault.class, Class::Denied);
        assert_eq!(counts(&dispatcher, "shut").refused, 1);
        door.store(false, Ordering::SeqCst);
        assert_eq!(dispatcher.emit(event(2)).await, taken(2));
        dispatcher.shutdown(ms(100)).await;
        assert_eq!((seen.all(), open.all()), (vec![2], vec![1, 2]));
    });
}

#[test]
fn a_chain_is_one_job_of_its_first_handler() {
    let check = |fanout: FanoutPolicy, expected: &[usize]| {
        let clock = ManualClock::new();
        virtual_time(&clock, async {
            let (dispatcher, seen) = (dispatcher(&clock), Seen::default());
            for (priority, name) in [(3, "a"), (2, "b"), (1, "c")] {
                let subscription = Subscription { fanout, priority, ..subscription(name) };
                let seen = seen.clone();
                let at = 10 * usize::try_from(priority).unwrap();
                let chained = handler(move |number| {
                    seen.add(at + number);
                    let fails = priority == 3;
                    async move { if fails { Err(Fault::permanent("no", "not me")) } else { Ok(()) } }
                });
                dispatcher.subscribe(subscription, chained);
            }
            assert_eq!(dispatcher.emit(event(1)).await, taken(3));
            assert_eq!(dispatcher.emit(event(2)).await, taken(3));
            let buffered: Vec<_> = dispatcher.counts().iter().map(|(_, counts)| counts.buffered).collect();
            assert_eq!(buffered, [2, 0, 0]);
            dispatcher.shutdown(ms(100)).await;
            assert_eq!(seen.all(), expected);
        });
    };
    check(FanoutPolicy::Ordered, &[31, 21, 11, 32, 22, 12]);
    check(FanoutPolicy::FirstSuccess, &[31, 21, 32, 22]);
}

#[test]
fn a_paused_subscription_keeps_its_events_and_goes_on_with_them() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let (dispatcher, seen) = (dispatcher(&clock), Seen::default());
        dispatcher.subscribe(subscription("a"), seen.handler(&clock, ms(10)));
        dispatcher.emit(event(0)).await;
        clock.sleep(ms(5)).await;
        assert!(dispatcher.pause("a") && !dispatcher.pause("nobody"));
        dispatcher.emit(event(1)).await;
        dispatcher.emit(event(2)).await;
        clock.sleep(ms(1000)).await;
        let paused = counts(&dispatcher, "a");
        // What was with the handler has ended.
        assert_eq!((seen.all(), paused.buffered, paused.paused), (vec![0], 2, true));
        // Whoever waits for the handler waits.
        let (event, resumed) = (event(3), ms(20));
        let waiting = dispatcher.dispatch(&event);
        let resume = async {
            clock.sleep(resumed).await;
            dispatcher.resume("a")
        };
        let (dispatched, there) = tokio::join!(waiting, resume);
        assert!(there && dispatched.results[0].is_success());
        dispatcher.shutdown(ms(100)).await;
        let mut seen = seen.all();
        seen.sort_unstable();
        assert_eq!((seen, counts(&dispatcher, "a").paused), (vec![0, 1, 2, 3], false));
    });
}

#[test]
fn what_waits_is_handled_before_the_end_and_what_is_too_late_is_counted() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let (dispatcher, seen) = (dispatcher(&clock), Seen::default());
        dispatcher.subscribe(subscription("slow"), seen.handler(&clock, ms(10)));
        dispatcher.subscribe(subscription("paused"), seen.handler(&clock, ms(1)));
        dispatcher.pause("paused");
        for number in 0..5 {
            dispatcher.emit(event(number)).await;
        }
        // Three were handled; one is at work and is dropped, one waits; five wait for the paused one.
        assert_eq!(dispatcher.shutdown(ms(35)).await, 7);
        assert_eq!((clock.monotonic(), seen.all()), (ms(35), vec![0, 1, 2]));
        assert_eq!((counts(&dispatcher, "slow").abandoned, counts(&dispatcher, "paused").abandoned), (2, 5));
        let late = dispatcher.emit(event(9)).await;
        assert_eq!((late.taken, late.refused.len()), (0, 2));
        assert_eq!(late.refused[0].fault.class, Class::Shutdown);
    });
}

#[test]
fn a_declaration_keeps_what_waits_for_a_subscription_that_stays_as_it_was() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let (dispatcher, seen, other) = (dispatcher(&clock), Seen::default(), Seen::default());
        let both = || [subscription("stays"), subscription("goes")];
        dispatcher.declare(both().map(|subscription| (subscription, seen.handler(&clock, ms(1)))));
        dispatcher.pause("stays");
        dispatcher.pause("goes");
        dispatcher.emit(event(1)).await;
        let changed = Subscription { priority: 1, ..subscription("goes") };
        dispatcher.declare(
            [subscription("stays"), changed].map(|subscription| (subscription, other.handler(&clock, ms(1)))),
        );
        dispatcher.emit(event(2)).await;
        clock.sleep(ms(10)).await;
        // The old one has ended what it had, the new one has what came since, and the one that stayed waits.
        assert_eq!((seen.all(), other.all(), counts(&dispatcher, "stays").buffered), (vec![1], vec![2], 2));
        dispatcher.resume("stays");
        clock.sleep(ms(10)).await;
        assert_eq!(seen.all(), [1, 1, 2]);
    });
}

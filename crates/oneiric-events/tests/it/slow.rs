//! A million events for somebody who takes a thousand a second.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use oneiric_core::Clock;
use oneiric_core::manifest::Overflow;
use oneiric_core::roles::Envelope;
use oneiric_events::{Passed, Subscription};
use oneiric_testkit::{ManualClock, virtual_time};

use crate::numbers::{Seen, counts, dispatcher, event, ms, number, subscription};

const EVENTS: usize = 1_000_000;
const BUFFER: usize = 100;

/// How many come at a time: ten times what is taken until the next ones come.
const BURST: usize = 50;

/// How many are taken at a time, as many as there are milliseconds in between: a thousand a second.
const TAKEN: usize = 5;

/// How often it is looked how many events are alive.
const GLANCE: usize = 10_000;

/// What ought to happen, in as few words as possible.
#[derive(Default)]
struct Expected {
    waiting: VecDeque<usize>,
    fetched: Vec<usize>,
    dropped: u64,
}

impl Expected {
    fn offer(&mut self, number: usize, overflow: Overflow) -> Passed {
        let mut passed = Passed { taken: 1, ..Passed::default() };
        if self.waiting.len() == BUFFER {
            self.dropped += 1;
            if overflow == Overflow::DropOldest {
                self.waiting.pop_front();
            } else {
                passed.taken = 0;
                passed.overflowed = usize::from(overflow == Overflow::DropNewest);
            }
        }
        if passed.taken == 1 {
            self.waiting.push_back(number);
        }
        passed
    }
}

/// Events that somebody still has.
#[derive(Default)]
struct Alive(Vec<Weak<Envelope>>);

impl Alive {
    fn watch(&mut self, number: usize) -> Arc<Envelope> {
        let envelope = Arc::new(event(number));
        self.0.push(Arc::downgrade(&envelope));
        envelope
    }

    fn count(&mut self) -> usize {
        self.0.retain(|envelope| envelope.strong_count() > 0);
        self.0.len()
    }
}

/// Whoever emits does not wait: the buffer is full nearly all the time, and nine of ten events are dropped.
fn drops(overflow: Overflow) {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let dispatcher = dispatcher(&clock);
        let narrow = Subscription { buffer: BUFFER, overflow, ..subscription("slow") };
        let pull = dispatcher.subscribe_pull(narrow).unwrap();
        let (mut expected, mut alive, mut fetched) = (Expected::default(), Alive::default(), Vec::new());
        let mut rejected = 0;
        for first in (0..EVENTS).step_by(BURST) {
            for at in first..first + BURST {
                let mut passed = dispatcher.emit(alive.watch(at)).await;
                rejected +=
                    passed.refused.drain(..).filter(|told| told.fault.code == "no-room").count() as u64;
                assert_eq!(passed, expected.offer(at, overflow), "event {at}");
                assert!(pull.len() <= BUFFER);
            }
            clock.sleep(ms(TAKEN as u64)).await;
            fetched.extend(pull.batch(TAKEN, Duration::ZERO).await.iter().map(|envelope| number(envelope)));
            expected.fetched.extend(expected.waiting.drain(..TAKEN));
            if first % GLANCE == 0 {
                assert!(alive.count() <= BUFFER, "{} are alive", alive.count());
            }
        }
        fetched.extend(std::iter::from_fn(|| pull.try_next()).map(|envelope| number(&envelope)));
        expected.fetched.extend(expected.waiting);
        assert!(fetched == expected.fetched, "others survive than the policy says");
        let counts = counts(&dispatcher, "slow");
        assert_eq!((counts.overflowed, counts.pulled), (expected.dropped, fetched.len() as u64));
        assert_eq!(counts.overflowed + counts.pulled, EVENTS as u64);
        assert_eq!(rejected, if overflow == Overflow::Reject { expected.dropped } else { 0 });
        assert_eq!((alive.count(), clock.monotonic()), (0, Duration::from_secs(100)));
    });
}

#[test]
fn the_oldest_of_a_million_events_are_dropped_and_counted() {
    drops(Overflow::DropOldest);
}

#[test]
fn the_newest_of_a_million_events_are_dropped_and_counted() {
    drops(Overflow::DropNewest);
}

#[test]
fn who_emits_a_million_events_is_told_of_each_that_is_rejected() {
    drops(Overflow::Reject);
}

#[test]
fn who_emits_a_million_events_into_a_buffer_that_blocks_goes_as_fast_as_they_are_fetched() {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let dispatcher = dispatcher(&clock);
        // The time that an emitter may wait is short, and still nobody waits it out.
        let (overflow, timeout) = (Overflow::Block, ms(2 * TAKEN as u64));
        let narrow = Subscription { buffer: BUFFER, overflow, timeout, ..subscription("slow") };
        let pull = dispatcher.subscribe_pull(narrow).unwrap();
        let emit = async {
            let mut alive = Alive::default();
            for at in 0..EVENTS {
                assert_eq!(dispatcher.emit(alive.watch(at)).await.taken, 1, "event {at}");
                if at % GLANCE == 0 {
                    let (alive, waiting) = (alive.count(), pull.len());
                    assert!(alive <= BUFFER && waiting <= BUFFER, "{alive} are alive, {waiting} wait");
                }
            }
            alive
        };
        let fetch = async {
            for first in (0..EVENTS).step_by(TAKEN) {
                clock.sleep(ms(TAKEN as u64)).await;
                let batch = pull.batch(TAKEN, Duration::ZERO).await;
                let numbers = batch.iter().map(|envelope| number(envelope));
                assert!(numbers.eq(first..first + TAKEN), "every event, in order");
            }
        };
        let (mut alive, ()) = tokio::join!(emit, fetch);
        assert_eq!((counts(&dispatcher, "slow").overflowed, alive.count()), (0, 0));
        assert_eq!(clock.monotonic(), Duration::from_secs(1000));
    });
}

#[test]
fn a_slow_handler_holds_no_more_than_its_buffer_and_what_it_is_at() {
    for overflow in [Overflow::Block, Overflow::DropOldest, Overflow::DropNewest, Overflow::Reject] {
        let clock = ManualClock::new();
        virtual_time(&clock, async {
            let dispatcher = dispatcher(&clock);
            let narrow =
                Subscription { buffer: BUFFER, overflow, max_concurrency: 2, ..subscription("slow") };
            let seen = Seen::default();
            dispatcher.subscribe(narrow, seen.handler(&clock, ms(2)));
            let mut alive = Alive::default();
            for first in (0..EVENTS / 10).step_by(BURST) {
                for at in first..first + BURST {
                    dispatcher.emit(alive.watch(at)).await;
                }
                let (alive, buffered) = (alive.count(), counts(&dispatcher, "slow").buffered);
                assert!(alive <= BUFFER + 2 && buffered <= BUFFER as u64, "{alive} alive, {buffered} wait");
                clock.sleep(ms(TAKEN as u64)).await;
            }
            assert_eq!(dispatcher.shutdown(ms(1000)).await, 0);
            let (seen, counts) = (seen.all(), counts(&dispatcher, "slow"));
            assert_eq!(counts.succeeded.count, seen.len() as u64);
            assert_eq!(counts.succeeded.count + counts.overflowed, EVENTS as u64 / 10, "{overflow:?}");
            assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "{overflow:?}: out of order");
        });
    }
}

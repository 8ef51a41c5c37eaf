//! What holds a delivery up lets go of it: gates, handlers that go down, clocks, slots.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use oneiric_core::gate::{Admission, Decision, Denial, Gate, Permit, Step, Wait};
use oneiric_core::roles::Envelope;
use oneiric_core::{Clock as _, Fault};
use oneiric_events::{Courier, Subscription};
use oneiric_store::{DeliveryStatus, Store as _};
use oneiric_testkit::virtual_time;

use crate::support::{LEASE, SECOND, World, done, envelope, subscription};

/// Says no to the first questions; what it says then may change right behind its answer.
#[derive(Debug)]
struct Shut {
    noes: AtomicU32,
    wait: Wait,
    /// Told that something has changed, at the very moment of the no.
    resumes: OnceLock<Courier>,
}

impl Gate for Shut {
    fn admit<'a>(&'a self, _: &'a Admission<'a>) -> Decision<'a> {
        let left = self.noes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_err() {
            return Decision::Now(Ok(Permit::default()));
        }
        if let Some(courier) = self.resumes.get() {
            courier.reconsider();
        }
        Decision::Now(Err(Denial { step: Step::Activity, reason: "lunch".to_owned(), wait: self.wait }))
    }
}

#[test]
fn a_handler_that_is_resumed_while_it_is_refused_gets_its_event_at_once() {
    let world = World::default();
    virtual_time(&world.clock, async {
        let gate = Arc::new(Shut { noes: 3.into(), wait: Wait::Change, resumes: OnceLock::new() });
        let process = world.process_on(Arc::new(world.store.clone()), gate.clone());
        gate.resumes.set(process.courier.clone()).unwrap();
        process.subscribe(subscription("steady"), world.handler("steady", |_, _| done()));
        let tending = process.tend();
        assert!(process.emit(1).await.unwrap().dispatched.results[0].pending);
        world.settle().await;
        assert_eq!(world.called(1), ["steady"]);
        assert!(world.clock.monotonic() < SECOND);
        process.dies().await;
        tending.await.unwrap();
    });
}

#[test]
fn a_handler_that_is_paused_gets_its_events_when_it_is_resumed_and_nothing_polls() {
    let world = World::default();
    virtual_time(&world.clock, async {
        let gate = Arc::new(Shut { noes: 1.into(), wait: Wait::Change, resumes: OnceLock::new() });
        let process = world.process_on(Arc::new(world.store.clone()), gate);
        process.subscribe(subscription("steady"), world.handler("steady", |_, _| done()));
        let tending = process.tend();
        assert!(process.emit(1).await.unwrap().dispatched.results[0].pending);
        // While the handler is shut, nobody has room for its events.
        assert!(process.emit(2).await.unwrap().dispatched.results[0].pending);
        world.clock.sleep(600 * SECOND).await;
        assert_eq!(world.counts().len(), 0);
        let before = world.clock.monotonic();
        process.courier.reconsider();
        world.settle().await;
        assert!(world.clock.monotonic() - before < SECOND);
        assert_eq!((world.called(1).len(), world.called(2).len()), (1, 1));
        process.dies().await;
        tending.await.unwrap();
    });
}

#[test]
fn a_gate_that_says_when_is_asked_again_then() {
    let world = World::default();
    virtual_time(&world.clock, async {
        let until = world.clock.now().after(20 * SECOND);
        let gate = Arc::new(Shut { noes: 1.into(), wait: Wait::Until(until), resumes: OnceLock::new() });
        let process = world.process_on(Arc::new(world.store.clone()), gate);
        process.subscribe(subscription("steady"), world.handler("steady", |_, _| done()));
        let tending = process.tend();
        assert!(process.emit(1).await.unwrap().dispatched.results[0].pending);
        world.settle().await;
        let calls = world.calls.lock().unwrap().clone();
        assert_eq!(calls.iter().map(|(_, _, at)| *at).collect::<Vec<_>>(), [20 * SECOND]);
        process.dies().await;
        tending.await.unwrap();
    });
}

#[test]
fn a_handler_that_goes_down_by_itself_gets_its_event_again() {
    let world = World::default();
    virtual_time(&world.clock, async {
        let process = world.process();
        let does = |_: &Envelope, nth| if nth == 1 { Err(Fault::shutdown("replaced")) } else { done() };
        process.subscribe(subscription("swapped"), world.handler("swapped", does));
        let tending = process.tend();
        assert!(process.emit(1).await.unwrap().dispatched.results[0].pending);
        world.settle().await;
        assert_eq!(world.called(1).len(), 2);
        assert!(world.clock.monotonic() < 5 * SECOND);
        world.assert_clean().await;
        process.dies().await;
        tending.await.unwrap();
    });
}

#[test]
fn an_event_that_expires_while_it_waits_for_a_slot_calls_nobody() {
    let world = World::default();
    virtual_time(&world.clock, async {
        let process = world.process();
        let one = Subscription { max_concurrency: 1, ..subscription("one") };
        process.subscribe(one, world.slow("one", LEASE / 2, |_, _| done()));
        let short = Envelope { expires_at: Some(world.clock.now().after(SECOND / 2)), ..envelope(2) };
        let (first, second) = tokio::join!(process.emit(1), process.emit_envelope(2, short));
        assert!(first.unwrap().dispatched.is_success());
        let outcome = &second.unwrap().dispatched.results[0];
        assert!(!outcome.pending && !outcome.is_success(), "{outcome:?}");
        assert_eq!(world.status(2, "one").await, DeliveryStatus::Expired);
        assert_eq!(world.counts().len(), 1);
        process.dies().await;
    });
}

#[test]
fn a_clock_that_is_set_back_delays_no_try_that_is_in_hand() {
    const YEARS: i64 = 315_576_000_000_000;
    let world = World::default();
    world.clock.set_wall(6 * YEARS);
    virtual_time(&world.clock, async {
        let process = world.process();
        let clock = world.clock.clone();
        let does = move |_: &Envelope, nth| {
            if nth == 1 {
                return Err(Fault::transient("flaky", "not yet"));
            }
            done()
        };
        process.subscribe(subscription("flaky"), world.handler("flaky", does));
        let back = async {
            // Between the decision to wait and the end of the wait.
            world.clock.sleep(SECOND / 10).await;
            clock.set_wall(-YEARS);
        };
        let (emitted, ()) = tokio::join!(process.emit(1), back);
        assert!(emitted.unwrap().dispatched.is_success());
        assert!(world.clock.monotonic() < SECOND);
        assert_eq!(world.store.violations().await.unwrap(), []);
        process.dies().await;
    });
}

//! A process that lives and has lost something: an answer, its lease, a handler.

use std::sync::Arc;

use oneiric_core::Clock as _;
use oneiric_core::gate::Pipeline;
use oneiric_core::manifest::FanoutPolicy;
use oneiric_store::{Batch, Claim, CommitError, DeliveryStatus, EnvelopeRecord, Op, Pulse, Silent, Store};
use oneiric_testkit::{CrashingStore, Side, virtual_time};

use crate::support::{Process, SECOND, World, boot, chained, done, envelope, id, subscription};

/// A process on a store that loses something.
fn on(world: &World, store: CrashingStore) -> Process {
    let process = world.process_on(Arc::new(store), Arc::new(Pipeline::standard()));
    process.subscribe(subscription("steady"), world.handler("steady", |_, _| done()));
    process
}

#[test]
fn an_event_whose_acceptance_was_not_answered_is_seen_to_by_the_same_process() {
    for side in [Side::Before, Side::After] {
        let world = World::default();
        virtual_time(&world.clock, async {
            let process = on(&world, CrashingStore::failing(Arc::new(world.store.clone()), 1, side));
            let tending = process.tend();
            assert!(matches!(process.emit(1).await, Err(CommitError::Store(_))));
            // Whoever emits it again learns what is known by now, and does not make a second one of it.
            let again = process.emit(1).await;
            assert_eq!(again.is_err(), side == Side::After, "{again:?}");
            world.settle().await;
            assert_eq!(world.called(1), ["steady"]);
            assert!(world.clock.monotonic() < 5 * SECOND, "nobody had to wait for a lease");
            world.assert_clean().await;
            process.dies().await;
            tending.await.unwrap();
        });
    }
}

#[test]
fn events_whose_claim_was_not_answered_are_taken_again() {
    let world = World::default();
    virtual_time(&world.clock, async {
        let emitter = world.process();
        emitter.subscribe(subscription("steady"), world.handler("steady", |_, _| done()));
        emitter.dies().await;
        for n in 1..=3 {
            // Nobody has room in a process that goes down.
            assert!(emitter.emit(n).await.unwrap().dispatched.results[0].pending);
        }
        let process = on(&world, CrashingStore::losing_a_claim(Arc::new(world.store.clone())));
        let tending = process.tend();
        world.settle().await;
        assert_eq!(world.counts().into_values().collect::<Vec<_>>(), [1; 3]);
        assert!(world.clock.monotonic() < 10 * SECOND, "it looks as soon as it is unsure");
        world.assert_clean().await;
        process.dies().await;
        tending.await.unwrap();
    });
}

#[test]
fn what_was_lost_with_a_lease_is_not_begun_and_the_emitter_hears_that_it_is_pending() {
    let world = World::default();
    virtual_time(&world.clock, async {
        let process = world.process();
        let slow = oneiric_events::Subscription { max_concurrency: 1, ..subscription("slow") };
        process.subscribe(slow.clone(), world.slow("slow", SECOND, |_, _| done()));
        let other = world.process();
        other.subscribe(slow, world.slow("slow", SECOND, |_, _| done()));
        let theft = async {
            world.clock.sleep(SECOND / 2).await;
            let beat = world.store.boot(boot(1)).await.unwrap().unwrap().beat;
            let claim = Claim { silent: vec![Silent { boot: boot(1), beat }], ..Claim::any(boot(2), 0) };
            world.store.claim(claim).await.unwrap();
            assert_eq!(process.lease.beat(&world.store).await.unwrap(), Pulse::Lost);
        };
        // The first one is at work, the second one waits for its slot.
        let (first, second, ()) = tokio::join!(process.emit(1), process.emit(2), theft);
        for emitted in [first, second] {
            let results = emitted.unwrap().dispatched.results;
            assert_eq!(results.len(), 1, "nobody is forgotten: {results:?}");
            assert!(results[0].pending && !results[0].is_success(), "{results:?}");
        }
        assert_eq!(world.counts().len(), 1, "only what was at work was called");
        let tending = other.tend();
        world.settle().await;
        assert_eq!(world.called(1).len(), 2, "what nobody recorded is done again");
        assert_eq!(world.called(2).len(), 1);
        world.assert_clean().await;
        other.dies().await;
        tending.await.unwrap();
        process.dies().await;
    });
}

#[test]
fn a_chain_whose_next_handler_has_left_waits_for_somebody_who_knows_it() {
    let world = World::default();
    virtual_time(&world.clock, async {
        let process = world.process();
        let (slow, quick) = (SECOND, SECOND / 100);
        process.subscribe(chained("a", FanoutPolicy::Ordered, 2), world.slow("a", slow, |_, _| done()));
        let b = chained("b", FanoutPolicy::Ordered, 1);
        let subscribed = process.subscribe(b.clone(), world.slow("b", quick, |_, _| done()));
        process.subscribe(chained("c", FanoutPolicy::Ordered, 0), world.slow("c", quick, |_, _| done()));
        let tending = process.tend();
        let leaves = async {
            world.clock.sleep(SECOND / 2).await;
            assert!(process.courier.dispatcher().unsubscribe(subscribed));
        };
        let (emitted, ()) = tokio::join!(process.emit(1), leaves);
        let results = emitted.unwrap().dispatched.results;
        let said: Vec<_> = results.iter().map(|outcome| (&*outcome.handler, outcome.pending)).collect();
        assert_eq!(said, [("a", false), ("b", true), ("c", true)]);
        world.clock.sleep(180 * SECOND).await;
        assert_eq!(world.called(1), ["a"]);
        assert_eq!(world.status(1, "b").await, DeliveryStatus::Pending);
        assert_eq!(world.status(1, "c").await, DeliveryStatus::Held);
        world.assert_clean().await;

        process.subscribe(b, world.slow("b", quick, |_, _| done()));
        process.courier.nudge();
        world.settle().await;
        assert_eq!(world.called(1), ["a", "b", "c"]);
        world.assert_clean().await;
        process.dies().await;
        tending.await.unwrap();
    });
}

#[test]
fn a_delivery_that_was_done_again_on_request_does_not_begin_its_chain_again() {
    let world = World::default();
    virtual_time(&world.clock, async {
        let process = world.process();
        for (name, priority) in [("a", 2), ("b", 1), ("c", 0)] {
            let does = move |_: &_, nth| {
                if name == "a" && nth == 1 {
                    Err(oneiric_core::Fault::permanent("no", "not so"))
                } else {
                    done()
                }
            };
            process.subscribe(chained(name, FanoutPolicy::Ordered, priority), world.handler(name, does));
        }
        let tending = process.tend();
        process.emit(1).await.unwrap();
        assert_eq!(world.called(1), ["a", "b", "c"]);
        // Somebody wants the dead letter to be tried once more.
        let due = oneiric_store::DeliveryState::due(world.clock.now());
        let again = Op::SetDelivery { event: id(1), handler: "a".to_owned(), state: Box::new(due) };
        world.store.commit(Batch::of([again])).await.unwrap();
        process.courier.nudge();
        world.settle().await;
        assert_eq!(world.called(1), ["a", "b", "c", "a"]);
        assert_eq!(world.status(1, "b").await, DeliveryStatus::Done);
        world.assert_clean().await;
        process.dies().await;
        tending.await.unwrap();
    });
}

#[test]
fn a_process_that_goes_down_ends_what_is_at_work_and_leaves_the_rest() {
    let world = World::default();
    virtual_time(&world.clock, async {
        let process = world.process();
        let one = oneiric_events::Subscription { max_concurrency: 1, ..subscription("one") };
        process.subscribe(one.clone(), world.slow("one", SECOND, |_, _| done()));
        let tending = process.tend();
        let down = async {
            world.clock.sleep(SECOND / 2).await;
            assert_eq!(process.courier.shutdown(5 * SECOND).await, 0, "in time");
            world.store.leave(boot(1)).await.unwrap();
        };
        let (first, second, ()) = tokio::join!(process.emit(1), process.emit(2), down);
        assert!(first.unwrap().dispatched.is_success());
        assert!(second.unwrap().dispatched.results[0].pending);
        tending.await.unwrap();
        assert_eq!(world.counts().len(), 1);
        world.assert_clean().await;

        let next = world.process();
        next.subscribe(one, world.slow("one", SECOND, |_, _| done()));
        let tending = next.tend();
        world.settle().await;
        assert_eq!((world.called(1).len(), world.called(2).len()), (1, 1));
        next.dies().await;
        tending.await.unwrap();
    });
}

#[test]
fn an_emitter_that_does_not_wait_loses_nothing() {
    let world = World::default();
    virtual_time(&world.clock, async {
        let process = world.process();
        process.subscribe(subscription("slow"), world.slow("slow", SECOND, |_, _| done()));
        let envelope = envelope(1);
        let plan = process.courier.dispatcher().plan(&envelope);
        let record = EnvelopeRecord::new(id(1), envelope, world.clock.now());
        let emitting = process.courier.emit_and_wait(plan, record, Batch::default(), SECOND);
        tokio::select! { _ = emitting => panic!("it takes a second"), () = world.clock.sleep(SECOND / 2) => {} }
        world.settle().await;
        assert_eq!(world.called(1), ["slow"]);
        world.assert_clean().await;
        process.dies().await;
    });
}

#[test]
fn a_chain_that_others_went_on_with_is_not_begun_again_by_an_answer_that_was_lost() {
    let world = World::default();
    virtual_time(&world.clock, async {
        let subscribe = |process: &Process| {
            for (name, priority) in [("a", 1), ("b", 0)] {
                let handler = world.handler(name, |_, _| done());
                process.subscribe(chained(name, FanoutPolicy::Ordered, priority), handler);
            }
        };
        // The end of `a` becomes durable, with `b` for this process; it hears of a failure, and tries again later.
        let store = CrashingStore::failing(Arc::new(world.store.clone()), 2, Side::After);
        let process = world.process_on(Arc::new(store), Arc::new(Pipeline::standard()));
        subscribe(&process);
        let other = world.process();
        subscribe(&other);
        let mut tending = None;
        let others = async {
            world.clock.sleep(SECOND / 2).await;
            let beat = world.store.boot(boot(1)).await.unwrap().unwrap().beat;
            let claim = Claim { silent: vec![Silent { boot: boot(1), beat }], ..Claim::any(boot(2), 0) };
            world.store.claim(claim).await.unwrap();
            tending.get_or_insert_with(|| other.tend());
            world.settle().await;
            assert_eq!(world.called(1), ["a", "b"]);
        };
        let (emitted, ()) = tokio::join!(process.emit(1), others);
        let pending: Vec<_> =
            emitted.unwrap().dispatched.results.iter().map(|outcome| outcome.pending).collect();
        assert_eq!(pending, [true, true], "this process does not know");
        world.clock.sleep(10 * SECOND).await;
        assert_eq!(world.called(1), ["a", "b"]);
        world.assert_clean().await;
        other.dies().await;
        tending.unwrap().await.unwrap();
        process.dies().await;
    });
}

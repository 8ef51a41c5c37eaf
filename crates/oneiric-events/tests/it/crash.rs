//! A process that dies at its n-th commit, for every n: every promise is kept by the next one.

use std::sync::Arc;

use futures_util::future::join_all;
use oneiric_core::Fault;
use oneiric_core::Rng as _;
use oneiric_core::gate::Pipeline;
use oneiric_core::manifest::FanoutPolicy;
use oneiric_core::rng::SeededRng;
use oneiric_store::{DeliveryStatus, Store};
use oneiric_testkit::{CrashingStore, Side, virtual_time};

use crate::support::{Process, World, chained, done, id, subscription};

const EVENTS: u64 = 3;

/// Two who want everything, one of whom fails at first; three in a row; three of whom one has to succeed.
fn process(world: &World, store: Arc<dyn Store>) -> Process {
    let process = world.process_on(store, Arc::new(Pipeline::standard()));
    process.subscribe(subscription("steady"), world.handler("steady", |_, _| done()));
    let flaky = |_: &_, nth| if nth == 1 { Err(Fault::transient("flaky", "not yet")) } else { done() };
    process.subscribe(subscription("flaky"), world.handler("flaky", flaky));
    for (name, priority) in [("first", 3), ("second", 2), ("third", 1)] {
        let broken = name == "second";
        let does = move |_: &_, _| if broken { Err(Fault::permanent("no", "never")) } else { done() };
        process.subscribe(chained(name, FanoutPolicy::Ordered, priority), world.handler(name, does));
    }
    for (name, priority) in [("wrong", 3), ("right", 2), ("unneeded", 1)] {
        let does =
            move |_: &_, _| if name == "wrong" { Err(Fault::permanent("no", "never")) } else { done() };
        process.subscribe(chained(name, FanoutPolicy::FirstSuccess, priority), world.handler(name, does));
    }
    process
}

/// What has to have become of every event.
const ENDS: [(&str, DeliveryStatus); 8] = [
    ("first", DeliveryStatus::Done),
    ("flaky", DeliveryStatus::Done),
    ("right", DeliveryStatus::Done),
    ("second", DeliveryStatus::Dead),
    ("steady", DeliveryStatus::Done),
    ("third", DeliveryStatus::Done),
    ("unneeded", DeliveryStatus::Skipped),
    ("wrong", DeliveryStatus::Dead),
];

/// Emits everything in processes that die at these commits, one after the other, and then in one that lives. How
/// many commits the first one asked for.
fn killed(kills: &[(u64, Side)]) -> u64 {
    let world = World::default();
    let mut commits = 0;
    virtual_time(&world.clock, async {
        for (number, (at, side)) in (1..).zip(kills) {
            let store = Arc::new(CrashingStore::new(Arc::new(world.store.clone()), *at, *side));
            let process = process(&world, store.clone());
            let tending = process.tend();
            // Whoever emits an event and does not hear that it was accepted emits it again.
            join_all((0..EVENTS).map(|n| process.emit(n))).await;
            process.dies().await;
            tending.await.unwrap();
            commits = commits.max(store.commits());
            world.bury_before(number + 1).await;
        }
        let over = world.deliveries().await.into_iter().filter(|delivery| delivery.state.status.is_over());
        let over: Vec<_> = over.map(|delivery| (delivery.event, delivery.handler)).collect();
        let before = world.counts();

        let last = process(&world, Arc::new(world.store.clone()));
        let tending = last.tend();
        // An error says that it was accepted before.
        join_all((0..EVENTS).map(|n| last.emit(n))).await;
        world.settle().await;
        let counts = world.counts();
        for n in 0..EVENTS {
            for (handler, status) in ENDS {
                assert_eq!(world.status(n, handler).await, status, "event {n}, {handler}, {kills:?}");
                let called = counts.contains_key(&(id(n), handler.to_owned()));
                assert_eq!(called, handler != "unneeded", "event {n}, {handler}, {kills:?}");
            }
            let called = world.called(n);
            let first = |name| called.iter().position(|handler| handler == name).unwrap();
            let last = |name| called.iter().rposition(|handler| handler == name).unwrap();
            assert!(
                last("first") < first("second") && last("second") < first("third"),
                "{called:?} {kills:?}"
            );
            assert!(last("wrong") < first("right"), "{called:?} {kills:?}");
        }
        for done in over {
            assert_eq!(counts.get(&done), before.get(&done), "{done:?} ran again after {kills:?}");
        }
        world.assert_clean().await;
        last.dies().await;
        tending.await.unwrap();
    });
    commits
}

#[test]
fn a_death_at_every_commit_loses_no_event() {
    let commits = killed(&[(0, Side::Before)]);
    assert!(commits >= 27, "{commits}: three acceptances, and what becomes of eight handlers each");
    for at in 1..=commits {
        for side in [Side::Before, Side::After] {
            killed(&[(at, side)]);
        }
    }
}

#[test]
fn a_series_of_deaths_loses_no_event() {
    let rng = SeededRng::new(4711);
    for _ in 0..100 {
        let kills: Vec<_> = (0..1 + rng.next_u64() % 5)
            .map(|_| {
                let side = if rng.next_u64().is_multiple_of(2) { Side::Before } else { Side::After };
                (1 + rng.next_u64() % 20, side)
            })
            .collect();
        killed(&kills);
    }
}

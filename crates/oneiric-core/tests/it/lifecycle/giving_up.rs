//! A caller may drop its future at any point: nothing is lost, doubled or half done.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use oneiric_core::Clock as _;
use oneiric_testkit::virtual_time;

use super::world::{DOMAIN, Does, World, key, serves};

/// More polls than any of the operations below needs.
const MOST: usize = 400;

/// Polls at most `times`; whether it came to its end.
async fn polled(times: usize, world: &World, work: impl Future<Output = ()>) -> bool {
    let mut work = pin!(work);
    for _ in 0..times {
        // Not the world's own time: what waits for a user goes on waiting, what yields goes on.
        if std::future::poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx).is_ready())).await {
            return true;
        }
        world.clock.advance(Duration::from_millis(1));
    }
    false
}

/// Everything comes back to the scheduler, so that there are many points to give up at.
fn slow(world: &World) {
    for provider in ["old", "new"] {
        world.script(provider, |script| {
            script.settings = Does::Yields(2);
            script.build = Does::Yields(2);
            script.start = Does::Yields(2);
            script.health = Does::Yields(2);
            script.stop = Does::Yields(3);
        });
    }
    world.hook(Does::Yields(2), Does::Yields(2));
}

/// The first use works, old ones go, and the end stops the rest.
async fn aftermath(world: &World, polls: usize) {
    let handle = world.handle("k").await.unwrap_or_else(|error| panic!("after {polls} polls: {error}"));
    let up = serves(&handle);
    assert_eq!(handle.current().unwrap().call(Does::Yields(1)).await.unwrap(), up);
    world.while_tended(world.clock.sleep(Duration::from_secs(100))).await;
    world.check_only(&[up]);
    let swapped = world.swap("k", "new").await.unwrap();
    assert!(swapped.old_stopped, "after {polls} polls");
    world.check_only(&[serves(&handle)]);
    assert!(world.lifecycle.stop(Duration::from_secs(1)).await, "after {polls} polls");
    world.check_only(&[]);
}

/// Gives `work` up after every number of polls, until one is enough.
fn check(prepare: impl AsyncFn(&World), work: impl AsyncFn(&World), after: impl AsyncFn(&World, usize)) {
    for polls in 0..MOST {
        let world = World::of_two();
        slow(&world);
        let finished = virtual_time(&world.clock, async {
            prepare(&world).await;
            let finished = polled(polls, &world, work(&world)).await;
            after(&world, polls).await;
            finished
        });
        if finished {
            assert!(polls > 3, "there was nothing to give up");
            return;
        }
    }
    panic!("{MOST} polls were not enough");
}

#[test]
fn a_first_use_may_be_given_up_anywhere() {
    check(async |_| (), async |world| drop(world.handle("k").await), aftermath);
}

#[test]
fn a_first_use_that_fails_may_be_given_up_anywhere() {
    let fails = async |world: &World| world.script("old", |script| script.health = Does::Fails);
    let after = async |world: &World, polls| {
        world.script("old", |script| script.health = Does::Well);
        aftermath(world, polls).await;
    };
    check(fails, async |world| drop(world.handle("k").await), after);
}

#[test]
fn a_swap_may_be_given_up_anywhere() {
    check(
        async |world| drop(world.handle("k").await.unwrap()),
        async |world| drop(world.swap("k", "new").await),
        aftermath,
    );
}

#[test]
fn a_swap_that_fails_may_be_given_up_anywhere() {
    for (before, after) in [(Does::Fails, Does::Well), (Does::Well, Does::Fails)] {
        check(
            async |world| {
                world.handle("k").await.unwrap();
                world.hook(before, after);
            },
            async |world| drop(world.swap("k", "new").await),
            async |world, polls| {
                world.hook(Does::Well, Does::Well);
                aftermath(world, polls).await;
            },
        );
    }
}

#[test]
fn a_swap_may_be_given_up_anywhere_while_the_old_one_is_in_use() {
    for polls in 0..40 {
        let world = World::of_two();
        slow(&world);
        virtual_time(&world.clock, async {
            let handle = world.handle("k").await.unwrap();
            let current = handle.current().unwrap();
            polled(polls, &world, async { drop(world.swap("k", "new").await) }).await;
            assert_eq!(world.stops()[0], 0, "it is in use");
            assert_eq!(current.call(Does::Yields(1)).await.unwrap(), 0);
            drop(current);
            aftermath(&world, polls).await;
        });
    }
}

#[test]
fn a_refresh_may_be_given_up_anywhere() {
    check(
        async |world| {
            world.handle("k").await.unwrap();
            world.lifecycle.register(|registry| registry.select(&DOMAIN, &key("k"), "new".parse().unwrap()));
        },
        async |world| drop(world.lifecycle.refresh().await),
        aftermath,
    );
}

#[test]
fn a_probe_may_be_given_up_anywhere() {
    check(
        async |world| {
            world.handle("k").await.unwrap();
            for by in ["old", "new"] {
                world.script(by, |script| script.health = Does::Yields(9));
            }
            world.swap("k", "new").await.unwrap();
        },
        async |world| drop(world.lifecycle.probe(None, None).await),
        aftermath,
    );
}

#[test]
fn a_stop_may_be_given_up_anywhere_and_is_then_finished_by_the_next() {
    check(
        async |world| {
            world.handle("k").await.unwrap();
            world.handle_by("k", "new").await.unwrap();
        },
        async |world| _ = world.lifecycle.stop(Duration::from_secs(1)).await,
        async |world, polls| {
            assert!(world.lifecycle.stop(Duration::from_secs(1)).await, "after {polls} polls");
            world.check_only(&[]);
            assert_eq!(world.stops(), [1, 1]);
        },
    );
}

#[test]
fn tending_may_be_given_up_anywhere() {
    for polls in 0..12 {
        let world = World::of_two();
        slow(&world);
        virtual_time(&world.clock, async {
            let handle = world.handle("k").await.unwrap();
            let current = handle.current().unwrap();
            let swapped = world.swap("k", "new").await.unwrap();
            assert!(!swapped.old_stopped);
            drop(current);
            polled(polls, &world, world.lifecycle.tend()).await;
            aftermath(&world, polls).await;
        });
    }
}

#[test]
fn who_waited_for_an_attempt_that_was_given_up_tries_again() {
    let world = World::of_two();
    virtual_time(&world.clock, async {
        // An older failure, which is not the answer to the question that follows.
        world.script("old", |script| script.start = Does::Fails);
        world.handle("k").await.unwrap_err();
        world.script("old", |script| script.start = Does::Takes(Duration::from_secs(2)));
        let patient = world.handle("k");
        let hasty = async {
            tokio::select! {
                biased;
                _ = world.handle("k") => unreachable!("it takes two seconds"),
                () = world.clock.sleep(Duration::from_secs(1)) => {}
            }
        };
        let ((), patient) = tokio::join!(hasty, patient);
        assert_eq!(serves(&patient.unwrap()), 2);
        world.check_only(&[2]);
    });
}

#[test]
fn no_time_passes_for_a_stop_that_nobody_drives() {
    let world = World::of_two();
    world.script("old", |script| script.stop = Does::Yields(4));
    virtual_time(&world.clock, async {
        let handle = world.handle("k").await.unwrap();
        for polls in 0..20 {
            let begun = polled(polls, &world, async { drop(world.swap("k", "new").await) });
            assert!(!begun.await, "it was not to come to its end");
            if world.stops()[0] == 1 {
                break;
            }
        }
        assert_eq!(world.stops()[0], 1, "its stop has begun");
        world.clock.advance(Duration::from_secs(3600));
        assert!(world.lifecycle.stop(Duration::from_secs(1)).await);
        world.check_only(&[]);
        drop(handle);
    });
}

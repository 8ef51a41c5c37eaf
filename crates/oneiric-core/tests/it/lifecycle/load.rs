//! Swaps under callers: no call fails, none is on an instance that was stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use futures_util::future::join_all;
use oneiric_core::Clock as _;
use oneiric_testkit::virtual_time;

use super::world::{Does, World, serves, yields};

const SWAPS: usize = 100;
const CALLERS: usize = 64;

fn threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap()
}

/// Swaps between the two providers, and says when it is done.
async fn swap_often(world: &World, done: &AtomicBool, pause: usize) {
    for round in 0..SWAPS {
        world.swap("k", if round % 2 == 0 { "new" } else { "old" }).await.unwrap();
        yields(pause).await;
    }
    done.store(true, SeqCst);
}

#[test]
fn a_hundred_swaps_under_64_callers_fail_no_call() {
    let world = Arc::new(World::of_two());
    for by in ["old", "new"] {
        world.script(by, |script| (script.start, script.stop) = (Does::Yields(3), Does::Yields(3)));
    }
    threads().block_on(async {
        let done = Arc::new(AtomicBool::new(false));
        let handle = world.handle("k").await.unwrap();
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (done, handle) = (Arc::clone(&done), handle.clone());
                tokio::spawn(async move {
                    let mut calls = 0_usize;
                    while !done.load(SeqCst) || calls == 0 {
                        let current = handle.current().unwrap();
                        let does = Does::Yields(caller % 4);
                        assert_eq!(current.call(does).await.unwrap(), current.probe().id);
                        drop(current);
                        calls += 1;
                        yields(1).await;
                    }
                    calls
                })
            })
            .collect();
        swap_often(&world, &done, 1).await;
        assert!(join_all(callers).await.into_iter().all(|calls| calls.unwrap() > 0));
        assert_eq!(serves(&handle), SWAPS);
        world.check_only(&[SWAPS]);
        assert!(world.lifecycle.stop(Duration::ZERO).await);
        assert_eq!(world.stops(), vec![1; SWAPS + 1], "each is stopped once");
        world.check_only(&[]);
    });
}

#[test]
fn handles_asked_for_during_swaps_are_as_good() {
    let world = Arc::new(World::of_two());
    threads().block_on(async {
        let done = Arc::new(AtomicBool::new(false));
        world.handle("k").await.unwrap();
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let (done, world) = (Arc::clone(&done), Arc::clone(&world));
                tokio::spawn(async move {
                    while !done.load(SeqCst) {
                        let handle = world.handle("k").await.unwrap();
                        handle.current().unwrap().call(Does::Yields(1)).await.unwrap();
                    }
                })
            })
            .collect();
        swap_often(&world, &done, 1).await;
        join_all(callers).await.into_iter().for_each(Result::unwrap);
        world.check_only(&[SWAPS]);
    });
}

/// Calls of ten seconds while there is a swap each second, in virtual time.
fn long_calls(tended: bool) {
    let world = World::with(
        [super::world::candidate("k", "old"), super::world::candidate("k", "new")],
        oneiric_core::lifecycle::Timeouts { cleanup: Duration::from_millis(100), ..Default::default() },
    );
    virtual_time(&world.clock, async {
        let handle = world.handle("k").await.unwrap();
        let callers = (0..CALLERS).map(async |caller| {
            world.clock.sleep(Duration::from_millis(caller as u64 * 31)).await;
            for _ in 0..5 {
                let current = handle.current().unwrap();
                let id = current.call(Does::Takes(Duration::from_secs(10))).await.unwrap();
                assert_eq!(id, current.probe().id);
            }
        });
        let swaps = async {
            let mut left = 0;
            for round in 0..40 {
                world.clock.sleep(Duration::from_secs(1)).await;
                let to = if round % 2 == 0 { "new" } else { "old" };
                left += usize::from(!world.swap("k", to).await.unwrap().old_stopped);
            }
            left
        };
        let work = async { futures_util::future::join(join_all(callers), swaps).await.1 };
        let left = if tended { world.while_tended(work).await } else { work.await };
        assert!(left > 4, "calls outlived several swaps: {left}");
        if tended {
            world.while_tended(world.clock.sleep(Duration::from_secs(20))).await;
            world.check_only(&[40]);
        } else {
            world.check();
            world.swap("k", "new").await.unwrap();
            world.check_only(&[41]);
        }
        assert!(world.lifecycle.stop(Duration::ZERO).await);
        world.check_only(&[]);
    });
}

#[test]
fn calls_that_outlive_swaps_end_where_they_began_and_the_owner_tends() {
    long_calls(true);
}

#[test]
fn calls_that_outlive_swaps_end_where_they_began_and_nobody_tends() {
    long_calls(false);
}

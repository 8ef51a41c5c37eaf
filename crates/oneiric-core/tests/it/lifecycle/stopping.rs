//! The end: everything is stopped once, whoever uses it and whatever is under way.

use std::time::Duration;

use oneiric_core::lifecycle::{Condition, LifecycleError};
use oneiric_core::{Class, Clock as _};
use oneiric_testkit::virtual_time;

use super::world::{Does, World, candidate, serves};

fn lines(world: &World, of: &str) -> Vec<String> {
    let told = world.told().into_iter();
    told.filter_map(|line| line.strip_prefix(of).map(str::to_owned)).collect()
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_end_stops_everything_in_reverse_order() {
    let world = World::new(["a", "b", "c"].map(|key| candidate(key, "p")));
    virtual_time(&world.clock, async {
        for key in ["b", "c", "a"] {
            world.handle(key).await.unwrap();
        }
        // What is swapped stays before those that lean on it.
        world.swap("b", "p").await.unwrap();
        assert!(world.lifecycle.stop(SECOND).await);
        assert_eq!(lines(&world, "stop "), ["b", "a", "c", "b"]);
        world.check_only(&[]);
        assert!(
            world
                .lifecycle
                .statuses()
                .iter()
                .all(|status| { status.state == Condition::Unknown && status.current_provider.is_none() })
        );
    });
}

#[test]
fn hooks_hear_of_every_change_and_every_stop() {
    let world = World::of_two();
    virtual_time(&world.clock, async {
        world.handle("k").await.unwrap();
        world.swap("k", "new").await.unwrap();
        world.lifecycle.stop(SECOND).await;
        let told = world.told();
        let first = ["start k", "before k", "after k"];
        let swap = ["start k", "before k", "after k", "stop k", "stopped k"];
        assert_eq!(told, [&first[..], &swap, &["stop k", "stopped k"]].concat());
    });
}

#[test]
fn nothing_comes_up_after_the_end() {
    let world = World::of_two();
    virtual_time(&world.clock, async {
        let handle = world.handle("k").await.unwrap();
        assert!(world.lifecycle.stop(SECOND).await);
        assert!(world.lifecycle.stop(SECOND).await, "a second time is no harm");
        let fault = handle.current().unwrap_err();
        assert_eq!(fault.class, Class::Shutdown);
        assert_eq!(fault.message, "adapter `k` has been stopped");
        for error in [
            world.handle("k").await.unwrap_err(),
            world.handle_by("k", "new").await.unwrap_err(),
            world.swap("k", "new").await.unwrap_err(),
        ] {
            assert!(matches!(error, LifecycleError::Stopped { .. }), "{error:?}");
        }
        assert!(world.lifecycle.refresh().await.iter().all(|(.., swapped)| swapped.is_err()));
        assert!(world.lifecycle.probe(None, None).await.iter().all(|found| found.answer.is_none()));
        assert_eq!(world.stops(), [1]);
    });
}

#[test]
fn users_are_waited_for_until_the_deadline() {
    for (call, clean) in [(SECOND, true), (Duration::from_secs(9), false)] {
        let world = World::of_two();
        virtual_time(&world.clock, async {
            let handle = world.handle("k").await.unwrap();
            let user = async {
                let current = handle.current().unwrap();
                world.clock.sleep(call).await;
                drop(current);
            };
            let stop = async {
                let clean = world.lifecycle.stop(Duration::from_secs(5)).await;
                (clean, world.clock.monotonic())
            };
            let ((), (was_clean, at)) = tokio::join!(user, stop);
            assert_eq!((was_clean, at), (clean, call.min(Duration::from_secs(5))));
            assert_eq!(world.stops(), [1]);
        });
    }
}

#[test]
fn the_deadline_is_one_for_all() {
    let world = World::new(["a", "b", "c"].map(|key| candidate(key, "p")));
    virtual_time(&world.clock, async {
        let mut used = Vec::new();
        for key in ["a", "b", "c"] {
            used.push(world.handle(key).await.unwrap().current().unwrap());
        }
        assert!(!world.lifecycle.stop(Duration::from_secs(5)).await);
        assert_eq!(world.clock.monotonic(), Duration::from_secs(5));
        assert_eq!(world.stops(), [1, 1, 1]);
    });
}

#[test]
fn what_leans_on_a_component_may_use_it_in_its_stop() {
    let world = World::new(["base", "top"].map(|key| candidate(key, "p")));
    world.script("p", |script| script.stop = Does::Takes(SECOND));
    virtual_time(&world.clock, async {
        let base = world.handle("base").await.unwrap();
        world.handle("top").await.unwrap();
        let use_it = async {
            world.clock.sleep(SECOND / 2).await;
            assert_eq!(world.stops(), [0, 1], "the one on top is being stopped");
            base.current().unwrap().call(Does::Well).await.unwrap();
        };
        let (clean, ()) = tokio::join!(world.lifecycle.stop(Duration::from_secs(5)), use_it);
        assert!(clean);
        world.check_only(&[]);
    });
}

#[test]
fn an_activation_under_way_is_cut_off() {
    for slow in ["settings", "build", "start", "health", "before", "after"] {
        let world = World::of_two();
        let long = Does::Takes(Duration::from_secs(4));
        world.script("old", |script| match slow {
            "settings" => script.settings = long,
            "build" => script.build = long,
            "start" => script.start = long,
            "health" => script.health = long,
            _ => {}
        });
        match slow {
            "before" => world.hook(long, Does::Well),
            "after" => world.hook(Does::Well, long),
            _ => {}
        }
        virtual_time(&world.clock, async {
            let stop = async {
                world.clock.sleep(SECOND).await;
                let clean = world.lifecycle.stop(Duration::from_secs(5)).await;
                (clean, world.clock.monotonic())
            };
            let (first, second, stopped) = tokio::join!(world.handle("k"), world.handle("k"), stop);
            for asked in [first.map(|_| ()), second.map(|_| ())] {
                assert!(matches!(asked, Err(LifecycleError::Stopped { .. }) | Ok(())), "{slow}: {asked:?}");
            }
            assert_eq!(stopped, (true, SECOND), "{slow}");
            world.check_only(&[]);
        });
    }
}

#[test]
fn a_swap_under_way_is_cut_off_and_both_are_stopped() {
    for slow in [Does::Takes(Duration::from_secs(4)), Does::Hangs] {
        for (before, after) in [(Does::Well, slow), (slow, Does::Well)] {
            let world = World::of_two();
            virtual_time(&world.clock, async {
                let handle = world.handle("k").await.unwrap();
                world.hook(before, after);
                let stop = async {
                    world.clock.sleep(SECOND).await;
                    world.lifecycle.stop(Duration::from_secs(5)).await
                };
                let (swapped, clean) = tokio::join!(world.swap("k", "new"), stop);
                assert!(matches!(swapped, Err(LifecycleError::Stopped { .. })), "{swapped:?}");
                assert!(clean);
                assert_eq!(handle.current().unwrap_err().class, Class::Shutdown);
                world.check_only(&[]);
                assert_eq!(world.stops(), [1, 1]);
            });
        }
    }
}

#[test]
fn a_swap_that_waits_for_users_does_not_hide_them_from_the_end() {
    let world = World::of_two();
    virtual_time(&world.clock, async {
        let handle = world.handle("k").await.unwrap();
        let current = handle.current().unwrap();
        let stop = async {
            world.clock.sleep(SECOND).await;
            world.lifecycle.stop(SECOND).await
        };
        let swap = async {
            let swapped = world.swap("k", "new").await.unwrap();
            (swapped.old_stopped, world.clock.monotonic())
        };
        let (swapped, clean) = tokio::join!(swap, stop);
        assert_eq!(swapped, (false, SECOND), "it leaves the old one to the end");
        assert!(!clean, "somebody used the old one at the deadline");
        assert_eq!(world.stops(), [1, 1]);
        drop(current);
    });
}

#[test]
fn a_change_that_nobody_drives_holds_up_the_end_until_its_deadline_only() {
    for (before, after) in [(Does::Hangs, Does::Well), (Does::Well, Does::Hangs)] {
        let world = World::of_two();
        virtual_time(&world.clock, async {
            let handle = world.handle("k").await.unwrap();
            world.hook(before, after);
            let mut swap = Box::pin(world.swap("k", "new"));
            assert!(futures_util::FutureExt::now_or_never(&mut swap).is_none());
            assert!(!world.lifecycle.stop(SECOND).await, "it is not clean");
            assert_eq!(world.clock.monotonic(), SECOND);
            assert_eq!(handle.current().unwrap_err().class, Class::Shutdown);
            world.check_only(&[]);
            assert!(matches!(swap.await, Err(LifecycleError::Stopped { .. })), "and it binds nothing later");
            assert!(handle.current().is_err());
            assert_eq!(world.stops(), [1, 1]);
        });
    }
}

#[test]
fn the_end_waits_for_a_stop_that_is_under_way_elsewhere() {
    let world = World::of_two();
    world.script("old", |script| script.stop = Does::Takes(Duration::from_secs(3)));
    virtual_time(&world.clock, async {
        world.handle("k").await.unwrap();
        let stop = async {
            world.clock.sleep(SECOND).await;
            let clean = world.lifecycle.stop(Duration::ZERO).await;
            (clean, world.clock.monotonic())
        };
        let (swapped, stopped) = tokio::join!(world.swap("k", "new"), stop);
        assert!(swapped.unwrap().old_stopped);
        assert_eq!(stopped, (true, Duration::from_secs(3)));
        world.check_only(&[]);
    });
}

#[test]
fn what_is_replaced_is_stopped_after_its_last_user_by_whoever_tends() {
    let world = World::of_two();
    virtual_time(&world.clock, async {
        let handle = world.handle("k").await.unwrap();
        let current = handle.current().unwrap();
        let swapped = world.swap("k", "new").await.unwrap();
        assert!(!swapped.old_stopped);
        let user = async {
            world.clock.sleep(Duration::from_secs(3600)).await;
            assert_eq!(world.stops(), [0, 0]);
            drop(current);
            world.clock.sleep(SECOND).await;
        };
        world.while_tended(user).await;
        assert_eq!(serves(&handle), 1);
        world.check_only(&[1]);
    });
}

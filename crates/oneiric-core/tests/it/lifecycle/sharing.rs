//! However many ask at once, one instance comes up.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use oneiric_core::Clock as _;
use oneiric_testkit::virtual_time;

use super::world::{Does, World, candidate, serves};

#[test]
fn concurrent_first_uses_build_one() {
    for callers in [10, 1_000] {
        let world = World::of_two();
        world.script("old", |script| script.start = Does::Takes(Duration::from_secs(1)));
        virtual_time(&world.clock, async {
            let handles = join_all((0..callers).map(|_| world.handle("k"))).await;
            assert!(handles.into_iter().all(|handle| serves(&handle.unwrap()) == 0));
            assert_eq!(world.probes().len(), 1);
        });
    }
}

#[test]
fn concurrent_first_uses_on_several_threads_build_one() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    for _ in 0..50 {
        let world = Arc::new(World::of_two());
        world.script("old", |script| (script.build, script.start) = (Does::Yields(2), Does::Yields(2)));
        runtime.block_on(async {
            let calls = (0..64).map(|_| {
                let world = Arc::clone(&world);
                tokio::spawn(async move { serves(&world.handle("k").await.unwrap()) })
            });
            assert!(join_all(calls).await.into_iter().all(|id| id.unwrap() == 0));
            assert_eq!(world.probes().len(), 1);
        });
    }
}

#[test]
fn a_failure_is_shared_with_those_who_waited_for_it_only() {
    let world = World::of_two();
    world.script("old", |script| {
        script.start = Does::Takes(Duration::from_secs(1));
        script.health = Does::Fails;
        script.stop = Does::Takes(Duration::from_secs(1));
    });
    virtual_time(&world.clock, async {
        let waited = join_all((0..10).map(|_| world.handle("k")));
        // Comes when the attempt has failed and its instance is being stopped.
        let late = async {
            world.clock.sleep(Duration::from_millis(1_500)).await;
            world.script("old", |script| script.health = Does::Well);
            world.handle("k").await
        };
        let (waited, late) = tokio::join!(waited, late);
        let errors: Vec<_> = waited.into_iter().map(Result::unwrap_err).collect();
        assert!(errors.iter().all(|error| *error == errors[0]));
        assert_eq!(serves(&late.unwrap()), 1, "it was tried a second time, and not ten times");
        world.check_only(&[1]);
        assert_eq!(world.status("k").failed_swaps, 1);
    });
}

#[test]
fn swaps_of_different_keys_do_not_wait_for_each_other() {
    let world = World::new(
        ["a", "b"]
            .into_iter()
            .flat_map(|key| [candidate(key, "slow"), candidate(key, "quick"), candidate(key, "first")]),
    );
    world.script("slow", |script| {
        script.start = Does::Takes(Duration::from_secs(20));
        script.stop = Does::Takes(Duration::from_secs(9));
    });
    virtual_time(&world.clock, async {
        world.handle("a").await.unwrap();
        world.handle("b").await.unwrap();
        let quick = async {
            world.clock.sleep(Duration::from_secs(1)).await;
            world.swap("b", "quick").await.unwrap();
            world.clock.monotonic()
        };
        let (slow, at) = tokio::join!(world.swap("a", "slow"), quick);
        assert_eq!((slow.unwrap().took, at), (Duration::from_secs(20), Duration::from_secs(1)));
        // Nor for a stop that is due to another key.
        let current = world.handle("a").await.unwrap().current().unwrap();
        assert!(!world.swap("a", "quick").await.unwrap().old_stopped);
        drop(current);
        let began = world.clock.monotonic();
        world.swap("b", "first").await.unwrap();
        assert_eq!(world.clock.monotonic(), began);
    });
}

#[test]
fn swaps_of_one_key_come_one_after_the_other() {
    let world = World::of_two();
    for by in ["old", "new"] {
        world.script(by, |script| script.start = Does::Takes(Duration::from_secs(1)));
    }
    virtual_time(&world.clock, async {
        let handle = world.handle("k").await.unwrap();
        let swaps = ["new", "old", "new", "old", "new"].map(|to| world.swap("k", to));
        let previous: Vec<_> = join_all(swaps)
            .await
            .into_iter()
            .map(|swapped| swapped.unwrap().previous.unwrap().as_str().to_owned())
            .collect();
        assert_eq!(previous, ["old", "new", "old", "new", "old"]);
        assert_eq!(world.clock.monotonic(), Duration::from_secs(6));
        world.check_only(&[serves(&handle)]);
    });
}

#[test]
fn one_that_is_slow_to_start_holds_up_no_other_in_a_refresh() {
    let world = World::new(["a", "b", "c"].map(|key| candidate(key, "first")));
    virtual_time(&world.clock, async {
        for key in ["a", "b", "c"] {
            world.handle(key).await.unwrap();
            let better = oneiric_core::Descriptor { priority: 1, ..candidate(key, "slow") };
            world.lifecycle.register(|registry| registry.register(better));
        }
        world.script("slow", |script| script.start = Does::Takes(Duration::from_secs(20)));
        assert!(world.lifecycle.refresh().await.iter().all(|(.., swapped)| swapped.is_ok()));
        assert_eq!(world.clock.monotonic(), Duration::from_secs(20));
        world.check_only(&[3, 4, 5]);
    });
}

#[test]
fn an_instance_is_replaced_once_its_settings_are_others_whoever_asks_for_it() {
    let world = World::new([candidate("k", "p"), candidate("other", "q")]);
    virtual_time(&world.clock, async {
        let followed = world.handle("k").await.unwrap();
        let pinned = world.handle_by("k", "p").await.unwrap();
        let other = world.handle("other").await.unwrap();
        world.script("p", |script| script.edition = 1);
        // One that may not be swapped now is named, and found again later.
        let held = world.lifecycle.refresh_where(|_, key| key.as_str() != "k").await;
        assert_eq!((held.swapped.len(), held.held.len()), (0, 1), "{held:?}");
        assert_eq!([serves(&followed), serves(&pinned), serves(&other)], [0, 1, 2]);
        assert_eq!(world.lifecycle.refresh().await.len(), 2);
        assert!(serves(&followed) > 2 && serves(&pinned) > 2);
        assert_eq!(serves(&other), 2);
        assert!(world.lifecycle.refresh().await.is_empty());
    });
}

#[test]
fn settings_that_change_while_an_instance_comes_up_are_not_forgotten() {
    let world = World::new([candidate("k", "p")]);
    world.script("p", |script| script.settings = Does::Takes(Duration::from_secs(2)));
    virtual_time(&world.clock, async {
        let changing = async {
            world.clock.sleep(Duration::from_secs(1)).await;
            world.script("p", |script| script.edition = 1);
        };
        let (handle, ()) = tokio::join!(world.handle("k"), changing);
        assert_eq!(serves(&handle.unwrap()), 0);
        assert_eq!(world.lifecycle.refresh().await.len(), 1);
    });
}

#[test]
fn a_component_may_resolve_another_while_it_starts() {
    let mut leaning = candidate("k", "leaning");
    leaning.metadata.insert("resolves".to_owned(), "base".into());
    let world = World::new([leaning, candidate("base", "base")]);
    virtual_time(&world.clock, async {
        world.handle("k").await.unwrap();
        assert_eq!(world.probes().len(), 2);
        assert!(world.lifecycle.stop(Duration::ZERO).await);
        // What it leans on came up first.
        let stops: Vec<_> = world.told().into_iter().filter(|line| line.starts_with("stop ")).collect();
        assert_eq!(stops, ["stop k", "stop base"]);
    });
}

#[test]
fn a_circle_of_two_is_cut_by_the_activation_timeout() {
    let in_circle = |key, resolves: &str| {
        let mut one = candidate(key, key);
        one.metadata.insert("resolves".to_owned(), resolves.into());
        one
    };
    let world = World::new([in_circle("a", "b"), in_circle("b", "a")]);
    virtual_time(&world.clock, async {
        let (a, b) = tokio::join!(world.handle("a"), world.handle("b"));
        assert!(a.is_err() && b.is_err());
        assert_eq!(world.clock.monotonic(), Duration::from_secs(30));
        world.while_tended(world.clock.sleep(Duration::from_secs(1))).await;
        world.check_only(&[]);
    });
}

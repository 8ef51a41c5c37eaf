//! A newcomer that does not come up changes nothing, wherever it fails and however.

use std::time::Duration;

use oneiric_core::lifecycle::{Condition, LifecycleError, Phase, Summary, Swap};
use oneiric_testkit::virtual_time;

use crate::lifecycle::world::{DOMAIN, Does, Roles, World, is_ready, key, serves};

const HOWS: [Does; 3] = [Does::Fails, Does::Panics, Does::Hangs];

fn place(world: &World, phase: Phase, does: Does) {
    match phase {
        Phase::Settings => world.script("new", |script| script.settings = does),
        Phase::Build => world.script("new", |script| script.build = does),
        Phase::Start => world.script("new", |script| script.start = does),
        Phase::Health => world.script("new", |script| script.health = does),
        Phase::HookBefore => world.hook(does, Does::Well),
        Phase::HookAfter => world.hook(Does::Well, does),
    }
}

const PHASES: [Phase; 6] =
    [Phase::Settings, Phase::Build, Phase::Start, Phase::Health, Phase::HookBefore, Phase::HookAfter];

/// The limit of a phase with the settings of upstream.
fn limit(phase: Phase) -> Duration {
    match phase {
        Phase::Settings | Phase::Build | Phase::Start => Duration::from_secs(30),
        Phase::Health | Phase::HookBefore | Phase::HookAfter => Duration::from_secs(5),
    }
}

fn check(phase: Phase, how: Does) {
    let world = World::of_two();
    virtual_time(&world.clock, async {
        let handle = world.handle("k").await.unwrap();
        place(&world, phase, how);
        let began = oneiric_core::Clock::monotonic(&world.clock);
        let error = world.swap("k", "new").await.unwrap_err();
        let took = oneiric_core::Clock::monotonic(&world.clock) - began;

        let LifecycleError::Failed { phase: told, fault, .. } = &error else { panic!("{error:?}") };
        assert_eq!(*told, phase);
        let (code, expected) = match how {
            Does::Fails => ("told-to", Duration::ZERO),
            Does::Panics => ("panic", Duration::ZERO),
            _ => ("timeout", limit(phase)),
        };
        assert_eq!((fault.code.as_str(), took), (code, expected), "{phase} {how:?}");

        assert_eq!(serves(&handle), 0, "the old one serves");
        world.check_only(&[0]);
        assert_eq!(world.stops().iter().sum::<usize>(), usize::from(world.probes().len() > 1));
        let status = world.status("k");
        assert_eq!(status.state, Condition::Failed);
        assert_eq!(status.current_provider.as_ref().map(|by| by.as_str()), Some("old"));
        assert_eq!(status.last_error, Some(error.to_string()));
        assert_eq!((status.successful_swaps, status.failed_swaps), (1, 1));
        assert_eq!(Summary::of([&status]).success_rate, Some(0.5));
        let selected = world.lifecycle.registry();
        assert_eq!(selected.selection(&DOMAIN, &key("k")), None, "what failed is not selected");

        place(&world, phase, Does::Well);
        let swapped = world.swap("k", "new").await.unwrap();
        assert!(swapped.old_stopped);
        let newest = world.probes().len() - 1;
        assert_eq!(serves(&handle), newest);
        world.check_only(&[newest]);
        is_ready(&world.status("k"), "new");
        assert!(world.lifecycle.stop(Duration::ZERO).await);
        world.check_only(&[]);
    });
}

#[test]
fn a_newcomer_that_fails_anywhere_leaves_the_old_one_serving() {
    for phase in PHASES {
        for how in HOWS {
            check(phase, how);
        }
    }
}

#[test]
fn a_first_instance_that_fails_anywhere_leaves_nothing_behind() {
    for phase in PHASES {
        for how in HOWS {
            let world = World::new([crate::lifecycle::world::candidate("k", "new")]);
            virtual_time(&world.clock, async {
                place(&world, phase, how);
                let error = world.handle("k").await.unwrap_err();
                assert!(matches!(error, LifecycleError::Failed { .. }), "{error:?}");
                world.check_only(&[]);
                assert_eq!(world.status("k").current_provider, None);
                place(&world, phase, Does::Well);
                let handle = world.handle("k").await.unwrap();
                world.check_only(&[serves(&handle)]);
                is_ready(&world.status("k"), "new");
            });
        }
    }
}

#[test]
fn the_steps_of_an_activation_share_its_time() {
    let world = World::of_two();
    virtual_time(&world.clock, async {
        world.script("old", |script| {
            script.settings = Does::Takes(Duration::from_secs(20));
            script.build = Does::Takes(Duration::from_secs(9));
            script.start = Does::Takes(Duration::from_secs(2));
        });
        let error = world.handle("k").await.unwrap_err();
        assert!(matches!(error, LifecycleError::Failed { phase: Phase::Start, .. }), "{error:?}");
        assert_eq!(oneiric_core::Clock::monotonic(&world.clock), Duration::from_secs(30));
    });
}

#[test]
fn a_stop_that_fails_in_any_way_ends_and_is_not_repeated() {
    for how in HOWS {
        let world = World::of_two();
        virtual_time(&world.clock, async {
            world.script("old", |script| script.stop = how);
            let handle = world.handle("k").await.unwrap();
            let swapped = world.swap("k", "new").await.unwrap();
            assert!(swapped.old_stopped);
            assert_eq!(serves(&handle), 1);
            assert!(world.lifecycle.stop(Duration::ZERO).await);
            assert_eq!(world.stops(), [1, 1], "{how:?}");
        });
    }
}

#[test]
fn a_newcomer_that_lacks_a_role_in_use_is_refused() {
    let world = World::of_two();
    virtual_time(&world.clock, async {
        world.script("old", |script| script.roles = Roles::PingAndPong);
        world.script("new", |script| script.roles = Roles::Pong);
        let handle = world.handle("k").await.unwrap();
        let error = world.swap("k", "new").await.unwrap_err();
        assert!(matches!(&error, LifecycleError::MissingRole { role: "ping", .. }), "{error:?}");
        assert_eq!(serves(&handle), 0);
        world.check_only(&[0]);
        world.script("new", |script| script.roles = Roles::Ping);
        world.swap("k", "new").await.unwrap();
        world.check_only(&[2]);
    });
}

#[test]
fn a_role_that_nobody_asked_for_may_go() {
    let world = World::of_two();
    virtual_time(&world.clock, async {
        world.script("old", |script| script.roles = Roles::PingAndPong);
        world.handle("k").await.unwrap();
        world.swap("k", "new").await.unwrap();
        world.check_only(&[1]);
    });
}

#[test]
fn a_role_asked_for_while_a_newcomer_comes_up_is_required_of_it() {
    let world = World::of_two();
    virtual_time(&world.clock, async {
        world.script("old", |script| script.roles = Roles::PingAndPong);
        world.hook(Does::Takes(Duration::from_secs(2)), Does::Well);
        world.handle("k").await.unwrap();
        let late = async {
            oneiric_core::Clock::sleep(&world.clock, Duration::from_secs(1)).await;
            let key = key("k");
            world
                .lifecycle
                .handle::<dyn super::world::Pong>(&DOMAIN, &key, &Default::default())
                .await
                .unwrap()
        };
        let (swapped, pong) = tokio::join!(world.swap("k", "new"), late);
        assert!(matches!(swapped, Err(LifecycleError::MissingRole { role: "pong", .. })), "{swapped:?}");
        assert_eq!(pong.current().unwrap().pong(), 0);
        world.check_only(&[0]);
    });
}

#[test]
fn a_component_without_the_role_says_what_it_plays() {
    let world = World::of_two();
    virtual_time(&world.clock, async {
        let key = key("k");
        let asked =
            world.lifecycle.handle::<dyn super::world::Pong>(&DOMAIN, &key, &Default::default()).await;
        assert_eq!(
            asked.unwrap_err().to_string(),
            "adapter `k` of `old` does not play the role `pong`; it plays `ping`"
        );
        world.check_only(&[0]);
    });
}

#[test]
fn force_binds_what_is_unhealthy_and_nothing_worse() {
    let world = World::of_two();
    virtual_time(&world.clock, async {
        let handle = world.handle("k").await.unwrap();
        let to = super::world::provider("new");
        let key = key("k");
        let force = Swap { provider: Some(&to), force: true };
        world.script("new", |script| script.start = Does::Fails);
        world.lifecycle.swap(&DOMAIN, &key, force).await.unwrap_err();
        assert_eq!(serves(&handle), 0);
        world.script("new", |script| (script.start, script.health) = (Does::Well, Does::Fails));
        world.lifecycle.swap(&DOMAIN, &key, force).await.unwrap();
        assert_eq!(serves(&handle), 2);
        is_ready(&world.status("k"), "new");
        world.check_only(&[2]);
    });
}

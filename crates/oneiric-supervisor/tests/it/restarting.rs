//! What becomes of services that end without being asked.

use std::time::Duration;

use oneiric_supervisor::service::{RestartPolicy, State};

use crate::stage::{Act, cast, play, waits};

#[test]
fn a_crash_loop_of_a_critical_service_ends_the_process_after_its_limit() {
    let cast = vec![cast("a", &[Act::Steady]), cast("b", &[Act::Fails(0.1)]).order(1)];
    play(cast, async |stage| {
        let gone = stage.supervisor.gone().await;
        assert_eq!(gone.key.as_str(), "b");
        assert_eq!(gone.reason, "it broke; given up after 5 restarts within 60s");
        let gaps =
            stage.times("+b").windows(2).map(|pair| (pair[1] - pair[0] - 0.1).round()).collect::<Vec<_>>();
        assert_eq!(gaps, [1.0, 2.0, 4.0, 8.0, 16.0]);
        // What runs goes on until somebody stops it.
        assert_eq!((stage.state("a"), stage.state("b")), (State::Running, State::Failed));
        assert!(stage.supervisor.stop(Duration::from_secs(9)).await);
        assert!(stage.story().ends_with("?a -a"), "{}", stage.story());
    });
}

#[test]
fn a_panic_is_an_end_with_a_fault() {
    let cast = vec![cast("a", &[Act::Panics(1.0), Act::Steady])];
    play(cast, async |stage| {
        stage.supervisor.up().await;
        stage.pass(1.5).await;
        assert_eq!(stage.state("a"), State::Backoff);
        assert_eq!(stage.status("a").error.unwrap(), "panicked: a panic of `a`");
        assert_eq!(stage.status("a").detail.unwrap(), "waits 1s before restart 1 of 5");
        stage.pass(1.0).await;
        assert_eq!((stage.state("a"), stage.status("a").restarts), (State::Running, 1));
        assert_eq!(*stage.written.0.lock().unwrap(), ["a Stdout attempt 1", "a Stdout attempt 2"]);
    });
}

#[test]
fn a_crash_of_a_service_that_nobody_must_have_leaves_the_others_alone() {
    let cast = vec![
        cast("a", &[Act::Steady]),
        cast("b", &[Act::Fails(1.0)]).optional().order(1).with(|spec| {
            spec.restart.policy = RestartPolicy::Never;
        }),
        cast("c", &[Act::Steady]).order(2),
    ];
    play(cast, async |stage| {
        assert!(waits(stage, 1000.0, stage.supervisor.gone()).await);
        assert_eq!(stage.story(), "+a +b +c -b");
        assert_eq!((stage.state("a"), stage.state("b")), (State::Running, State::Failed));
    });
}

#[test]
fn a_service_that_is_always_restarted_is_so_after_a_good_end_too() {
    let always = |spec: &mut oneiric_supervisor::service::Spec| spec.restart.policy = RestartPolicy::Always;
    play(vec![cast("a", &[Act::Ends(1.0), Act::Steady]).with(always)], async |stage| {
        stage.pass(5.0).await;
        assert_eq!(stage.times("+a"), [0.0, 2.0]);
        assert_eq!(stage.state("a"), State::Running);
    });
}

#[test]
fn a_dependency_that_crashes_does_not_take_along_what_needs_it() {
    let cast = vec![cast("a", &[Act::Fails(5.0), Act::Steady]), cast("b", &[Act::Steady]).needs(&["a"])];
    play(cast, async |stage| {
        stage.pass(10.0).await;
        assert_eq!(stage.story(), "+a +b -a +a");
        // Its place is that of its first start.
        assert!(stage.supervisor.stop(Duration::from_secs(9)).await);
        assert_eq!(stage.story(), "+a +b -a +a ?b -b ?a -a");
    });
}

//! In which order services start, and what holds that up.

use std::time::Duration;

use oneiric_supervisor::service::State;

use crate::stage::{Act, cast, play, waits};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn the_seven_services_start_in_their_order_and_stop_in_the_reverse() {
    let seven = vec![
        cast("fasta2a-gateway", &[Act::Steady]).order(70).optional(),
        cast("tool-executor", &[Act::Steady]).order(60),
        cast("conversation-worker", &[Act::Steady]).order(50),
        cast("outbox-sync", &[Act::Steady]).order(40),
        cast("memory-sync", &[Act::Steady]).order(30).needs(&["gateway", "memory-replicator"]),
        cast("memory-replicator", &[Act::SaysReady(2.0)]).order(20).needs(&["gateway"]),
        cast("gateway", &[Act::SaysReady(1.0)]).order(10),
    ];
    let names = [
        "gateway",
        "memory-replicator",
        "memory-sync",
        "outbox-sync",
        "conversation-worker",
        "tool-executor",
        "fasta2a-gateway",
    ];
    play(seven, async |stage| {
        stage.supervisor.up().await;
        stage.pass(1.0).await;
        let started: Vec<_> = names.iter().map(|name| format!("+{name}")).collect();
        assert_eq!(stage.story(), started.join(" "));
        assert_eq!(stage.times("+memory-replicator"), [1.0]);
        assert_eq!(stage.times("+memory-sync"), [3.0]);
        assert!(stage.supervisor.stop(LONG).await);
        let stopped: Vec<_> = names.iter().rev().map(|name| format!("?{name} -{name}")).collect();
        assert_eq!(stage.story(), format!("{} {}", started.join(" "), stopped.join(" ")));
    });
}

#[test]
fn services_of_one_wave_start_together_and_the_next_one_waits_for_all() {
    let cast = vec![
        cast("a", &[Act::SaysReady(3.0)]),
        cast("b", &[Act::SaysReady(1.0)]),
        cast("c", &[Act::Steady]).order(1),
    ];
    play(cast, async |stage| {
        assert!(waits(stage, 2.9, stage.supervisor.up()).await);
        assert_eq!((stage.state("a"), stage.state("b")), (State::Starting, State::Running));
        assert_eq!(stage.state("c"), State::Registered);
        stage.supervisor.up().await;
        assert_eq!(
            (stage.times("+a"), stage.times("+b"), stage.times("+c")),
            (vec![0.0], vec![0.0], vec![3.0])
        );
        let startup = stage.supervisor.figures();
        assert!((startup[0].startup.sum - 3.0).abs() < 1e-9 && startup[0].startup.count == 1);
    });
}

#[test]
fn a_service_that_does_not_become_ready_holds_up_only_what_needs_it() {
    let cast = vec![
        cast("a", &[Act::SaysReady(1e6), Act::SaysReady(0.5)])
            .optional()
            .with(|spec| spec.start_timeout = 5.0),
        cast("b", &[Act::Steady]).order(1),
        cast("c", &[Act::Steady]).order(1).optional().needs(&["a"]),
    ];
    play(cast, async |stage| {
        stage.supervisor.up().await;
        // As long as its first attempt may take, everybody waits.
        assert_eq!(stage.times("+b"), [5.0]);
        stage.pass(0.1).await;
        assert_eq!(stage.state("a"), State::Backoff);
        assert_eq!(stage.status("a").error.unwrap(), "it was not ready within 5s");
        assert_eq!(stage.status("c").detail.unwrap(), "waits for `a`");
        // It comes late, and what needs it with it.
        stage.pass(2.0).await;
        assert_eq!(stage.times("+c"), [6.5]);
        assert_eq!(stage.state("c"), State::Running);
    });
}

#[test]
fn what_needs_a_service_that_was_given_up_fails_with_that_reason() {
    let cast = vec![
        cast("a", &[Act::Fails(0.0)]).optional().with(|spec| spec.restart.limit = 1),
        cast("b", &[Act::Steady]).optional().needs(&["a"]),
        cast("c", &[Act::Steady]).optional().needs(&["b"]),
        cast("d", &[Act::Steady]),
    ];
    play(cast, async |stage| {
        stage.supervisor.up().await;
        stage.pass(10.0).await;
        assert_eq!(stage.story().matches("+a").count(), 2);
        let failed = |key: &str| (stage.state(key), stage.status(key).error.unwrap());
        assert_eq!(failed("a").1, "it broke; given up after 1 restart within 60s");
        assert_eq!(failed("b"), (State::Failed, "it needs `a`, which has failed".to_owned()));
        assert_eq!(failed("c"), (State::Failed, "it needs `b`, which has failed".to_owned()));
        assert!(waits(stage, 100.0, stage.supervisor.gone()).await);
    });
}

#[test]
fn a_critical_service_that_can_never_start_takes_the_process_with_it() {
    let cast = vec![
        cast("a", &[Act::Fails(0.0)]).optional().with(|spec| spec.restart.limit = 0),
        cast("b", &[Act::Steady]).needs(&["a"]),
    ];
    play(cast, async |stage| {
        let gone = stage.supervisor.gone().await;
        let told = "the critical service `b` was given up: it needs `a`, which has failed";
        assert_eq!(gone.to_string(), told);
    });
}

#[test]
fn a_service_that_ends_as_it_should_holds_up_nothing() {
    let cast = vec![cast("a", &[Act::Ends(1.0)]), cast("b", &[Act::Steady]).order(1)];
    play(cast, async |stage| {
        stage.supervisor.up().await;
        stage.pass(5.0).await;
        assert_eq!(stage.story(), "+a +b -a");
        assert_eq!(stage.state("a"), State::Stopped);
        assert!(waits(stage, 100.0, stage.supervisor.gone()).await);
    });
}

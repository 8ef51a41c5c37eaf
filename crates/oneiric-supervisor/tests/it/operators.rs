//! What operators say of services while they run, and other rosters under them.

use std::collections::BTreeSet;

use oneiric_core::Domain;
use oneiric_supervisor::Wish;
use oneiric_supervisor::service::{Roster, State};
use oneiric_supervisor::supervisor::CommandError;

use crate::stage::{Act, Cast, cast, play, waits};

fn chain() -> Vec<Cast> {
    vec![
        cast("a", &[Act::Steady]),
        cast("b", &[Act::Steady]).needs(&["a"]),
        cast("c", &[Act::Steady]).needs(&["b"]),
        cast("d", &[Act::Steady]),
    ]
}

#[test]
fn a_stop_takes_along_what_needs_the_service_and_a_start_brings_it_back() {
    play(chain(), async |stage| {
        stage.supervisor.up().await;
        let a = "a".parse().unwrap();
        let stopped = stage.supervisor.stop_service(&a).await.unwrap();
        assert_eq!(stopped.state, State::Stopped);
        assert_eq!(stage.story(), "+a +d +b +c ?c -c ?b -b ?a -a");
        // A second one is no second stop.
        stage.supervisor.stop_service(&a).await.unwrap();
        let started = stage.supervisor.start_service(&a).await.unwrap();
        assert_eq!(started.state, State::Running);
        stage.supervisor.up().await;
        assert_eq!(stage.story(), "+a +d +b +c ?c -c ?b -b ?a -a +a +b +c");
    });
}

#[test]
fn a_start_brings_what_the_service_needs() {
    play(chain(), async |stage| {
        stage.supervisor.up().await;
        stage.supervisor.stop_service(&"a".parse().unwrap()).await.unwrap();
        let started = stage.supervisor.start_service(&"c".parse().unwrap()).await.unwrap();
        assert_eq!(started.state, State::Running);
        assert!(stage.story().ends_with("+a +b +c"), "{}", stage.story());
    });
}

#[test]
fn a_restart_is_a_stop_and_a_start_of_it_and_of_what_needs_it() {
    play(chain(), async |stage| {
        stage.supervisor.up().await;
        let status = stage.supervisor.restart_service(&"b".parse().unwrap()).await.unwrap();
        assert_eq!((status.state, status.restarts), (State::Running, 0));
        stage.supervisor.up().await;
        assert_eq!(stage.story(), "+a +d +b +c ?c -c ?b -b +b +c");
    });
}

#[test]
fn a_start_tells_that_it_did_not_work() {
    let cast = vec![cast("a", &[Act::Steady, Act::Fails(1.0)]).optional()];
    play(cast, async |stage| {
        stage.supervisor.up().await;
        let key = "a".parse().unwrap();
        stage.supervisor.stop_service(&key).await.unwrap();
        let ready = stage.supervisor.start_service(&key).await.unwrap();
        assert_eq!(ready.state, State::Running);
        stage.pass(1.5).await;
        assert_eq!(stage.state("a"), State::Backoff);
        let wrong = stage.supervisor.start_service(&"aa".parse().unwrap()).await.unwrap_err();
        assert_eq!(wrong.to_string(), "service `aa` is not known; did you mean `a`?");
    });
}

/// In the orchestrator that this one replaces, a drain was a pause, and nothing was ever waited for.
#[test]
fn a_drain_ends_the_service_and_a_pause_does_not() {
    play(chain(), async |stage| {
        stage.supervisor.up().await;
        let b = "b".parse().unwrap();
        assert_eq!(stage.activity.in_flight(&Domain::SERVICE, &b), 1);
        stage.say("b", Wish::Pause);
        stage.pass(1.0).await;
        assert_eq!(stage.state("b"), State::Paused);
        assert!(stage.admits("b").is_none());
        assert_eq!(stage.activity.in_flight(&Domain::SERVICE, &b), 1);
        stage.say("b", Wish::Accept);
        stage.pass(1.0).await;
        assert_eq!(stage.state("b"), State::Running);
        assert!(stage.admits("b").is_some());
        stage.say("b", Wish::Drain);
        stage.pass(1.0).await;
        assert_eq!(stage.story(), "+a +d +b +c ?c -c ?b -b");
        assert_eq!(stage.activity.in_flight(&Domain::SERVICE, &b), 0);
        assert_eq!((stage.state("b"), stage.state("c")), (State::Stopped, State::Stopped));
        assert_eq!(stage.status("b").detail.unwrap(), "an operator drains it");
        let refused = stage.supervisor.start_service(&b).await;
        assert_eq!(refused.unwrap_err(), CommandError::Draining(b));
        assert!(waits(stage, 100.0, stage.supervisor.gone()).await);
        stage.say("b", Wish::Accept);
        stage.pass(1.0).await;
        assert!(stage.story().ends_with("+b +c"), "{}", stage.story());
    });
}

#[test]
fn a_service_that_drains_is_seen_to_do_so() {
    play(vec![cast("a", &[Act::Slow(5.0)])], async |stage| {
        stage.supervisor.up().await;
        stage.say("a", Wish::Drain);
        stage.pass(1.0).await;
        assert_eq!(stage.state("a"), State::Draining);
        stage.pass(5.0).await;
        assert_eq!(stage.state("a"), State::Stopped);
    });
}

#[test]
fn a_pause_outlives_a_restart() {
    play(vec![cast("a", &[Act::Fails(5.0), Act::Steady])], async |stage| {
        stage.supervisor.up().await;
        stage.say("a", Wish::Pause);
        stage.pass(10.0).await;
        assert_eq!((stage.state("a"), stage.status("a").restarts), (State::Paused, 1));
        assert!(stage.admits("a").is_none());
    });
}

#[test]
fn another_roster_touches_only_what_changed_and_what_needs_it() {
    play(chain(), async |stage| {
        stage.supervisor.up().await;
        let cast = [
            cast("a", &[Act::Steady]),
            cast("b", &[Act::Steady]).needs(&["a"]).with(|spec| spec.stop_timeout = 3.0),
            cast("c", &[Act::Steady]).needs(&["b"]),
            cast("e", &[Act::Steady]),
        ];
        stage.link(&cast[3]);
        let roster = Roster::new(cast.iter().map(Cast::member)).unwrap();
        stage.supervisor.adopt(roster.clone(), BTreeSet::new()).await;
        stage.pass(1.0).await;
        assert_eq!(stage.story(), "+a +d +b +c ?c -c ?d -d +e ?b -b +b +c");
        assert_eq!(stage.times("?a").len(), 0);
        let names: Vec<_> = stage.supervisor.statuses().into_iter().map(|one| one.name.to_string()).collect();
        assert_eq!(names, ["a", "e", "b", "c"]);
        // The same once more changes nothing.
        stage.supervisor.adopt(roster.clone(), BTreeSet::new()).await;
        stage.pass(1.0).await;
        assert!(stage.story().ends_with("+b +c"), "{}", stage.story());
        // Whoever knows more than the roster says so.
        stage.supervisor.adopt(roster, BTreeSet::from(["e".parse().unwrap()])).await;
        stage.pass(1.0).await;
        assert!(stage.story().ends_with("?e -e +e"), "{}", stage.story());
    });
}

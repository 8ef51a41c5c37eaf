//! The end: everybody is asked once, in the reverse order of the actual start.

use std::time::Duration;

use oneiric_core::Clock as _;
use oneiric_supervisor::service::State;
use proptest::prelude::*;

use crate::stage::{Act, Cast, cast, play};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The orchestrator that this one replaces set an event in its signal handler, and its shutdown returned at once
/// where that event was set.
#[test]
fn every_service_that_was_started_is_asked_to_stop_exactly_once() {
    let cast =
        || vec![cast("a", &[Act::Steady]), cast("b", &[Act::Slow(1.0)]), cast("c", &[Act::SaysReady(1e6)])];
    play(cast(), async |stage| {
        stage.pass(1.0).await;
        let (one, other) = tokio::join!(stage.supervisor.stop(secs(60)), stage.supervisor.stop(secs(60)));
        assert!(one && other);
        for key in ["a", "b", "c"] {
            assert_eq!(stage.times(&format!("?{key}")).len(), 1, "{key}");
            assert_eq!(stage.times(&format!("-{key}")).len(), 1, "{key}");
        }
    });
}

/// It also stopped in the reverse order of registration, whatever the order of the start had been.
#[test]
fn the_order_of_the_end_is_that_of_the_actual_start() {
    let cast = vec![
        cast("a", &[Act::Steady]).order(3),
        cast("b", &[Act::Steady]).order(1),
        cast("c", &[Act::Steady]).order(2),
    ];
    play(cast, async |stage| {
        stage.supervisor.up().await;
        assert!(stage.supervisor.stop(secs(60)).await);
        assert_eq!(stage.story(), "+b +c +a ?a -a ?c -c ?b -b");
    });
}

#[test]
fn a_service_that_does_not_stop_is_dropped_after_its_time() {
    let cast = vec![
        cast("a", &[Act::Steady]),
        cast("b", &[Act::Deaf]).order(1).with(|spec| spec.stop_timeout = 7.0),
    ];
    play(cast, async |stage| {
        stage.supervisor.up().await;
        assert!(!stage.supervisor.stop(secs(60)).await);
        assert_eq!(stage.story(), "+a +b ?b ?a -a");
        assert_eq!(stage.clock.monotonic(), secs(7));
        assert_eq!((stage.state("a"), stage.state("b")), (State::Stopped, State::Stopped));
        let figures = stage.supervisor.figures();
        assert!((figures[1].shutdown.sum - 7.0).abs() < 1e-9);
    });
}

#[test]
fn nothing_outlives_the_deadline_of_the_end() {
    let cast = vec![
        cast("a", &[Act::Deaf]),
        cast("b", &[Act::Slow(3.0)]).order(1),
        cast("c", &[Act::Deaf]).order(2),
    ];
    play(cast, async |stage| {
        stage.supervisor.up().await;
        assert!(!stage.supervisor.stop(secs(5)).await);
        // There was no time for the others; each was told all the same, and dropped.
        assert_eq!(stage.clock.monotonic(), secs(5));
        assert!(stage.supervisor.statuses().iter().all(|status| status.state == State::Stopped));
    });
}

#[test]
fn an_end_during_the_start_stops_what_there_is() {
    let cast = vec![
        cast("a", &[Act::Steady]),
        cast("b", &[Act::SaysReady(60.0)]).order(1),
        cast("c", &[Act::Steady]).order(2),
    ];
    play(cast, async |stage| {
        stage.pass(1.0).await;
        assert!(stage.supervisor.stop(secs(60)).await);
        assert_eq!(stage.story(), "+a +b ?b -b ?a -a");
        assert_eq!(stage.clock.monotonic(), secs(1));
    });
}

#[test]
fn a_wait_for_a_restart_does_not_hold_up_the_end() {
    play(vec![cast("a", &[Act::Fails(0.0)]).optional()], async |stage| {
        stage.pass(1.5).await;
        assert_eq!(stage.state("a"), State::Backoff);
        assert!(stage.supervisor.stop(secs(60)).await);
        assert_eq!(stage.clock.monotonic(), Duration::from_millis(1500));
    });
}

fn any_cast() -> impl Strategy<Value = Vec<Cast>> {
    let act = prop_oneof![
        4 => Just(Act::Steady),
        2 => (0.0..3.0).prop_map(Act::SaysReady),
        1 => (0.0..3.0).prop_map(Act::Fails),
        1 => (0.0..3.0).prop_map(Act::Ends),
        1 => (0.0..3.0).prop_map(Act::Slow),
        1 => Just(Act::Deaf),
        1 => (0.0..3.0).prop_map(Act::Panics),
    ];
    let one = (
        prop::collection::vec(act, 1..3),
        0i32..3,
        prop::collection::vec(any::<prop::sample::Index>(), 0..2),
    );
    prop::collection::vec(one, 1..7).prop_map(|all| {
        let name = |place: usize| format!("s{place}");
        let cast = all.into_iter().enumerate().map(|(place, (acts, order, needs))| {
            // Only those before it: no circle.
            let needs: Vec<_> =
                needs.iter().filter(|_| place > 0).map(|index| name(index.index(place))).collect();
            let needs: Vec<_> = needs.iter().map(String::as_str).collect();
            cast(&name(place), &acts).order(order).needs(&needs)
        });
        cast.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_services_do_none_is_asked_twice_and_none_is_left(cast in any_cast(), after in 0.0..20.0) {
        let members: Vec<_> = cast.iter().map(Cast::member).collect();
        play(cast, async |stage| {
            stage.pass(after).await;
            stage.supervisor.stop(secs(60)).await;
            let story = stage.story();
            let words: Vec<&str> = story.split_whitespace().collect();
            for member in &members {
                let count = |sign: char| words.iter().filter(|word| **word == format!("{sign}{}", member.key)).count();
                assert!(count('?') <= 1, "{story}");
                let state = stage.state(member.key.as_str());
                assert!(matches!(state, State::Stopped | State::Failed | State::Registered), "{state:?}");
                // Nothing starts before what it needs has.
                let first = |key: &str| words.iter().position(|word| *word == format!("+{key}"));
                for needed in &member.spec.dependencies {
                    let (own, its) = (first(member.key.as_str()), first(needed.as_str()));
                    assert!(own.is_none() || its < own, "{story}");
                }
            }
            // Who was asked was asked in the reverse order of the first starts.
            let first = |key: &str| words.iter().position(|word| word[1..] == *key && word.starts_with('+'));
            let asked: Vec<_> = words.iter().filter(|word| word.starts_with('?')).map(|word| first(&word[1..])).collect();
            assert!(asked.windows(2).all(|pair| pair[0] > pair[1]), "{story}");
        });
    }
}

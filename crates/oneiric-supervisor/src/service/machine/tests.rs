//! Cases, and what is true whatever happens.

use oneiric_core::probe::Question;
use proptest::prelude::*;

use super::*;

fn spec() -> Spec {
    Spec { start_timeout: 10.0, stop_timeout: 5.0, ..Spec::default() }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn failed(reason: &str) -> Event {
    Event::Ended(End::Failed(reason.to_owned()))
}

/// A machine that runs since zero.
fn running(spec: &Spec) -> Machine {
    let mut machine = Machine::new(spec);
    machine.step(Event::Start, secs(0));
    machine.step(Event::Began { says_ready: false }, secs(0));
    machine
}

fn restarts_after(effects: &[Effect]) -> Option<Duration> {
    effects.iter().find_map(|effect| match effect {
        Effect::Set(Timer::Restart, wait) => Some(*wait),
        _ => None,
    })
}

#[test]
fn readiness_is_what_the_service_and_its_probe_say_together() {
    let probed = Spec { ready: Some(Probe::of(Question::Component)), ..spec() };
    let check = |spec: &Spec, says_ready: bool, events: &[Event], expected: Stand| {
        let mut machine = Machine::new(spec);
        machine.step(Event::Start, secs(0));
        machine.step(Event::Began { says_ready }, secs(0));
        for event in events {
            machine.step(event.clone(), secs(1));
        }
        assert_eq!(machine.stand(), expected, "{events:?}");
    };
    let passed = Event::Answered(Which::Ready, Ok(()));
    let failed = Event::Answered(Which::Ready, Err("no".to_owned()));
    check(&spec(), false, &[], Stand::Ready);
    check(&spec(), true, &[], Stand::Coming);
    check(&spec(), true, &[Event::SaidReady], Stand::Ready);
    check(&probed, false, &[], Stand::Coming);
    check(&probed, false, &[failed.clone(), failed.clone(), failed, passed.clone()], Stand::Ready);
    check(&probed, true, std::slice::from_ref(&passed), Stand::Coming);
    check(&probed, true, &[passed, Event::SaidReady], Stand::Ready);
}

#[test]
fn a_service_that_is_not_ready_in_time_ends_as_a_failure() {
    let mut machine = Machine::new(&spec());
    machine.step(Event::Start, secs(0));
    machine.step(Event::Began { says_ready: true }, secs(0));
    let effects = machine.step(Event::Due(Timer::Start), secs(10));
    assert!(effects.contains(&Effect::AskToStop), "{effects:?}");
    assert_eq!(machine.stand(), Stand::Stopping { asked: false });
    let effects = machine.step(Event::Due(Timer::Stop), secs(15));
    assert!(effects.contains(&Effect::Drop), "{effects:?}");
    let effects = machine.step(Event::Ended(End::Well), secs(15));
    assert_eq!(restarts_after(&effects), Some(secs(1)));
    assert_eq!(machine.error(), Some("it was not ready within 10s"));
}

#[test]
fn the_policy_says_which_end_is_followed_by_a_start() {
    use RestartPolicy::{Always, Never, OnFailure};
    let check = |policy, end: End, expected: Stand| {
        let spec = Spec { restart: Restart { policy, ..Restart::default() }, ..spec() };
        let mut machine = running(&spec);
        machine.step(Event::Ended(end.clone()), secs(1));
        assert_eq!(machine.stand(), expected, "{policy:?} {end:?}");
    };
    let failed = || End::Failed("no".to_owned());
    check(Never, End::Well, Stand::Over);
    check(Never, failed(), Stand::Failed);
    check(OnFailure, End::Well, Stand::Over);
    check(OnFailure, failed(), Stand::Waiting);
    check(Always, End::Well, Stand::Waiting);
    check(Always, failed(), Stand::Waiting);
    check(Always, End::Hopeless("no".to_owned()), Stand::Failed);
}

#[test]
fn waits_double_up_to_the_cap_and_begin_anew_after_a_window_without_an_end() {
    let restart = Restart { max_delay: 5.0, limit: 9, ..Restart::default() };
    let mut machine = running(&Spec { restart, ..spec() });
    let (mut now, mut waits) = (secs(0), Vec::new());
    for lived in [0, 0, 0, 0, 60, 0] {
        now += secs(lived);
        let wait = restarts_after(&machine.step(failed("no"), now)).unwrap();
        waits.push(wait.as_secs());
        now += wait;
        machine.step(Event::Due(Timer::Restart), now);
        machine.step(Event::Began { says_ready: false }, now);
    }
    assert_eq!(waits, [1, 2, 4, 5, 1, 2]);
    assert_eq!(machine.restarts(), 6);
}

#[test]
fn one_failure_more_than_the_limit_within_the_window_gives_it_up() {
    let restart = Restart { limit: 2, ..Restart::default() };
    let mut machine = running(&Spec { restart, ..spec() });
    for at in [1, 3] {
        assert!(restarts_after(&machine.step(failed("no"), secs(at))).is_some());
        machine.step(Event::Due(Timer::Restart), secs(at));
    }
    let effects = machine.step(failed("no"), secs(9));
    let reason = "no; given up after 2 restarts within 60s".to_owned();
    assert!(effects.contains(&Effect::Tell(Tale::GaveUp(reason))), "{effects:?}");
    assert_eq!((machine.stand(), machine.state()), (Stand::Failed, State::Failed));
    // Somebody who starts it by hand has all tries again.
    machine.step(Event::Forget, secs(10));
    machine.step(Event::Start, secs(10));
    assert!(restarts_after(&machine.step(failed("no"), secs(11))).is_some());
}

#[test]
fn a_stop_ends_a_wait_and_takes_the_word_from_the_policy() {
    let mut machine = running(&spec());
    machine.step(failed("no"), secs(1));
    let effects = machine.step(Event::Stop, secs(1));
    assert!(effects.contains(&Effect::Unset(Timer::Restart)) && !effects.contains(&Effect::AskToStop));
    assert_eq!((machine.stand(), machine.state()), (Stand::Idle, State::Stopped));

    let mut machine = running(&Spec { live: Some(Probe::of(Question::Component)), ..spec() });
    let no = Event::Answered(Which::Live, Err("no".to_owned()));
    let effects: Vec<_> = (0..3).flat_map(|at| machine.step(no.clone(), secs(at))).collect();
    assert_eq!(effects.iter().filter(|effect| **effect == Effect::AskToStop).count(), 1);
    // It was asked already.
    assert_eq!(machine.step(Event::Stop, secs(3)), []);
    machine.step(failed("whatever"), secs(4));
    assert_eq!((machine.stand(), machine.state()), (Stand::Idle, State::Stopped));
}

#[test]
fn a_readiness_probe_that_fails_later_degrades_and_does_not_restart() {
    let mut machine = running(&Spec { ready: Some(Probe::of(Question::Component)), ..spec() });
    machine.step(Event::Answered(Which::Ready, Ok(())), secs(1));
    assert_eq!(machine.health(), Health::Ok);
    for at in 2..5 {
        machine.step(Event::Answered(Which::Ready, Err("slow".to_owned())), secs(at));
    }
    assert_eq!((machine.stand(), machine.health()), (Stand::Ready, Health::Degraded));
    assert_eq!(machine.error(), Some("its ready probe fails: slow"));
    machine.step(Event::Answered(Which::Ready, Ok(())), secs(6));
    assert_eq!((machine.health(), machine.error()), (Health::Ok, None));
}

fn any_event() -> impl Strategy<Value = Event> {
    let end = prop_oneof![
        Just(End::Well),
        Just(End::Failed("no".to_owned())),
        Just(End::Failed("no".to_owned())),
        Just(End::Hopeless("never".to_owned())),
    ];
    let which = prop_oneof![Just(Which::Ready), Just(Which::Live)];
    let answer = prop_oneof![Just(Ok(())), Just(Err("no".to_owned()))];
    let timer = prop_oneof![
        Just(Timer::Start),
        Just(Timer::Stop),
        Just(Timer::Restart),
        which.clone().prop_map(Timer::Ask)
    ];
    prop_oneof![
        2 => Just(Event::Start),
        2 => any::<bool>().prop_map(|says_ready| Event::Began { says_ready }),
        1 => Just(Event::SaidReady),
        2 => (which, answer).prop_map(|(which, answer)| Event::Answered(which, answer)),
        4 => end.prop_map(Event::Ended),
        1 => Just(Event::Stop),
        1 => Just(Event::Abandon),
        1 => Just(Event::Forget),
        1 => Just(Event::Block("x".to_owned())),
        6 => timer.prop_map(Event::Due),
    ]
}

/// What an engine would know.
#[derive(Default)]
struct World {
    runs: bool,
    asks: u32,
    drops: u32,
    timers: std::collections::BTreeSet<Timer>,
    /// When it was decided to start it again, since somebody started it.
    restarted: Vec<Duration>,
}

proptest! {
    #[test]
    fn whatever_happens_it_runs_once_and_is_asked_to_stop_once(
        events in prop::collection::vec((any_event(), 0u64..40), 1..200),
        limit in 0u32..5,
        policy in prop_oneof![Just(RestartPolicy::Never), Just(RestartPolicy::OnFailure), Just(RestartPolicy::Always)],
    ) {
        let restart = Restart { policy, limit, max_delay: 7.0, ..Restart::default() };
        let probe = Some(Probe { failure_threshold: 2, ..Probe::of(Question::Component) });
        let spec = Spec { restart, ready: probe.clone(), live: probe, ..spec() };
        let (mut machine, mut world, mut now) = (Machine::new(&spec), World::default(), secs(0));
        for (event, later) in events {
            now += secs(later);
            // The engine says what is so: only what runs ends, and only what was set runs out.
            match &event {
                Event::Ended(_) if !world.runs => continue,
                Event::Due(timer) if !world.timers.remove(timer) => continue,
                _ => {}
            }
            let before = machine.clone();
            let effects = machine.step(event.clone(), now);
            if matches!(event, Event::Ended(_)) {
                let ended = !matches!(machine.stand(), Stand::Coming | Stand::Ready | Stand::Stopping { .. });
                prop_assert!(ended, "{:?}", machine.stand());
                (world.runs, world.asks, world.drops) = (false, 0, 0);
            }
            if event == Event::Start && before.stand() != machine.stand() {
                world.restarted.clear();
            }
            for effect in &effects {
                match effect {
                    Effect::Run => {
                        prop_assert!(!world.runs, "two at once");
                        world.runs = true;
                    }
                    Effect::AskToStop => {
                        prop_assert!(world.runs);
                        world.asks += 1;
                    }
                    Effect::Drop => {
                        prop_assert!(world.runs && world.asks == 1, "dropped without being asked");
                        world.drops += 1;
                    }
                    Effect::Set(timer, wait) => {
                        if *timer == Timer::Restart {
                            prop_assert!(*wait <= secs(7), "{wait:?}");
                            let recent = |at: &&Duration| now - **at < secs(60);
                            let count = world.restarted.iter().filter(recent).count();
                            prop_assert!(count < limit as usize, "restart {} of {limit}", count + 1);
                            world.restarted.push(now);
                        }
                        world.timers.insert(*timer);
                    }
                    Effect::Unset(timer) => {
                        world.timers.remove(timer);
                    }
                    Effect::Tell(Tale::GaveUp(reason)) if reason.contains("given up") => {
                        let recent = |at: &&Duration| now - **at < secs(60);
                        prop_assert_eq!(world.restarted.iter().filter(recent).count(), limit as usize);
                    }
                    Effect::Put(_) => prop_assert!(world.runs),
                    Effect::Tell(_) => {}
                }
            }
            prop_assert!(world.asks <= 1 && world.drops <= 1);
            if event == Event::Stop && world.runs {
                prop_assert_eq!(world.asks, 1);
                prop_assert_eq!(machine.stand(), Stand::Stopping { asked: true });
            }
            let under_way =
                matches!(machine.stand(), Stand::Coming | Stand::Ready | Stand::Stopping { .. });
            prop_assert_eq!(under_way, world.runs, "{:?} after {:?}", machine.stand(), event);
            // What waits has a timer that ends its wait.
            match machine.stand() {
                Stand::Waiting => prop_assert!(world.timers.contains(&Timer::Restart)),
                Stand::Coming => prop_assert!(world.timers.contains(&Timer::Start)),
                Stand::Stopping { .. } => {
                    prop_assert!(world.drops == 1 || world.timers.contains(&Timer::Stop));
                }
                Stand::Idle | Stand::Blocked | Stand::Over | Stand::Failed => {
                    prop_assert!(world.timers.is_empty(), "{:?}", world.timers);
                }
                Stand::Ready => prop_assert!(!world.timers.contains(&Timer::Start)),
            }
        }
    }
}

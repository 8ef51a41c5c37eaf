//! The windows of triggers, by example and against naive references.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn at(millis: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(millis).unwrap() * 1000)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn run(n: u64) -> RunId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    RunId::from_bytes(bytes)
}

fn offer(input: impl Into<Payload>) -> Offer {
    let event = EventId::new("e").unwrap();
    let origin = Origin { bundle: Digest::of(b""), event, correlation: None, traceparent: None };
    Offer { input: input.into(), origin }
}

fn rules(gather: Gather) -> Rules {
    Rules { gather, throttle: None, singleton: None }
}

/// A run, as a reference knows it: when it starts, what it gets.
type Started = (u64, serde_json::Value);

/// Time and events, as a process sees them: the timer comes `late` milliseconds after it was due.
fn play(rules: Rules, events: &[u64], late: impl Fn(u64) -> u64) -> (Vec<Started>, u64) {
    let (mut window, mut started) = (Window::new(""), Vec::new());
    let mut note = |window: &mut Window, now: u64, decision: &Decision, before: u64| {
        if let Decision::Start(start) = decision {
            started.push((now, start.input.value().clone()));
        }
        assert!(matches!(decision, Decision::Skip(_)) == (window.unstarted > before));
    };
    let fire = |window: Window, now: u64| {
        let (window, decision) = fire(window, Moment { now: at(now), run: run(now), under_way: false });
        (window, decision.expect("something was gathered"))
    };
    for (n, now) in events.iter().copied().enumerate() {
        while let Some(due) = window.due() {
            let due = u64::try_from(due.as_micros() / 1000).unwrap();
            let comes = due + late(due);
            if due > now {
                break;
            }
            // Late or not: an event finds a ripe window fired.
            let (next, decision) = fire(window.clone(), comes.min(now));
            let before = std::mem::replace(&mut window, next).unstarted;
            note(&mut window, comes.min(now), &decision, before);
        }
        let moment = Moment { now: at(now), run: run(now), under_way: false };
        let before = window.unstarted;
        let (next, decision) = decide(&rules, window, offer(json!(n)), moment);
        window = next;
        note(&mut window, now, &decision, before);
    }
    while let Some(due) = window.due() {
        let due = u64::try_from(due.as_micros() / 1000).unwrap();
        let (next, decision) = fire(window.clone(), due + late(due));
        let before = std::mem::replace(&mut window, next).unstarted;
        note(&mut window, due + late(due), &decision, before);
    }
    (started, window.unstarted)
}

fn times(gaps: &[u64]) -> Vec<u64> {
    let add = |now: &mut u64, gap: &u64| {
        *now += gap;
        Some(*now)
    };
    gaps.iter().scan(0, add).collect()
}

/// A burst ends where nothing comes for `quiet`, or `most` after it began.
fn debounced(events: &[u64], quiet: u64, most: Option<u64>) -> Vec<Started> {
    let mut started = Vec::new();
    let mut n = 0;
    while n < events.len() {
        let latest = most.map_or(u64::MAX, |most| events[n] + most);
        let mut end = n;
        while end + 1 < events.len() && events[end + 1] < (events[end] + quiet).min(latest) {
            end += 1;
        }
        started.push(((events[end] + quiet).min(latest), json!(end)));
        n = end + 1;
    }
    started
}

/// A batch ends where it has `size`, or `wait` after it began.
fn batched(events: &[u64], size: usize, wait: u64) -> Vec<Started> {
    let mut started = Vec::new();
    let mut n = 0;
    while n < events.len() {
        let within = events[n..].iter().take_while(|at| **at < events[n] + wait).count().clamp(1, size);
        let when = if within == size { events[n + size - 1] } else { events[n] + wait };
        started.push((when, json!({ "events": (n..n + within).collect::<Vec<_>>() })));
        n += within;
    }
    started
}

/// A start is one of those that were not refused.
fn throttled(candidates: Vec<Started>, limit: usize, per: u64) -> Vec<Started> {
    let mut kept: Vec<Started> = Vec::new();
    for (now, input) in candidates {
        let lately = kept.iter().filter(|(at, _)| at + per > now).count();
        if lately < limit {
            kept.push((now, input));
        }
    }
    kept
}

proptest! {
    #[test]
    fn a_burst_starts_one_run_of_its_last_event(
        gaps in vec(0_u64..60, 0..60), quiet in 1_u64..50, most in proptest::option::of(1_u64..120),
    ) {
        let events = times(&gaps);
        let gather = Gather::Debounce { quiet: millis(quiet), most: most.map(millis) };
        let expected = debounced(&events, quiet, most);
        prop_assert_eq!(play(rules(gather), &events, |_| 0).0, expected.clone());
        // A timer that comes late changes when, and not of what.
        let inputs = |started: Vec<Started>| started.into_iter().map(|(_, input)| input).collect::<Vec<_>>();
        prop_assert_eq!(inputs(play(rules(gather), &events, |due| due % 97).0), inputs(expected));
    }

    #[test]
    fn a_batch_starts_one_run_of_all_its_events(
        gaps in vec(0_u64..60, 0..60), size in 1_usize..8, wait in 1_u64..200,
    ) {
        let events = times(&gaps);
        let gather = Gather::Batch { size: size as u32, wait: millis(wait) };
        let expected = batched(&events, size, wait);
        prop_assert_eq!(play(rules(gather), &events, |_| 0).0, expected.clone());
        let inputs = |started: Vec<Started>| started.into_iter().map(|(_, input)| input).collect::<Vec<_>>();
        prop_assert_eq!(inputs(play(rules(gather), &events, |due| due % 97).0), inputs(expected));
    }

    #[test]
    fn no_more_runs_start_than_a_throttle_allows(
        gaps in vec(0_u64..60, 0..60), limit in 1_usize..5, per in 1_u64..200, quiet in proptest::option::of(1_u64..50),
    ) {
        let events = times(&gaps);
        let throttle = Some(Throttle { limit: limit as u32, per: millis(per) });
        let (gather, candidates) = match quiet {
            None => (Gather::Each, events.iter().enumerate().map(|(n, at)| (*at, json!(n))).collect()),
            Some(quiet) => {
                (Gather::Debounce { quiet: millis(quiet), most: None }, debounced(&events, quiet, None))
            }
        };
        let (started, unstarted) = play(Rules { throttle, ..rules(gather) }, &events, |_| 0);
        let expected = throttled(candidates.clone(), limit, per);
        if quiet.is_none() {
            prop_assert_eq!(unstarted as usize, candidates.len() - expected.len());
        }
        prop_assert_eq!(started, expected);
    }

    #[test]
    fn a_singleton_has_one_run_under_way(
        events in vec((0_u64..60, 0_u64..100), 0..60), cancel in any::<bool>(),
    ) {
        let singleton = Some(if cancel { Singleton::Cancel } else { Singleton::Skip });
        let rules = Rules { singleton, ..rules(Gather::Each) };
        let (mut window, mut now, mut under_way) = (Window::new(""), 0, None::<(RunId, u64)>);
        for (n, (gap, takes)) in events.into_iter().enumerate() {
            now += gap;
            under_way = under_way.filter(|(_, ends)| *ends > now);
            let moment = Moment { now: at(now), run: run(n as u64), under_way: under_way.is_some() };
            let (next, decision) = decide(&rules, window, offer(json!(n)), moment);
            window = next;
            match (under_way, cancel, decision) {
                (Some((other, _)), false, Decision::Skip(Skip::UnderWay(found))) => prop_assert_eq!(found, other),
                (before, _, Decision::Start(start)) => {
                    prop_assert!(cancel || before.is_none());
                    prop_assert_eq!(start.cancels, before.map(|(run, _)| run));
                    under_way = Some((run(n as u64), now + takes));
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}

#[test]
fn a_batch_is_full_with_as_many_bytes_as_a_payload_may_have() {
    let rules = rules(Gather::Batch { size: 1000, wait: SECOND });
    let moment = |n| Moment { now: at(n), run: run(n), under_way: false };
    let large = || offer(json!("x".repeat(MAX_KEPT_BYTES / 2)));
    let (window, decision) = decide(&rules, Window::new("k"), large(), moment(1));
    assert_eq!(decision, Decision::Wait(at(1001)));
    let (window, decision) = decide(&rules, window, large(), moment(2));
    assert!(matches!(decision, Decision::Start(start) if start.events == 2));
    assert!(window.is_idle(at(2), |_| false), "{window:?}");
    let (window, decision) = decide(&rules, window, offer(json!("x".repeat(MAX_PAYLOAD_BYTES))), moment(3));
    let Decision::Skip(skip) = decision else { panic!("{decision:?}") };
    assert_eq!(
        skip.to_string(),
        "the input that its event makes has 1048578 bytes, and at most 1048576 are gathered"
    );
    assert_eq!(window.unstarted, 1);
}

#[test]
fn what_was_gathered_under_other_rules_is_fired_first() {
    let check = |before: Gather, after: Gather, expected: bool| {
        let moment = Moment { now: at(0), run: run(0), under_way: false };
        let (window, _) = decide(&rules(before), Window::new(""), offer(json!(1)), moment);
        assert_eq!(window.is_ripe(&rules(after), at(1)), expected, "{before:?} {after:?}");
        assert!(window.is_ripe(&rules(before), at(1000)), "its time has come");
    };
    let debounce = |most| Gather::Debounce { quiet: SECOND, most };
    let batch = |size| Gather::Batch { size, wait: SECOND };
    check(debounce(None), debounce(Some(SECOND)), false);
    check(batch(3), batch(4), false);
    check(debounce(None), batch(3), true);
    check(batch(3), Gather::Each, true);
}

#[test]
fn a_clock_that_was_set_back_throttles_nobody_for_longer() {
    let throttle = Throttle { limit: 1, per: SECOND };
    let rules = Rules { throttle: Some(throttle), ..rules(Gather::Each) };
    let moment = |now| Moment { now: at(now), run: run(now), under_way: false };
    let (window, _) = decide(&rules, Window::new(""), offer(json!(1)), moment(1_000_000));
    let (window, decision) = decide(&rules, window, offer(json!(2)), moment(5));
    let Decision::Skip(skip) = decision else { panic!("{decision:?}") };
    assert_eq!(skip, Skip::Throttled { throttle, until: at(1005) });
    assert_eq!(skip.to_string(), "1 runs were started within 1 s, as many as its throttle allows");
    let (_, decision) = decide(&rules, window, offer(json!(3)), moment(1005));
    assert!(matches!(decision, Decision::Start(_)), "{decision:?}");
}

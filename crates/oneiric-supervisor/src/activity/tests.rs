use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier};

use oneiric_core::gate::{Pipeline, Purpose, Wait};
use oneiric_core::{Fault, Timestamp};
use proptest::prelude::*;

use super::*;

fn key(text: &str) -> Key {
    Key::new(text).unwrap()
}

fn question<'a>(purpose: Purpose, key: &'a Key) -> Admission<'a> {
    Admission {
        purpose,
        domain: &Domain::TASK,
        key,
        descriptor: None,
        run: None,
        deadline: None,
        now: Timestamp::from_micros(0),
    }
}

fn said(key: &Key, paused: bool, draining: bool) -> ActivityRecord {
    let at = Timestamp::from_micros(0);
    ActivityRecord { paused, draining, ..ActivityRecord::accepting(Domain::TASK, key.clone(), at) }
}

#[test]
fn a_denial_has_the_words_of_the_python_project_and_is_worth_waiting_for() {
    let (activity, key) = (Activity::default(), key("charge"));
    let gate = Pipeline::standard().with(activity.clone());
    let check = |paused, draining, words: &str| {
        activity.set(vec![said(&key, paused, draining)]);
        let denial = gate.decide(&question(Purpose::Node, &key)).unwrap_err();
        assert_eq!((denial.reason.as_str(), denial.wait), (words, Wait::Change));
        assert_eq!(Fault::from(denial).code, "denied-activity");
    };
    check(true, false, "task:charge is paused");
    check(false, true, "task:charge is draining");
    check(true, true, "task:charge is paused & draining");
    activity.set(Vec::new());
    assert!(gate.decide(&question(Purpose::Node, &key)).is_ok());
}

#[test]
fn what_is_in_flight_is_counted_by_component_until_its_permit_is_dropped() {
    let (activity, a, b) = (Activity::default(), key("a"), key("b"));
    let enter = |purpose, key| activity.ask(&question(purpose, key));
    let held = [enter(Purpose::Node, &a), enter(Purpose::Call, &a), enter(Purpose::Node, &b)];
    assert!(held.iter().all(Result::is_ok));
    let counts = |activity: &Activity| {
        let all = activity.all_in_flight().into_iter();
        all.map(|one| (one.key.to_string(), one.count)).collect::<Vec<_>>()
    };
    assert_eq!(counts(&activity), [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    activity.set(vec![said(&a, false, true)]);
    let taken_over = enter(Purpose::Resume, &a);
    assert!(taken_over.is_ok() && enter(Purpose::Call, &a).is_err());
    assert_eq!(activity.in_flight(&Domain::TASK, &a), 3, "a denial counts nothing");
    assert_eq!(activity.in_flight(&Domain::ADAPTER, &a), 0, "another domain is another component");
    drop((held, taken_over));
    assert_eq!(counts(&activity), []);
}

#[test]
fn a_swap_is_not_counted_and_waits_for_a_draining_component_to_be_idle() {
    let (activity, key) = (Activity::default(), key("a"));
    let swap = |forced| activity.ask(&question(Purpose::Swap { forced }, &key)).map(drop);
    let working = activity.ask(&question(Purpose::Node, &key)).unwrap();
    assert_eq!(swap(false), Ok(()));
    activity.set(vec![said(&key, false, true)]);
    assert_eq!(swap(false), Err(No::until_change("task:a is draining")));
    drop(working);
    assert_eq!(swap(false), Ok(()));
    activity.set(vec![said(&key, true, true)]);
    assert_eq!(swap(false), Err(No::never("task:a is paused & draining")));
    assert_eq!(swap(true), Ok(()));
    assert_eq!(activity.in_flight(&Domain::TASK, &key), 0);
}

#[test]
fn components_of_which_nobody_speaks_are_forgotten() {
    let activity = Activity::default();
    for n in 0..100 {
        drop(activity.ask(&question(Purpose::Node, &key(&format!("k{n}")))));
    }
    let busy = activity.ask(&question(Purpose::Node, &key("busy"))).unwrap();
    activity.set(vec![said(&key("paused"), true, false)]);
    let kept: usize = activity.0.cells.read().unwrap().values().map(HashMap::len).sum();
    assert_eq!(kept, 2);
    assert_eq!(activity.in_flight(&Domain::TASK, &key("busy")), 1);
    drop(busy);
}

/// Threads enter and leave as fast as they can; every mark is followed by a look that must be final.
#[test]
fn nothing_is_accepted_after_a_mark_whatever_the_threads_do() {
    const ROUNDS: u64 = 5_000;
    const THREADS: usize = 4;
    let (activity, key) = (Activity::default(), key("hot"));
    let (over, entered) = (AtomicBool::new(false), AtomicU64::new(0));
    let begin = Barrier::new(THREADS + 1);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                begin.wait();
                while !over.load(Ordering::Relaxed) {
                    if let Ok(permit) = activity.ask(&question(Purpose::Node, &key)) {
                        entered.fetch_add(1, Ordering::SeqCst);
                        std::hint::spin_loop();
                        drop(permit);
                    }
                }
            });
        }
        begin.wait();
        for round in 0..ROUNDS {
            activity.set(vec![said(&key, false, true)]);
            let mut last = activity.in_flight(&Domain::TASK, &key);
            while last > 0 {
                std::thread::yield_now();
                let now = activity.in_flight(&Domain::TASK, &key);
                assert!(now <= last, "round {round}: it rose from {last} to {now} after the mark");
                last = now;
            }
            // Those who entered before have told so: their permits are gone.
            let before = entered.load(Ordering::SeqCst);
            assert_eq!(activity.in_flight(&Domain::TASK, &key), 0, "round {round}");
            assert_eq!(entered.load(Ordering::SeqCst), before, "round {round}: accepted after the mark");
            activity.set(Vec::new());
            if round % 64 == 0 {
                std::thread::yield_now();
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(entered.load(Ordering::SeqCst) > 0, "the threads did get in between");
    assert_eq!(activity.in_flight(&Domain::TASK, &key), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_hears_every_fall_of_the_count() {
    let (activity, key) = (Activity::default(), Arc::new(key("a")));
    let permits: Vec<_> = (0..50).map(|_| activity.ask(&question(Purpose::Node, &key)).unwrap()).collect();
    activity.set(vec![said(&key, false, true)]);
    let marks = activity.marks(&Domain::TASK, &key);
    let leaving = tokio::spawn(async move {
        for permit in permits {
            drop(permit);
            tokio::task::yield_now().await;
        }
    });
    let mut count = activity.in_flight(&Domain::TASK, &key);
    while count > 0 {
        activity.changed(&Domain::TASK, &key, count, marks).await;
        let now = activity.in_flight(&Domain::TASK, &key);
        assert!(now < count);
        count = now;
    }
    leaving.await.unwrap();
    let clearing = activity.changed(&Domain::TASK, &key, 0, marks);
    tokio::join!(clearing, async { activity.set(Vec::new()) });
}

#[derive(Debug, Clone)]
enum Deed {
    Ask(Purpose),
    Leave(usize),
    Say(bool, bool),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let purpose = prop_oneof![
        Just(Purpose::Run),
        Just(Purpose::Node),
        Just(Purpose::Call),
        Just(Purpose::Resume),
        any::<bool>().prop_map(|forced| Purpose::Swap { forced }),
    ];
    let deed = prop_oneof![
        4 => purpose.prop_map(Deed::Ask),
        3 => any::<usize>().prop_map(Deed::Leave),
        2 => any::<(bool, bool)>().prop_map(|(paused, draining)| Deed::Say(paused, draining)),
    ];
    proptest::collection::vec(deed, 0..60)
}

proptest! {
    #[test]
    fn the_count_is_what_was_admitted_and_has_not_left(deeds in deeds()) {
        let (activity, key) = (Activity::default(), key("k"));
        let (mut marks, mut held) = (Marks::default(), Vec::new());
        for deed in deeds {
            match deed {
                Deed::Ask(purpose) => {
                    let expected = decide(purpose, marks, !held.is_empty());
                    let answer = activity.ask(&question(purpose, &key));
                    prop_assert_eq!(answer.is_ok(), matches!(expected, Answer::Counted | Answer::Passed));
                    if expected == Answer::Counted {
                        held.extend(answer.ok());
                    }
                }
                Deed::Leave(which) if !held.is_empty() => drop(held.swap_remove(which % held.len())),
                Deed::Leave(_) => {}
                Deed::Say(paused, draining) => {
                    let next = Marks { paused, draining };
                    prop_assert_eq!(activity.set(vec![said(&key, paused, draining)]), next != marks);
                    marks = next;
                }
            }
            prop_assert_eq!(activity.in_flight(&Domain::TASK, &key), held.len() as u64);
            prop_assert_eq!(activity.marks(&Domain::TASK, &key), marks);
        }
    }
}

#[test]
fn a_turn_is_counted_once() {
    let activity = Activity::default();
    let key = key("charge");
    for (paused, draining) in [(true, false), (true, false), (true, true), (false, true)] {
        activity.set(vec![said(&key, paused, draining)]);
    }
    activity.set(Vec::new());
    let text = oneiric_core::metrics::prometheus(&activity.metrics());
    let told: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let expected = [
        r#"oneiric_activity_pause_events_total{domain="task",state="paused"} 1"#,
        r#"oneiric_activity_pause_events_total{domain="task",state="resumed"} 1"#,
        r#"oneiric_activity_drain_events_total{domain="task",state="cleared"} 1"#,
        r#"oneiric_activity_drain_events_total{domain="task",state="draining"} 1"#,
    ];
    assert_eq!(told, expected);
}

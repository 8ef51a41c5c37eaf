//! What one handler does is nobody else's affair.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use oneiric_core::linked::handler_fn;
use oneiric_core::manifest::FanoutPolicy;
use oneiric_core::retry::RetryPolicy;
use oneiric_core::roles::Envelope;
use oneiric_core::{Clock, Fault};
use oneiric_events::{Dispatched, Handler, Outcome, Subscription};
use oneiric_testkit::{ManualClock, virtual_time};
use proptest::prelude::*;

use crate::numbers::{dispatcher, event, ms, subscription};

/// What a handler does with an event.
#[derive(Debug, Clone, Copy)]
enum Act {
    Succeed,
    Fail,
    /// Not again.
    FailForGood,
    Panic,
    /// It never answers.
    Hang,
    /// What it waits for is cancelled.
    Cancelled,
    /// It fails so often, and then succeeds.
    Flaky(u32),
}

/// A handler, and how it is asked.
#[derive(Debug, Clone, Copy)]
struct Plan {
    act: Act,
    /// How long it takes, in milliseconds; 0 is at once.
    takes: u64,
    tries: u32,
    priority: i32,
    fanout: FanoutPolicy,
}

const TIMEOUT: Duration = ms(200);

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        Just(Act::Succeed),
        Just(Act::Fail),
        Just(Act::FailForGood),
        Just(Act::Panic),
        Just(Act::Hang),
        Just(Act::Cancelled),
        (1_u32..4).prop_map(Act::Flaky),
    ]
}

fn plan(fanout: impl Strategy<Value = FanoutPolicy>) -> impl Strategy<Value = Plan> {
    let takes = prop_oneof![Just(0), 1_u64..300];
    (act(), takes, 1_u32..4, -2_i32..3, fanout).prop_map(|(act, takes, tries, priority, fanout)| Plan {
        act,
        takes,
        tries,
        priority,
        fanout,
    })
}

fn handler(clock: &ManualClock, plan: Plan) -> Handler {
    let (clock, asked) = (clock.clone(), Arc::new(AtomicU32::new(0)));
    Handler::fixed(Arc::new(handler_fn(move |_: Envelope| {
        let (clock, asked) = (clock.clone(), Arc::clone(&asked));
        async move {
            let before = asked.fetch_add(1, Ordering::SeqCst);
            if plan.takes > 0 {
                clock.sleep(ms(plan.takes)).await;
            }
            match plan.act {
                Act::Succeed => Ok(plan.takes),
                Act::Fail => Err(Fault::transient("no", "not now")),
                Act::FailForGood => Err(Fault::permanent("never", "not ever")),
                Act::Panic => panic!("a handler of the test"),
                Act::Hang => std::future::pending().await,
                Act::Cancelled => {
                    let task = tokio::spawn(std::future::pending::<u64>());
                    task.abort();
                    task.await.map_err(|_| Fault::unknown_outcome("cancelled", "what it waits for was"))
                }
                Act::Flaky(failures) if before < failures => Err(Fault::transient("no", "not yet")),
                Act::Flaky(_) => Ok(plan.takes),
            }
        }
    })))
}

fn dispatch<'p>(plans: impl IntoIterator<Item = (usize, &'p Plan)>) -> Dispatched {
    let clock = ManualClock::new();
    virtual_time(&clock, async {
        let dispatcher = dispatcher(&clock);
        for (at, plan) in plans {
            let retry = RetryPolicy { attempts: plan.tries, base_delay: 0.01, ..RetryPolicy::ONCE };
            let Plan { priority, fanout, .. } = *plan;
            let of = Subscription {
                priority,
                fanout,
                retry: Some(retry),
                timeout: TIMEOUT,
                ..subscription(&format!("handler-{at}"))
            };
            dispatcher.subscribe(of, handler(&clock, *plan));
        }
        dispatcher.dispatch(&event(1)).await
    })
}

/// What comes of each if there is nobody beside it.
fn alone(plans: &[Plan]) -> Vec<Outcome> {
    let one = |(at, plan)| dispatch([(at, plan)]).results.remove(0);
    plans.iter().enumerate().map(one).collect()
}

/// The places of the plans in the order of the table.
fn in_order(plans: &[Plan]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..plans.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(plans[*at].priority));
    order
}

/// Results as they ought to be, from those of each alone.
fn expected(plans: &[Plan], alone: &[Outcome]) -> Vec<Outcome> {
    let order = in_order(plans);
    let fanout = |at: &&usize| plans[**at].fanout;
    let of = |at: &usize| alone[*at].clone();
    if let Some(exclusive) = order.iter().find(|at| fanout(at) == FanoutPolicy::Exclusive) {
        return vec![of(exclusive)];
    }
    let mut succeeded = false;
    let mut asked = |at: &usize| match plans[*at].fanout {
        FanoutPolicy::FirstSuccess => {
            let before = succeeded;
            succeeded |= alone[*at].is_success();
            !before
        }
        FanoutPolicy::Broadcast | FanoutPolicy::Ordered | FanoutPolicy::Exclusive => true,
    };
    order.into_iter().filter(|at| asked(at)).map(|at| of(&at)).collect()
}

fn any_fanout() -> impl Strategy<Value = FanoutPolicy> {
    prop_oneof![
        4 => Just(FanoutPolicy::Broadcast),
        3 => Just(FanoutPolicy::Ordered),
        3 => Just(FanoutPolicy::FirstSuccess),
        1 => Just(FanoutPolicy::Exclusive),
    ]
}

fn check(plans: &[Plan]) {
    let together = dispatch(plans.iter().enumerate()).results;
    assert_eq!(together, expected(plans, &alone(plans)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_broadcast_gives_each_what_it_gives_it_alone(
        plans in prop::collection::vec(plan(Just(FanoutPolicy::Broadcast)), 1..8)
    ) {
        check(&plans);
    }

    #[test]
    fn an_ordered_chain_gives_each_what_it_gives_it_alone(
        plans in prop::collection::vec(plan(Just(FanoutPolicy::Ordered)), 1..8)
    ) {
        check(&plans);
    }

    #[test]
    fn a_chain_until_success_ends_with_the_first_that_succeeds_alone(
        plans in prop::collection::vec(plan(Just(FanoutPolicy::FirstSuccess)), 1..8)
    ) {
        check(&plans);
    }

    #[test]
    fn policies_beside_each_other_change_nothing(
        plans in prop::collection::vec(plan(any_fanout()), 1..10)
    ) {
        check(&plans);
    }

    #[test]
    fn results_come_in_the_order_of_the_table_whatever_the_timing(
        plans in prop::collection::vec(plan(any_fanout().prop_filter("one alone", |it| *it != FanoutPolicy::Exclusive)), 1..10),
        other in prop::collection::vec(0_u64..300, 10),
    ) {
        let names = |plans: &[Plan]| -> Vec<String> {
            dispatch(plans.iter().enumerate()).results.iter().map(|of| of.handler.to_string()).collect()
        };
        // All succeed, so that all are asked but those behind the first of a chain.
        let all: Vec<Plan> = plans.iter().map(|plan| Plan { act: Act::Succeed, takes: 0, ..*plan }).collect();
        let slower: Vec<Plan> = all.iter().zip(&other).map(|(plan, takes)| Plan { takes: takes % 190, ..*plan }).collect();
        let order = names(&all);
        prop_assert_eq!(&order, &names(&slower));
        let mut sorted = order.clone();
        let place = |name: &String| in_order(&plans).iter().position(|at| *name == format!("handler-{at}"));
        sorted.sort_by_key(place);
        prop_assert_eq!(order, sorted);
    }
}

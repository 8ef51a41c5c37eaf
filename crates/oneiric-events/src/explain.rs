//! Why an event goes to those that it goes to: the same decisions, told.

use std::fmt;
use std::sync::Arc;

use oneiric_core::roles::Envelope;
use serde::Serialize;
use serde_json::Value;

use crate::dispatcher::Dispatcher;
use crate::interest::{Interest, No};
use crate::scope::EventScope;
use crate::table::{Route, Table};

/// What an event is to one handler.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explained {
    /// The handler: `key:provider`.
    pub handler: Arc<str>,
    /// Whether it gets the event, and why.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Whether a handler gets an event, and why.
///
/// Shape in JSON: `{"verdict":"gets","turn":{"ordered":2}}`, `{"verdict":"unwanted","reason":"..."}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It does.
    Gets {
        /// When.
        turn: Turn,
    },
    /// It wants other topics.
    OtherTopic,
    /// A condition does not hold, the first of those that are looked at.
    Unwanted {
        /// Which.
        reason: String,
    },
    /// Its condition in CEL cannot be decided for this event.
    Undecided {
        /// Why.
        reason: String,
    },
    /// It wants the event, and another one has it for itself.
    Exclusive {
        /// That one.
        to: Arc<str>,
    },
}

/// When a handler gets an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// At once.
    AtOnce,
    /// Once those in front of it are done; counted from 1.
    Ordered(usize),
    /// Once those in front of it have failed; counted from 1.
    FirstSuccess(usize),
}

impl Dispatcher {
    /// What an event is to every handler, the highest priority first: exactly what [`Dispatcher::plan`] decides.
    /// Nothing is counted.
    pub fn explain(&self, envelope: &Envelope) -> Vec<Explained> {
        explain(&self.table(), envelope)
    }
}

fn explain(table: &Table, envelope: &Envelope) -> Vec<Explained> {
    let scope = EventScope::new(envelope);
    let mut matching = Vec::new();
    let mut verdicts: Vec<Option<Verdict>> = Vec::with_capacity(table.lives().len());
    for (live, place) in table.lives().iter().zip(0_u32..) {
        let interest = &live.subscription.interest;
        let verdict = if interest.wants_topic(envelope.topic.as_str()) {
            interest.refusal(&scope, envelope).map(|no| told(no, interest, envelope))
        } else {
            Some(Verdict::OtherTopic)
        };
        if verdict.is_none() {
            matching.push(place);
        }
        verdicts.push(verdict);
    }
    let route = table.fan_out(matching);
    let of = |(verdict, place): (Option<Verdict>, u32)| Explained {
        handler: Arc::clone(&table.live(place).subscription.name),
        verdict: verdict.unwrap_or_else(|| turn(table, &route, place)),
    };
    verdicts.into_iter().zip(0..).map(of).collect()
}

/// What becomes of somebody who wants it.
fn turn(table: &Table, route: &Route, place: u32) -> Verdict {
    let nth = |chain: &[u32]| chain.iter().position(|other| *other == place).map(|at| at + 1);
    let ordered = nth(&route.ordered).map(Turn::Ordered);
    let first_success = nth(&route.first_success).map(Turn::FirstSuccess);
    let at_once = nth(&route.alone).map(|_| Turn::AtOnce);
    match (at_once.or(ordered).or(first_success), route.alone.first()) {
        (Some(turn), _) => Verdict::Gets { turn },
        (None, Some(one)) => Verdict::Exclusive { to: Arc::clone(&table.live(*one).subscription.name) },
        // Whoever wants an event is on its route, unless one has it alone.
        (None, None) => Verdict::OtherTopic,
    }
}

fn told(no: No<'_>, interest: &Interest, envelope: &Envelope) -> Verdict {
    let list = |items: &mut dyn Iterator<Item = String>| items.collect::<Vec<_>>().join(", ");
    let said = |text: Option<&str>| text.map_or("none".to_owned(), |text| format!("`{text}`"));
    let reason = match no {
        No::Undecided(error) => return Verdict::Undecided { reason: error.to_string() },
        No::Filter(filter) => format!("the filter {} does not hold", Value::from(filter.clone())),
        No::Priority(least) => {
            format!("its priority is {}, at least {least} is asked for", envelope.priority)
        }
        No::Tags => {
            let missing = list(&mut interest.tags.difference(&envelope.tags).map(|tag| format!("`{tag}`")));
            format!("it lacks the tags {missing}")
        }
        No::Source => {
            let wanted = list(&mut interest.sources.iter().map(ToString::to_string));
            format!("its source is {}, asked for is {wanted}", said(envelope.source()))
        }
        No::RoutingKey => {
            let wanted = list(&mut interest.routing_keys.iter().map(ToString::to_string));
            format!("its routing key is {}, asked for is {wanted}", said(envelope.routing_key.as_deref()))
        }
        No::Predicate => "its condition in Rust does not hold".to_owned(),
        No::When => {
            let when = interest.when.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("`{when}` does not hold")
        }
    };
    Verdict::Unwanted { reason }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Gets { turn: Turn::AtOnce } => f.write_str("gets it"),
            Verdict::Gets { turn: Turn::Ordered(nth) } => write!(f, "gets it as number {nth}, in order"),
            Verdict::Gets { turn: Turn::FirstSuccess(nth) } => {
                write!(f, "gets it as number {nth}, until one succeeds")
            }
            Verdict::OtherTopic => f.write_str("wants other topics"),
            Verdict::Unwanted { reason } => f.write_str(reason),
            Verdict::Undecided { reason } => write!(f, "cannot be decided: {reason}"),
            Verdict::Exclusive { to } => write!(f, "`{to}` has it for itself"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use oneiric_core::Expr;
    use oneiric_core::manifest::FanoutPolicy;
    use oneiric_core::roles::Priority;
    use serde_json::json;

    use super::*;
    use crate::filter::Filter;
    use crate::handler::Handler;
    use crate::pattern::Pattern;
    use crate::scope::EVENT_VARIABLES;
    use crate::subscription::{Defaults, Subscription};
    use crate::table::Live;
    use oneiric_core::linked::typed;

    fn table(of: Vec<(&str, FanoutPolicy, Interest)>) -> Table {
        let handler = typed(|_: Value| async { Ok::<_, oneiric_core::Fault>(()) });
        let handler = Handler::fixed(Arc::new(handler));
        let lives = of.into_iter().map(|(name, fanout, interest)| {
            let plain = Subscription::new(name, "k".parse().unwrap(), &Defaults::default());
            Live::new(Subscription { fanout, interest, ..plain }, handler.clone())
        });
        Table::new(lives, None)
    }

    fn on(topic: &str) -> Interest {
        Interest::topic(Pattern::new(topic).unwrap())
    }

    fn event() -> Envelope {
        let payload = json!({"total": 7, "tenant": "shop"});
        Envelope::new("order.paid".parse().unwrap(), payload).with_header("source", "till")
    }

    #[test]
    fn every_reason_is_named() {
        let pattern = |text| vec![Pattern::new(text).unwrap()];
        let when = |text| Some(Expr::compile_with(text, EVENT_VARIABLES).unwrap());
        let filter = Filter::new(&json!({"path": "tenant", "any_of": ["x"]})).unwrap();
        let check = |interest: Interest, expected: &str| {
            let table = table(vec![("h", FanoutPolicy::Broadcast, interest)]);
            let found = explain(&table, &event());
            assert_eq!(found[0].verdict.to_string(), expected);
            let gets = matches!(found[0].verdict, Verdict::Gets { .. });
            assert_eq!(gets, table.matching(&event()) == [0], "{expected}");
        };
        check(on("order.*"), "gets it");
        check(Interest::default(), "gets it");
        check(on("order.sent"), "wants other topics");
        check(
            Interest { filters: vec![filter], ..on("order.paid") },
            "the filter {\"any_of\":[\"x\"],\"path\":\"tenant\"} does not hold",
        );
        check(
            Interest { min_priority: Some(Priority::High), ..on("order.paid") },
            "its priority is normal, at least high is asked for",
        );
        check(Interest { tags: ["vip".to_owned()].into(), ..on("order.paid") }, "it lacks the tags `vip`");
        check(
            Interest { sources: pattern("shop.*"), ..on("order.paid") },
            "its source is `till`, asked for is shop.*",
        );
        check(
            Interest { routing_keys: pattern("eu.>"), ..on("order.paid") },
            "its routing key is none, asked for is eu.>",
        );
        check(
            Interest { predicate: Some(Arc::new(|_| false)), ..on("order.paid") },
            "its condition in Rust does not hold",
        );
        check(
            Interest { when: when("payload.total > 9"), ..on("order.paid") },
            "`payload.total > 9` does not hold",
        );
        let undecided = Interest { when: when("payload.gone > 9"), ..on("order.paid") };
        let table = table(vec![("h", FanoutPolicy::Broadcast, undecided)]);
        assert!(matches!(explain(&table, &event())[0].verdict, Verdict::Undecided { .. }));
    }

    #[test]
    fn what_is_told_is_what_is_done() {
        use FanoutPolicy::{Broadcast, Exclusive, FirstSuccess, Ordered};
        let all = vec![
            ("a", Broadcast, on("order.paid")),
            ("b", Ordered, on("order.*")),
            ("c", Ordered, on("order.>")),
            ("d", FirstSuccess, on("order.paid")),
            ("e", Broadcast, on("order.sent")),
        ];
        let check = |table: &Table, expected: &[&str]| {
            let told = explain(table, &event());
            let words: Vec<_> = told.iter().map(|one| format!("{}: {}", one.handler, one.verdict)).collect();
            assert_eq!(words, expected);
            let route = table.route(&event());
            let gets: HashSet<&str> = [route.alone, route.ordered, route.first_success]
                .concat()
                .into_iter()
                .map(|place| &*table.live(place).subscription.name)
                .collect();
            let said = told.iter().filter(|one| matches!(one.verdict, Verdict::Gets { .. }));
            assert_eq!(said.map(|one| &*one.handler).collect::<HashSet<_>>(), gets);
        };
        check(
            &table(all.clone()),
            &[
                "a: gets it",
                "b: gets it as number 1, in order",
                "c: gets it as number 2, in order",
                "d: gets it as number 1, until one succeeds",
                "e: wants other topics",
            ],
        );
        let mut one = all;
        one[2].1 = Exclusive;
        check(
            &table(one),
            &[
                "a: `c` has it for itself",
                "b: `c` has it for itself",
                "c: gets it",
                "d: `c` has it for itself",
                "e: wants other topics",
            ],
        );
    }
}

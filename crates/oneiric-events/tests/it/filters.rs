//! Who wants an event, against a second implementation that has nothing in common with the first.

use std::collections::BTreeSet;
use std::sync::Arc;

use oneiric_core::roles::{Envelope, Priority};
use oneiric_events::{Filter, Interest, Pattern, Subscription};
use oneiric_testkit::ManualClock;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::numbers::{dispatcher, handler, subscription};

/// A few values that are easily mistaken for each other.
fn leaf() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.0),
        json!(1.5),
        json!(0.0),
        json!(""),
        json!("1"),
        json!("a"),
        json!("true"),
    ])
}

fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[ab]", inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::btree_map("[abc]", value(), 0..4).prop_map(|map| map.into_iter().collect())
}

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["a", "b", "order"][..])
}

fn words(most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(word(), 1..=most).prop_map(|words| words.join("."))
}

fn tags() -> impl Strategy<Value = BTreeSet<String>> {
    prop::collection::btree_set("[xyz]", 0..3)
}

fn priority() -> impl Strategy<Value = Priority> {
    prop::sample::select(&Priority::ALL[..])
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let payload = prop_oneof![4 => object().prop_map(Value::Object), 1 => value()];
    let source = prop::option::of(words(2));
    (words(3), payload, object(), source, priority(), prop::option::of(words(2)), tags()).prop_map(
        |(topic, payload, mut headers, source, priority, routing_key, tags)| {
            headers.extend(source.map(|source| ("source".to_owned(), source.into())));
            let plain = Envelope::new(topic.parse().unwrap(), payload);
            Envelope { headers, priority, routing_key, tags, ..plain }
        },
    )
}

/// What a filter says, before anybody has read it.
#[derive(Debug, Clone)]
struct Said {
    path: String,
    equals: Option<Value>,
    any_of: Option<Vec<Value>>,
    exists: Option<bool>,
}

impl Said {
    fn written(&self) -> Value {
        let mut fields = json!({ "path": self.path });
        for (name, value) in [
            ("equals", self.equals.clone()),
            ("any_of", self.any_of.clone().map(Value::from)),
            ("exists", self.exists.map(Value::from)),
        ] {
            fields.as_object_mut().unwrap().extend(value.map(|value| (name.to_owned(), value)));
        }
        fields
    }
}

fn said() -> impl Strategy<Value = Said> {
    let path = prop::sample::select(vec![
        "topic",
        "a",
        "b",
        "a.a",
        "a.b",
        "payload",
        "payload.a",
        "payload.a.b",
        "headers",
        "headers.a",
        "headers.source",
        "headers.b.a",
        "topic.a",
    ]);
    let any_of =
        prop::option::of(prop::collection::vec(prop_oneof![value(), words(2).prop_map(Value::from)], 0..4));
    let equals = prop::option::of(prop_oneof![3 => value(), 1 => words(2).prop_map(Value::from)]);
    (path, equals, any_of, prop::option::of(any::<bool>()))
        .prop_map(|(path, equals, any_of, exists)| Said { path: path.to_owned(), equals, any_of, exists })
        .prop_filter("it says something", |said| {
            said.equals.is_some() || said.any_of.is_some() || said.exists.is_some()
        })
}

/// Equal in Python: `1 == 1.0 == True`. The numbers of this test are exact as floats.
fn same(a: &Value, b: &Value) -> bool {
    let worth = |value: &Value| match value {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Number(number) => number.as_f64(),
        _ => None,
    };
    match (worth(a), worth(b)) {
        (Some(a), Some(b)) => return a == b,
        (None, None) => {}
        (Some(_), None) | (None, Some(_)) => return false,
    }
    match (a, b) {
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            (0..a.len()).all(|at| same(&a[at], &b[at]))
        }
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().all(|key| match (a.get(key), b.get(key)) {
                (Some(a), Some(b)) => same(a, b),
                _ => false,
            })
        }
        (Value::Null, Value::Null) => true,
        (Value::String(a), Value::String(b)) => a == b,
        _ => false,
    }
}

/// The event as one value, gone into key by key.
fn found(path: &str, envelope: &Envelope) -> Option<Value> {
    let whole = json!({
        "topic": envelope.topic.as_str(),
        "payload": envelope.payload.value(),
        "headers": envelope.headers,
    });
    let rooted =
        path == "topic" || path.split('.').next().is_some_and(|root| root == "payload" || root == "headers");
    let path = if rooted { path.to_owned() } else { format!("payload.{path}") };
    let mut at = &whole;
    for key in path.split('.') {
        at = match at {
            Value::Object(map) => map.get(key)?,
            _ => return None,
        };
    }
    Some(at.clone())
}

fn holds(said: &Said, envelope: &Envelope) -> bool {
    let found = found(&said.path, envelope);
    if said.exists.is_some_and(|exists| exists != found.is_some()) {
        return false;
    }
    let is = |wanted: &Value| matches!(&found, Some(found) if same(found, wanted));
    !said.equals.iter().any(|wanted| !is(wanted)) && !said.any_of.iter().any(|any| !any.iter().any(is))
}

/// Whether words are meant by words with wildcards, by trying everything.
fn meant(pattern: &[&str], text: &[&str]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([">"], [_, ..]) => true,
        (["#", pattern @ ..], text) => (0..=text.len()).any(|skip| meant(pattern, &text[skip..])),
        (["*", pattern @ ..], [_, text @ ..]) => meant(pattern, text),
        ([word, pattern @ ..], [first, text @ ..]) if !matches!(*word, "*" | "#" | ">") => {
            word == first && meant(pattern, text)
        }
        _ => false,
    }
}

fn any_meant(patterns: &[String], text: Option<&str>) -> bool {
    fn words(text: &str) -> Vec<&str> {
        text.split('.').collect()
    }
    let is = |text: &str| patterns.iter().any(|pattern| meant(&words(pattern), &words(text)));
    patterns.is_empty() || text.is_some_and(is)
}

fn pattern() -> impl Strategy<Value = String> {
    let words = prop_oneof![4 => word(), 2 => Just("*"), 1 => Just("#")];
    (prop::collection::vec(words, 1..4), any::<bool>()).prop_map(|(words, rest)| {
        let mut text = words.join(".");
        if rest && words.len() < 3 {
            text.push_str(".>");
        }
        text
    })
}

fn patterns() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![2 => Just(vec![]), 3 => prop::collection::vec(pattern(), 1..3)]
}

/// What a subscription says that it wants.
#[derive(Debug, Clone)]
struct Wants {
    topics: Vec<String>,
    filters: Vec<Said>,
    tags: BTreeSet<String>,
    sources: Vec<String>,
    routing_keys: Vec<String>,
    min_priority: Option<Priority>,
}

fn wants() -> impl Strategy<Value = Wants> {
    let least = prop::option::of(priority());
    (patterns(), prop::collection::vec(said(), 0..2), tags(), patterns(), patterns(), least).prop_map(
        |(topics, filters, tags, sources, routing_keys, min_priority)| Wants {
            topics,
            filters,
            tags,
            sources,
            routing_keys,
            min_priority,
        },
    )
}

fn wanted(wants: &Wants, envelope: &Envelope) -> bool {
    any_meant(&wants.topics, Some(envelope.topic.as_str()))
        && wants.filters.iter().all(|said| holds(said, envelope))
        && wants.tags.iter().all(|tag| envelope.tags.contains(tag))
        && any_meant(&wants.sources, envelope.headers.get("source").and_then(Value::as_str))
        && any_meant(&wants.routing_keys, envelope.routing_key.as_deref())
        && wants.min_priority.is_none_or(|least| {
            let rank = |of: Priority| Priority::ALL.iter().position(|other| *other == of);
            rank(envelope.priority) >= rank(least)
        })
}

fn read(patterns: &[String]) -> Vec<Pattern> {
    patterns.iter().map(|text| Pattern::new(text).unwrap()).collect()
}

fn interest(wants: &Wants) -> Interest {
    Interest {
        topics: read(&wants.topics),
        filters: wants.filters.iter().map(|said| Filter::new(&said.written()).unwrap()).collect(),
        tags: wants.tags.clone(),
        sources: read(&wants.sources),
        routing_keys: read(&wants.routing_keys),
        min_priority: wants.min_priority,
        ..Interest::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_filter_holds_of_what_it_says(said in said(), envelope in envelope()) {
        let filter = Filter::new(&said.written()).unwrap();
        prop_assert_eq!(filter.accepts(&envelope), holds(&said, &envelope));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn an_event_goes_to_those_who_want_it_and_to_nobody_else(
        all in prop::collection::vec(wants(), 1..8),
        envelope in envelope(),
    ) {
        let dispatcher = dispatcher(&ManualClock::new());
        for (at, wants) in all.iter().enumerate() {
            let of = Subscription { interest: interest(wants), ..subscription(&format!("s{at}")) };
            dispatcher.subscribe(of, handler(|_| async { Ok(()) }));
        }
        let expected: Vec<Arc<str>> = (0..all.len())
            .filter(|at| wanted(&all[*at], &envelope))
            .map(|at| format!("s{at}").into())
            .collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        prop_assert_eq!(dispatcher.plan(&envelope).handlers(), expected.len());
        let dispatched = runtime.block_on(dispatcher.dispatch(&envelope));
        let had: Vec<Arc<str>> = dispatched.results.iter().map(|outcome| Arc::clone(&outcome.handler)).collect();
        prop_assert_eq!(had, expected);
    }
}

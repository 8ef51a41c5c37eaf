//! Readers of single values: each reports what is wrong at its place and then yields `None`.

use std::ops::RangeInclusive;

use serde_json::Map;

use super::read::{Fields, Shape, wrong};
use crate::retry::{Exhausted, RetryPolicy};
use crate::text::reader::{Reader, short};
use crate::text::tree::{Tree, Value};
use crate::{Digest, Payload};

/// The longest timeout, in seconds: a year. Anything longer is a typing error or means "none".
pub const MAX_TIMEOUT_SECONDS: f64 = 365.0 * 24.0 * 3600.0;

pub(super) fn text<'t>(reader: &mut Reader<'t>, name: &'static str, tree: Tree<'t>) -> Option<String> {
    match tree.value {
        Value::Text(text) => Some(text.into_owned()),
        _ => {
            wrong(reader, name, "text", &tree);
            None
        }
    }
}

/// Text that becomes a checked type. The error of its constructor is the message and says what it is of.
pub(super) fn parsed<'t, T, E: std::fmt::Display>(
    parse: impl Fn(&str) -> Result<T, E>,
) -> impl Fn(&mut Reader<'t>, &'static str, Tree<'t>) -> Option<T> {
    move |reader, name, tree| {
        let Value::Text(text) = &tree.value else {
            wrong(reader, name, "text", &tree);
            return None;
        };
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                reader.problem(tree.span, error.to_string(), None);
                None
            }
        }
    }
}

pub(super) fn flag<'t>(reader: &mut Reader<'t>, name: &'static str, tree: Tree<'t>) -> Option<bool> {
    match tree.value {
        Value::Bool(value) => Some(value),
        _ => {
            wrong(reader, name, "a truth value", &tree);
            None
        }
    }
}

/// A whole number within a range.
pub(super) fn whole<'t, T: TryFrom<i64>>(
    allowed: RangeInclusive<i64>,
) -> impl Fn(&mut Reader<'t>, &'static str, Tree<'t>) -> Option<T> {
    move |reader, name, tree| {
        let Value::Number(number) = &tree.value else {
            wrong(reader, name, "a whole number", &tree);
            return None;
        };
        if number.is_f64() {
            wrong(reader, name, "a whole number", &tree);
            return None;
        }
        let value = number.as_i64().filter(|value| allowed.contains(value)).and_then(|v| T::try_from(v).ok());
        if value.is_none() {
            let (least, most) = (allowed.start(), allowed.end());
            reader.problem(tree.span, format!("`{name}` is {number}, allowed are {least} to {most}"), None);
        }
        value
    }
}

pub(super) fn number<'t>(reader: &mut Reader<'t>, name: &'static str, tree: Tree<'t>) -> Option<f64> {
    match &tree.value {
        Value::Number(number) => number.as_f64(),
        _ => {
            wrong(reader, name, "a number", &tree);
            None
        }
    }
}

/// Seconds: more than zero, at most [`MAX_TIMEOUT_SECONDS`].
pub(super) fn timeout<'t>(reader: &mut Reader<'t>, name: &'static str, tree: Tree<'t>) -> Option<f64> {
    let span = tree.span;
    let seconds = number(reader, name, tree)?;
    if seconds > 0.0 && seconds <= MAX_TIMEOUT_SECONDS {
        return Some(seconds);
    }
    let message =
        format!("`{name}` is {seconds}, allowed are more than 0 and at most {MAX_TIMEOUT_SECONDS} seconds");
    reader.problem(span, message, Some("leave it out for no limit".to_owned()));
    None
}

/// One of a few words.
pub(super) fn choice<'t, T: Copy + 't>(
    known: &'static [(&'static str, T)],
) -> impl Fn(&mut Reader<'t>, &'static str, Tree<'t>) -> Option<T> {
    move |reader, name, tree| {
        let Value::Text(text) = &tree.value else {
            wrong(reader, name, "text", &tree);
            return None;
        };
        let found = known.iter().find(|(word, _)| word == text).map(|(_, value)| *value);
        if found.is_none() {
            let words = || known.iter().map(|(word, _)| *word);
            let listed = || format!("known are {}", words().collect::<Vec<_>>().join(", "));
            let help = reader.suggest(text, words()).unwrap_or_else(listed);
            reader.problem(tree.span, format!("`{name}` cannot be `{}`", short(text)), Some(help));
        }
        found
    }
}

/// A list, each item read by `item`; all items are looked at, so that all problems are found.
pub(super) fn list<'t, T>(
    item: impl Fn(&mut Reader<'t>, &'static str, Tree<'t>) -> Option<T>,
) -> impl Fn(&mut Reader<'t>, &'static str, Tree<'t>) -> Option<Vec<T>> {
    move |reader, name, tree| {
        let Value::List(items) = tree.value else {
            wrong(reader, name, "a list", &tree);
            return None;
        };
        let mut read = Vec::with_capacity(items.len());
        let mut whole = true;
        for tree in items {
            match item(reader, name, tree) {
                Some(value) => read.push(value),
                None => whole = false,
            }
        }
        whole.then_some(read)
    }
}

/// Any JSON value, shared.
pub(super) fn payload<'t>(_: &mut Reader<'t>, _: &'static str, tree: Tree<'t>) -> Option<Payload> {
    Some(Payload::from(tree.into_json()))
}

/// A mapping with keys of its own choice.
pub(super) fn map<'t>(
    reader: &mut Reader<'t>,
    name: &'static str,
    tree: Tree<'t>,
) -> Option<Map<String, serde_json::Value>> {
    match tree.value {
        Value::Map(_) => match tree.into_json() {
            serde_json::Value::Object(map) => Some(map),
            _ => None,
        },
        _ => {
            wrong(reader, name, "a mapping", &tree);
            None
        }
    }
}

pub(super) fn digest<'t>(reader: &mut Reader<'t>, name: &'static str, tree: Tree<'t>) -> Option<Digest> {
    parsed(str::parse::<Digest>)(reader, name, tree)
}

pub(super) const RETRY_POLICY: Shape = Shape {
    what: "retry policy",
    names: &["attempts", "base_delay", "max_delay", "jitter", "on_exhausted", "retriable_status_codes"],
    aliases: &[
        ("max_attempts", "attempts"),
        ("initial_delay", "base_delay"),
        ("max_backoff", "max_delay"),
        ("backoff_jitter", "jitter"),
    ],
};

/// A retry policy. `retriable_status_codes` is documented upstream and read by nobody: it is accepted
/// and has no effect here either, because whether trying again can help is what a fault's class says.
pub(super) fn retry<'t>(reader: &mut Reader<'t>, _: &'static str, tree: Tree<'t>) -> Option<RetryPolicy> {
    let mut fields = Fields::open(reader, &RETRY_POLICY, tree)?;
    let policy = RetryPolicy {
        attempts: fields.optional(reader, "attempts", whole(0..=i64::from(u32::MAX))).unwrap_or(1),
        base_delay: fields.optional(reader, "base_delay", number).unwrap_or(0.0),
        max_delay: fields.optional(reader, "max_delay", number),
        jitter: fields.optional(reader, "jitter", number).unwrap_or(0.0),
        on_exhausted: fields.optional(reader, "on_exhausted", choice(Exhausted::WORDS)).unwrap_or_default(),
    };
    fields.optional(reader, "retriable_status_codes", list(whole::<u16>(100..=599)));
    match policy.check() {
        Ok(()) => Some(policy),
        Err(error) => {
            reader.problem(fields.span, format!("retry policy: {error}"), None);
            None
        }
    }
}

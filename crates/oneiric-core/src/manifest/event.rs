//! The event fields of an entry. Matching is `oneiric-events`'; here the filters are only checked,
//! because a misspelt key in a filter would let every event through.

use serde_json::Value as Json;

use super::read::{Fields, Shape, wrong};
use super::values::flag;
use crate::text::reader::Reader;
use crate::text::tree::{Tree, Value};

/// Whether other handlers of a topic get an event too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FanoutPolicy {
    /// All handlers get it.
    #[default]
    Broadcast,
    /// If any handler is exclusive, the highest of these gets it and nobody else.
    Exclusive,
    /// One after the other with all others that say so, the highest first. Not known upstream.
    Ordered,
    /// One after the other with all others that say so, the highest first, until one succeeds. Not known
    /// upstream.
    FirstSuccess,
}

impl FanoutPolicy {
    pub(super) const WORDS: &[(&str, FanoutPolicy)] = &[
        ("broadcast", FanoutPolicy::Broadcast),
        ("exclusive", FanoutPolicy::Exclusive),
        ("ordered", FanoutPolicy::Ordered),
        ("first_success", FanoutPolicy::FirstSuccess),
    ];
}

/// What becomes of an event for which a handler's buffer has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// Whoever emits it waits for room, for as long as a call of the handler may take; then it is dropped.
    #[default]
    Block,
    /// The oldest one in the buffer is dropped.
    DropOldest,
    /// It is dropped.
    DropNewest,
    /// It is dropped, and whoever emits it is told.
    Reject,
}

impl Overflow {
    pub(super) const WORDS: &[(&str, Overflow)] = &[
        ("block", Overflow::Block),
        ("drop_oldest", Overflow::DropOldest),
        ("drop_newest", Overflow::DropNewest),
        ("reject", Overflow::Reject),
    ];

    /// The word in manifests and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Overflow::Block => "block",
            Overflow::DropOldest => "drop_oldest",
            Overflow::DropNewest => "drop_newest",
            Overflow::Reject => "reject",
        }
    }
}

/// The largest buffer of a handler that an entry may ask for, in events.
pub(super) const MOST_BUFFERED: i64 = 1_000_000;

pub(super) const FILTER: Shape = Shape {
    what: "event filter",
    names: &["path", "equals", "any_of", "exists"],
    aliases: &[("field", "path"), ("value", "equals"), ("one_of", "any_of"), ("in", "any_of")],
};

/// A filter, checked and kept as it was written.
pub(super) fn filter<'t>(reader: &mut Reader<'t>, _: &'static str, tree: Tree<'t>) -> Option<Json> {
    let written = tree.clone();
    let mut fields = Fields::open(reader, &FILTER, tree)?;
    let path = fields.required(reader, "path", path);
    let conditions = [
        fields.given("equals"),
        fields.optional(reader, "any_of", any_of).is_some(),
        fields.optional(reader, "exists", flag).is_some(),
    ];
    path?;
    if !conditions.contains(&true) {
        let help = "give it `equals`, `any_of` or `exists`".to_owned();
        reader.problem(fields.span, "event filter states no condition", Some(help));
        return None;
    }
    Some(written.into_json())
}

fn path<'t>(reader: &mut Reader<'t>, name: &'static str, tree: Tree<'t>) -> Option<()> {
    match &tree.value {
        Value::Text(text) if !text.is_empty() => Some(()),
        Value::Text(_) => {
            reader.problem(tree.span, format!("`{name}` is empty"), None);
            None
        }
        _ => {
            wrong(reader, name, "text", &tree);
            None
        }
    }
}

/// A list or a single value. An empty list can match nothing and upstream takes it for absent.
fn any_of<'t>(reader: &mut Reader<'t>, name: &'static str, tree: Tree<'t>) -> Option<()> {
    match &tree.value {
        Value::List(items) if items.is_empty() => {
            let help = Some("leave it out to allow every value".to_owned());
            reader.problem(tree.span, format!("`{name}` is empty and would match nothing"), help);
            None
        }
        _ => Some(()),
    }
}

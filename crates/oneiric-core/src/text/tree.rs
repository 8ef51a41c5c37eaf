//! The one shape that all three formats are read into: JSON with places, borrowing from the text.

use std::borrow::Cow;
use std::collections::HashSet;

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::Number;

use super::problem::Span;

/// A value and where it stands. Boxed slices rather than vectors: a file is read once and a spare
/// capacity of four per small mapping would triple it.
#[derive(Debug, Clone)]
pub(crate) struct Tree<'t> {
    pub(crate) span: Span,
    pub(crate) value: Value<'t>,
}

/// A JSON value; mappings keep the order in which they were written.
#[derive(Debug, Clone)]
pub(crate) enum Value<'t> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'t, str>),
    List(Box<[Tree<'t>]>),
    Map(Box<[(Name<'t>, Tree<'t>)]>),
}

/// The key of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Name<'t> {
    pub(crate) span: Span,
    pub(crate) text: Cow<'t, str>,
}

impl<'t> Value<'t> {
    /// A whole number or a finite float; `None` for what JSON cannot say.
    pub(crate) fn number(text: &str) -> Option<Self> {
        if text.contains(['.', 'e', 'E']) {
            return Number::from_f64(text.parse().ok()?).map(Value::Number);
        }
        let whole = text.parse::<i64>().map(Number::from);
        whole.or_else(|_| text.parse::<u64>().map(Number::from)).ok().map(Value::Number)
    }

    /// What it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a truth value",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

impl<'t> Tree<'t> {
    /// The value without places.
    pub(crate) fn into_json(self) -> serde_json::Value {
        match self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => serde_json::Value::Bool(value),
            Value::Number(value) => serde_json::Value::Number(value),
            Value::Text(value) => serde_json::Value::String(value.into_owned()),
            Value::List(items) => items.into_iter().map(Tree::into_json).collect(),
            Value::Map(pairs) => {
                pairs.into_iter().map(|(key, tree)| (key.text.into_owned(), tree.into_json())).collect()
            }
        }
    }

    /// How many values this is, itself included, and how many levels it is tall, itself not counted.
    pub(crate) fn size(&self) -> (usize, usize) {
        let below = |sizes: &mut dyn Iterator<Item = (usize, usize)>| {
            sizes.fold((1, 0), |(values, height), (more, taller)| (values + more, height.max(taller + 1)))
        };
        match &self.value {
            Value::List(items) => below(&mut items.iter().map(Tree::size)),
            Value::Map(pairs) => below(&mut pairs.iter().map(|(_, tree)| tree.size())),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => (1, 0),
        }
    }

    /// Moves this value and all below it to one place: a copy stands where it was asked for.
    pub(crate) fn stand_at(&mut self, span: Span) {
        self.span = span;
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.stand_at(span)),
            Value::Map(pairs) => pairs.iter_mut().for_each(|(name, tree)| {
                name.span = span;
                tree.stand_at(span);
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
        }
    }

    /// Sorts all mappings by key, by code point as Python does.
    #[cfg(feature = "manifest")]
    pub(crate) fn sort(&mut self) {
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(Tree::sort),
            Value::Map(pairs) => {
                pairs.sort_unstable_by(|(a, _), (b, _)| a.text.cmp(&b.text));
                pairs.iter_mut().for_each(|(_, tree)| tree.sort());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
        }
    }
}

/// A mapping that is being built and refuses a key that is there already.
#[derive(Debug, Default)]
pub(crate) struct Pairs<'t> {
    list: Vec<(Name<'t>, Tree<'t>)>,
    /// The keys of a large mapping; a small one is faster searched than hashed.
    index: HashSet<Cow<'t, str>>,
}

impl<'t> Pairs<'t> {
    const SMALL: usize = 16;

    /// Adds a pair, or gives the name back where it is taken.
    pub(crate) fn insert(&mut self, name: Name<'t>, tree: Tree<'t>) -> Result<(), Name<'t>> {
        if self.list.len() < Self::SMALL {
            if self.list.iter().any(|(taken, _)| taken.text == name.text) {
                return Err(name);
            }
        } else {
            if self.index.is_empty() {
                self.index.extend(self.list.iter().map(|(taken, _)| taken.text.clone()));
            }
            if !self.index.insert(name.text.clone()) {
                return Err(name);
            }
        }
        self.list.push((name, tree));
        Ok(())
    }

    pub(crate) fn into_boxed_slice(self) -> Box<[(Name<'t>, Tree<'t>)]> {
        self.list.into_boxed_slice()
    }
}

impl Serialize for Tree<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(value) => value.serialize(serializer),
            Value::Text(value) => serializer.serialize_str(value),
            Value::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Value::Map(pairs) => {
                let mut map = serializer.serialize_map(Some(pairs.len()))?;
                pairs.iter().try_for_each(|(key, tree)| map.serialize_entry(&key.text, tree))?;
                map.end()
            }
        }
    }
}

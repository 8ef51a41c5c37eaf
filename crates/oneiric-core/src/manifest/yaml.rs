//! YAML into a [`Tree`]. Anchors and merge keys are expanded within bounds; 1.1 booleans are text.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, MessageFormatter as _, Spanned};

use super::problem::{Span, offset_of};
use super::read::Reader;
use super::tree::{Name, Tree, Value};
use super::{MAX_DEPTH, MAX_NODES, MAX_VALUES};

/// Reads a text; `None` where the reader was told what is wrong.
pub(super) fn read<'t>(reader: &mut Reader<'t>) -> Option<Tree<'t>> {
    let text = reader.text();
    match serde_saphyr::from_str_with_options::<Tree<'t>>(text, options()) {
        Ok(tree) => {
            tree.each(&mut |tree| check_number(reader, tree));
            Some(tree)
        }
        Err(error) => {
            let error = error.without_snippet();
            let span = error.location().map_or(Span::new(text.len(), text.len()), |at| span(text, &at));
            let (message, help) = explain(error, reader.slice(span));
            reader.problem(span, message, help);
            None
        }
    }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        strict_booleans: true,
        reject_unsupported_tags: true,
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::Error,
        budget: serde_saphyr::budget! {
            max_nodes: MAX_VALUES,
            // Every value is at most two events, and mappings have keys.
            max_events: 4 * MAX_VALUES,
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH,
            // More than one is refused at the second, whatever the budget.
            max_documents: 2,
            // One policy anchored once and named by every node is what aliases and merge keys are for.
            max_aliases: MAX_NODES,
            max_merge_keys: MAX_NODES,
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_VALUES },
    }
}

fn explain(error: &serde_saphyr::Error, found: &str) -> (String, Option<String>) {
    match error {
        serde_saphyr::Error::DuplicateMappingKey { key, .. } => {
            (super::read::duplicate(key.as_deref().unwrap_or(found)), None)
        }
        serde_saphyr::Error::MultipleDocuments { .. } => {
            ("a second document starts here".to_owned(), Some("a manifest is one document".to_owned()))
        }
        other => (serde_saphyr::UserMessageFormatter.format_message(other).into_owned(), None),
    }
}

/// The crate's own reader takes `010` for ten, YAML 1.1 (and so Python) for eight, and whole numbers
/// past 64 bits lose digits on their way through a float.
fn check_number(reader: &mut Reader<'_>, tree: &Tree<'_>) {
    let Value::Number(number) = &tree.value else { return };
    let digits = reader.slice(tree.span).trim_start_matches(['-', '+']);
    let all_digits = digits.bytes().all(|b| b.is_ascii_digit());
    if digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit() {
        let help = format!("write \"{digits}\" for text, or the number without leading zeros");
        reader.problem(tree.span, format!("`{digits}` is not the same number to every reader"), Some(help));
    } else if number.is_f64() && !digits.is_empty() && all_digits {
        reader.problem(tree.span, super::read::too_large(digits), None);
    }
}

fn span(text: &str, at: &Location) -> Span {
    match (at.span().byte_offset(), at.span().byte_len()) {
        (Some(offset), Some(length)) => {
            let small = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(text.len());
            Span::new(small(offset), small(offset.saturating_add(length)))
        }
        _ => {
            let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
            let offset = offset_of(text, small(at.line()), small(at.column()));
            Span::new(offset, offset)
        }
    }
}

thread_local! {
    /// How deep the value being read stands. `Spanned` takes a type and no seed, so the depth cannot be
    /// handed down; the budget counts it in the text only, where an alias to an alias is flat.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// One level deeper while it lives.
struct Level;

impl Level {
    fn enter() -> Option<Self> {
        let depth = DEPTH.get();
        (depth <= MAX_DEPTH).then(|| {
            DEPTH.set(depth + 1);
            Level
        })
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

impl<'t> Deserialize<'t> for Tree<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        let Some(_level) = Level::enter() else { return Err(D::Error::custom(super::read::too_deep())) };
        let spanned = Spanned::<Value<'t>>::deserialize(deserializer)?;
        Ok(Tree { span: span_of(&spanned.referenced), value: spanned.value })
    }
}

impl<'t> Deserialize<'t> for Name<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Key<'t>>::deserialize(deserializer)?;
        Ok(Name { span: span_of(&spanned.referenced), text: spanned.value.0 })
    }
}

/// Text in memory has byte offsets throughout; see [`span`] for errors, which may lack them.
fn span_of(at: &Location) -> Span {
    let small = |n: Option<u64>| usize::try_from(n.unwrap_or(0)).unwrap_or(usize::MAX);
    let offset = small(at.span().byte_offset());
    Span::new(offset, offset.saturating_add(small(at.span().byte_len())))
}

impl<'t> Deserialize<'t> for Value<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

struct Values;

impl<'t> Visitor<'t> for Values {
    type Value = Value<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value<'t>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'t>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'t>, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'t>, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value<'t>, E> {
        let number = serde_json::Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| E::custom("the number is not finite"))
    }

    fn visit_borrowed_str<E>(self, value: &'t str) -> Result<Value<'t>, E> {
        Ok(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value<'t>, E> {
        Ok(Value::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Value<'t>, E> {
        Ok(Value::Text(Cow::Owned(value)))
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut access: A) -> Result<Value<'t>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items.into_boxed_slice()))
    }

    fn visit_map<A: MapAccess<'t>>(self, mut access: A) -> Result<Value<'t>, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Value::Map(pairs.into_boxed_slice()))
    }
}

/// The text of a key: `404:` is the key "404", as Python's JSON has it.
struct Key<'t>(Cow<'t, str>);

impl<'t> Deserialize<'t> for Key<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Keys)
    }
}

struct Keys;

impl<'t> Visitor<'t> for Keys {
    type Value = Key<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text as a key")
    }

    fn visit_borrowed_str<E>(self, value: &'t str) -> Result<Key<'t>, E> {
        Ok(Key(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Key<'t>, E> {
        Ok(Key(Cow::Owned(value.to_owned())))
    }
}

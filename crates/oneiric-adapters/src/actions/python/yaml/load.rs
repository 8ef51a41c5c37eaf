//! From text to values, within bounds.

use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Tag};
use serde_json::{Map, Value};

use super::scalar;
use crate::actions::python::number;

/// Levels of lists and mappings: as JSON.
const MAX_DEPTH: usize = 128;
/// Values in one document, those that aliases repeat counted each time. Half a gigabyte at most: a text
/// of a hundred bytes could stand for billions.
const MAX_VALUES: usize = 1_000_000;

/// The one document in a text; `null` where there is none.
///
/// # Errors
/// What is wrong with the text, and where.
pub(in crate::actions) fn load(text: &str) -> Result<Value, String> {
    let options = granit_parser::options! {
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        emit_comments: false,
    };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut build = Build::default();
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| match error.kind() {
            ErrorKind::RecursionLimitExceeded => too_deep(),
            _ => error.to_string(),
        })?;
        let at = || format!(" (line {})", span.start.line());
        build.event(event).map_err(|why| why + &at())?;
    }
    Ok(build.root.unwrap_or(Value::Null))
}

#[derive(Default)]
struct Build {
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    values: usize,
    documents: usize,
    root: Option<Value>,
}

struct Anchored {
    value: Value,
    values: usize,
    height: usize,
}

/// A list or mapping whose end has not come yet.
struct Open {
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Value>),
    Map { fields: Map<String, Value>, key: Option<Key>, merged: Vec<Value> },
}

enum Key {
    Name(String),
    Merge,
}

impl Build {
    fn event(&mut self, event: Event<'_>) -> Result<(), String> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 { Err("there is a second document".to_owned()) } else { Ok(()) }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let is_bare = style == ScalarStyle::Plain && tag.is_none();
                if is_bare && text == "<<" && self.takes_merge() {
                    return Ok(());
                }
                let value = tagged(&text, is_bare, tag.as_deref())?;
                self.count(1, 0)?;
                self.place(value, anchor)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.start(anchor, tag.as_deref(), "seq", Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                let content = Content::Map { fields: Map::new(), key: None, merged: Vec::new() };
                self.start(anchor, tag.as_deref(), "map", content)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { anchor, content }) = self.open.pop() else { return Ok(()) };
                let value = match content {
                    Content::List(items) => Value::Array(items),
                    Content::Map { mut fields, merged, .. } => {
                        merged.into_iter().try_for_each(|value| merge(&mut fields, value))?;
                        Value::Object(fields)
                    }
                };
                self.place(value, anchor)
            }
            Event::Alias(anchor) => {
                let why = "an alias names a value that is not complete";
                let known = self.anchors.get(&anchor).ok_or(why)?;
                let (values, height) = (known.values, known.height);
                self.count(values, height)?;
                let value = self.anchors.get(&anchor).ok_or(why)?.value.clone();
                self.place(value, 0)
            }
            // Everything else is presentation.
            _ => Ok(()),
        }
    }

    fn start(
        &mut self,
        anchor: usize,
        tag: Option<&Tag>,
        natural: &str,
        content: Content,
    ) -> Result<(), String> {
        if let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(natural) && tag.original() != "!") {
            return Err(unsupported(tag));
        }
        self.count(1, 0)?;
        self.open.push(Open { anchor, content });
        Ok(())
    }

    fn count(&mut self, values: usize, height: usize) -> Result<(), String> {
        self.values += values;
        if self.open.len() + height > MAX_DEPTH {
            return Err(too_deep());
        }
        if self.values > MAX_VALUES {
            return Err(format!("there are more than {MAX_VALUES} values"));
        }
        Ok(())
    }

    fn takes_merge(&mut self) -> bool {
        match self.open.last_mut().map(|open| &mut open.content) {
            Some(Content::Map { key: key @ None, .. }) => {
                *key = Some(Key::Merge);
                true
            }
            _ => false,
        }
    }

    fn place(&mut self, value: Value, anchor: usize) -> Result<(), String> {
        if anchor > 0 {
            let (values, height) = size(&value);
            // The copy that is kept counts too.
            self.count(values, 0)?;
            self.anchors.insert(anchor, Anchored { value: value.clone(), values, height });
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(value),
            Some(Content::List(items)) => items.push(value),
            Some(Content::Map { fields, key, merged }) => match key.take() {
                None => *key = Some(Key::Name(name(value)?)),
                Some(Key::Merge) => merged.push(value),
                // The last of a name wins.
                Some(Key::Name(name)) => {
                    fields.insert(name, value);
                }
            },
        }
        Ok(())
    }
}

fn too_deep() -> String {
    format!("it is nested more than {MAX_DEPTH} levels deep")
}

fn unsupported(tag: &Tag) -> String {
    format!("tag `{}` is not supported", tag.original())
}

fn tagged(text: &str, is_bare: bool, tag: Option<&Tag>) -> Result<Value, String> {
    let Some(tag) = tag else {
        return if is_bare { scalar::resolve(text) } else { Ok(text.into()) };
    };
    let value = match tag.core_suffix() {
        Some("str") => return Ok(text.into()),
        None if tag.original() == "!" => return Ok(text.into()),
        Some("int" | "float" | "bool" | "null") => scalar::resolve(text)?,
        _ => return Err(unsupported(tag)),
    };
    match (tag.core_suffix(), &value) {
        (Some("int"), Value::Number(whole)) if !whole.is_f64() => Ok(value),
        (Some("float"), Value::Number(any)) => {
            Ok(any.as_f64().and_then(serde_json::Number::from_f64).map_or(Value::Null, Value::Number))
        }
        (Some("bool"), Value::Bool(_)) | (Some("null"), Value::Null) => Ok(value),
        _ => Err(format!("`{text}` is not what its tag `{}` says", tag.original())),
    }
}

/// A key is text; the others become the text that Python's JSON gives them.
fn name(value: Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok("null".to_owned()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Number(number) if number.is_f64() => Ok(number::written(number.as_f64().unwrap_or(f64::NAN))),
        Value::Number(number) => Ok(number.to_string()),
        Value::Array(_) | Value::Object(_) => Err("a list or a mapping cannot be a key".to_owned()),
    }
}

/// What stands in the mapping itself goes first, then the mappings in their order.
fn merge(fields: &mut Map<String, Value>, from: Value) -> Result<(), String> {
    match from {
        Value::Object(more) => {
            for (name, value) in more {
                fields.entry(name).or_insert(value);
            }
            Ok(())
        }
        Value::Array(list) if list.iter().all(Value::is_object) => {
            list.into_iter().try_for_each(|value| merge(fields, value))
        }
        _ => Err("`<<` is neither a mapping nor a list of mappings".to_owned()),
    }
}

/// How many values there are in it, and how deep they lie.
fn size(value: &Value) -> (usize, usize) {
    let inner = |values: &mut dyn Iterator<Item = &Value>| {
        values.map(size).fold((1, 1), |(sum, top), (values, height)| (sum + values, top.max(height + 1)))
    };
    match value {
        Value::Array(items) => inner(&mut items.iter()),
        Value::Object(fields) => inner(&mut fields.values()),
        _ => (1, 0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_read_as_pyyaml_does() {
        let check = |text: &str, expected: Value| assert_eq!(load(text), Ok(expected), "{text}");
        check("", json!(null));
        check("a: 1\nb: [yes, 'yes', ~]\n", json!({"a": 1, "b": [true, "yes", null]}));
        check("a: 1\na: 2\n", json!({"a": 2}));
        check("1: a\n1.5: b\ntrue: c\n~: d\n", json!({"1": "a", "1.5": "b", "true": "c", "null": "d"}));
        check(
            "x: &x {a: 1, b: 2}\ny:\n  <<: *x\n  b: 3\n",
            json!({"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}}),
        );
        check("- !!str 1\n- !!float 1\n- !!int '1'\n", json!(["1", 1.0, 1]));
        check("|\n  a\n  b\n", json!("a\nb\n"));
    }

    #[test]
    fn what_pyyaml_refuses_or_json_cannot_say_is_refused() {
        let check = |text: &str, part: &str| {
            let why = load(text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        };
        check("a: [1", "line");
        check("a\n---\nb\n", "second document");
        check("!!python/object:os.system {}", "is not supported");
        check("? [a]\n: 1", "cannot be a key");
        check("- .inf", "JSON does not have");
        check("&a [*a]", "not complete");
        check(&"[".repeat(1000), "levels deep");
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..10 {
            let last = format!("*a{},", level - 1).repeat(10);
            bomb += &format!("a{level}: &a{level} [{last}]\n");
        }
        check(&bomb, "more than 1000000 values");
    }
}

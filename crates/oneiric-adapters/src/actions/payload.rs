//! Reading a payload as upstream reads it: loosely, field by field, with a code for what is wrong.

use oneiric_core::{Fault, Payload, nearest::nearest};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::python::{text, truthy};

/// The fields of one payload.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    kit: &'static str,
    map: Option<&'a Map<String, Value>>,
}

impl<'a> Fields<'a> {
    /// The fields of an object; whatever is empty has none.
    ///
    /// # Errors
    /// The permanent fault `code` where the payload is neither.
    pub(super) fn of(kit: &'static str, payload: &'a Payload, code: &str) -> Result<Self, Fault> {
        match payload.value() {
            Value::Object(map) => Ok(Self { kit, map: Some(map) }),
            value if !truthy(value) => Ok(Self { kit, map: None }),
            _ => Err(Fault::permanent(code, format!("the payload of `{kit}` is not an object"))),
        }
    }

    /// The field, `null` or not.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.map?.get(name)
    }

    /// The field, where it is there and not `null`.
    pub(super) fn said(&self, name: &str) -> Option<&'a Value> {
        self.get(name).filter(|value| !value.is_null())
    }

    /// The first of the fields that is not empty (Python's `or`).
    pub(super) fn first<const N: usize>(&self, names: [&str; N]) -> Option<&'a Value> {
        names.into_iter().find_map(|name| self.get(name).filter(|value| truthy(value)))
    }

    /// A truth value of any kind, or the default where it is unsaid.
    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.said(name).map_or(default, truthy)
    }

    /// A text, or the default where it is empty.
    ///
    /// # Errors
    /// The fault `code` where it is no text.
    pub(super) fn text(&self, name: &str, default: &'a str, code: &str) -> Result<&'a str, Fault> {
        match self.first([name]) {
            None => Ok(default),
            Some(value) => value.as_str().ok_or_else(|| self.bad(code, name, "is not a text")),
        }
    }

    /// A word in lower case that is one of `allowed`, or the default where it is empty.
    ///
    /// # Errors
    /// The fault `code` where it is none of them.
    pub(super) fn word(
        &self,
        name: &str,
        default: &'a str,
        allowed: &[&'static str],
        code: &str,
    ) -> Result<&'static str, Fault> {
        let word = self.text(name, default, code)?.to_lowercase();
        allowed.iter().find(|known| **known == word).copied().ok_or_else(|| {
            let hint = nearest(&word, allowed.iter().copied());
            let hint = hint.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            self.bad(code, name, format!("is `{}`, not one of {}{hint}", clipped(&word), allowed.join(", ")))
        })
    }

    /// A list of texts: one text is a list of one, an object the list of its keys, and whatever else is
    /// in a list is written as Python would; `None` where it is unsaid.
    ///
    /// # Errors
    /// The fault `code` where it is none of these.
    pub(super) fn texts(&self, name: &str, code: &str) -> Result<Option<Vec<String>>, Fault> {
        match self.said(name) {
            None => Ok(None),
            Some(Value::String(one)) => Ok(Some(vec![one.clone()])),
            Some(value) => match strings(value) {
                Some(list) => Ok(Some(list)),
                None => Err(self.bad(code, name, "is not a list of texts")),
            },
        }
    }

    /// An object, or `None` where it is unsaid.
    ///
    /// # Errors
    /// The fault `code` where it is something else.
    pub(super) fn object(&self, name: &str, code: &str) -> Result<Option<&'a Map<String, Value>>, Fault> {
        match self.said(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(_) => Err(self.bad(code, name, "is not an object")),
        }
    }

    /// The fault for a field that is not there; names the field that was probably meant.
    pub(super) fn missing(&self, code: &str, name: &str) -> Fault {
        let given = self.map.into_iter().flat_map(|map| map.keys().map(String::as_str));
        match nearest(name, given).filter(|near| *near != name) {
            Some(near) => self.bad(code, name, format!("is missing; is `{near}` meant?")),
            None => self.bad(code, name, "is missing"),
        }
    }

    /// The permanent fault for a field that does not hold what it should.
    pub(super) fn bad(&self, code: &str, name: &str, why: impl std::fmt::Display) -> Fault {
        Fault::permanent(code, format!("`{name}` in the payload of `{}` {why}", self.kit))
    }
}

/// The items of a list or the keys of an object as `str()` writes them.
pub(super) fn strings(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(items) => Some(items.iter().map(text::str).collect()),
        Value::Object(map) => Some(map.keys().cloned().collect()),
        _ => None,
    }
}

/// Reads a payload that upstream has a model for.
///
/// # Errors
/// The permanent fault `code`, which names the field and what was expected there.
pub(super) fn typed<T: DeserializeOwned>(
    kit: &'static str,
    payload: &Payload,
    code: &str,
) -> Result<T, Fault> {
    let empty = Value::Object(Map::new());
    let value = if truthy(payload.value()) { payload.value() } else { &empty };
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { String::new() } else { format!("`{}` in ", clipped(&path)) };
        Fault::permanent(code, format!("{place}the payload of `{kit}`: {}", error.inner()))
    })
}

/// What is said back of a hostile text.
fn clipped(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

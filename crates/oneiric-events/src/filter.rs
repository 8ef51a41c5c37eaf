//! Conditions on an event in upstream's form: a place in it, and what has to be found there.
//!
//! Shape: `{"path": "payload.tenant", "any_of": ["fastblocks"]}`; `field` for `path`, `value` for `equals`,
//! `one_of` and `in` for `any_of`. All conditions of a filter must hold.
//!
//! Equal in meaning to upstream's but for this: what is missing is not null, so that `exists: true` is true of
//! a null and `equals: null` is not true of what is missing; an empty `any_of` matches nothing; a filter
//! without a path, or without any condition, is an error instead of being left out.

mod equal;
mod path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use oneiric_core::roles::Envelope;

use equal::equal;
pub use path::FilterPath;

/// A condition on an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Filter {
    path: FilterPath,
    equals: Option<Value>,
    any_of: Option<Vec<Value>>,
    exists: Option<bool>,
}

/// What is wrong with a filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It is no mapping.
    #[error("an event filter is a mapping with `path` and a condition")]
    Shape,
    /// It says nowhere where to look.
    #[error("the event filter has no `path`")]
    NoPath,
    /// It says nowhere what to look for.
    #[error("the event filter of `{0}` states no condition; give it `equals`, `any_of` or `exists`")]
    NoCondition(String),
    /// The same is said twice.
    #[error("the event filter says `{0}` twice")]
    Twice(&'static str),
    /// A key that is not known.
    #[error("the event filter has an unknown key `{0}`")]
    Unknown(String),
    /// `exists` is neither true nor false.
    #[error("`exists` of the event filter of `{0}` is neither true nor false")]
    Exists(String),
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// [`FilterError`] says what is wrong with it.
    pub fn new(written: &Value) -> Result<Self, FilterError> {
        let fields = written.as_object().ok_or(FilterError::Shape)?;
        if let Some(unknown) =
            fields.keys().find(|key| NAMES.iter().all(|(_, names)| !names.contains(&&***key)))
        {
            return Err(FilterError::Unknown(unknown.clone()));
        }
        // A path that is null or empty is none.
        let path = said(fields, "path")?.and_then(Value::as_str).filter(|path| !path.is_empty());
        let path = FilterPath::new(path.ok_or(FilterError::NoPath)?);
        let exists = match said(fields, "exists")? {
            None | Some(Value::Null) => None,
            Some(Value::Bool(exists)) => Some(*exists),
            Some(_) => return Err(FilterError::Exists(path.as_str().to_owned())),
        };
        let any_of = said(fields, "any_of")?.map(|any| match any {
            Value::Array(items) => items.clone(),
            one => vec![one.clone()],
        });
        let equals = said(fields, "equals")?.cloned();
        if equals.is_none() && any_of.is_none() && exists.is_none() {
            return Err(FilterError::NoCondition(path.as_str().to_owned()));
        }
        Ok(Self { path, equals, any_of, exists })
    }

    /// Where it looks.
    pub fn path(&self) -> &FilterPath {
        &self.path
    }

    /// Whether it holds of an event.
    pub fn accepts(&self, envelope: &Envelope) -> bool {
        let found = self.path.find(envelope);
        let is = |wanted: &Value| found.as_deref().is_some_and(|found| equal(found, wanted));
        self.exists.is_none_or(|exists| exists == found.is_some())
            && self.equals.as_ref().is_none_or(is)
            && self.any_of.as_ref().is_none_or(|any| any.iter().any(is))
    }
}

/// Each key with its second names.
const NAMES: [(&str, &[&str]); 4] = [
    ("path", &["path", "field"]),
    ("equals", &["equals", "value"]),
    ("any_of", &["any_of", "one_of", "in"]),
    ("exists", &["exists"]),
];

/// What is said under a key or one of its second names.
fn said<'v>(fields: &'v Map<String, Value>, key: &'static str) -> Result<Option<&'v Value>, FilterError> {
    let names = NAMES.iter().find(|(name, _)| *name == key).map_or(&[] as &[&str], |(_, names)| names);
    let mut values = names.iter().filter_map(|name| fields.get(*name));
    let first = values.next();
    if values.next().is_some() { Err(FilterError::Twice(key)) } else { Ok(first) }
}

impl TryFrom<Value> for Filter {
    type Error = FilterError;
    fn try_from(written: Value) -> Result<Self, FilterError> {
        Self::new(&written)
    }
}

impl From<Filter> for Value {
    fn from(filter: Filter) -> Value {
        let mut fields = Map::from_iter([("path".to_owned(), filter.path.as_str().into())]);
        let conditions = [
            ("equals", filter.equals),
            ("any_of", filter.any_of.map(Value::Array)),
            ("exists", filter.exists.map(Value::Bool)),
        ];
        for (name, value) in conditions {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        }
        Value::Object(fields)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn envelope() -> Envelope {
        let payload =
            json!({"tenant": "fastblocks", "n": 1, "none": null, "deep": {"flag": true, "list": [1, 2]}});
        Envelope::new("order.created".parse().unwrap(), payload).with_header("trace_id", "t-1")
    }

    #[test]
    fn a_filter_looks_at_its_place_for_what_it_states() {
        let check = |filter: Value, expected: bool| {
            assert_eq!(Filter::new(&filter).unwrap().accepts(&envelope()), expected, "{filter}");
        };
        check(json!({"path": "payload.tenant", "any_of": ["fastblocks"]}), true);
        check(json!({"field": "tenant", "in": "fastblocks"}), true);
        check(json!({"path": "tenant", "one_of": ["other", "another"]}), false);
        check(json!({"path": "topic", "equals": "order.created"}), true);
        check(json!({"path": "headers.trace_id", "exists": true}), true);
        check(json!({"path": "headers.span_id", "exists": false}), true);
        check(json!({"path": "deep.flag", "value": true}), true);
        check(json!({"path": "payload.deep.list", "equals": [1, 2]}), true);
        check(json!({"path": "deep.list.0", "exists": true}), false);
        // All conditions of one filter.
        check(json!({"path": "n", "exists": true, "any_of": [1, 2], "equals": 2}), false);
        check(json!({"path": "n", "exists": true, "any_of": [1, 2], "equals": 1}), true);
    }

    #[test]
    fn numbers_are_compared_as_python_compares_them() {
        let check = |filter: Value, expected: bool| {
            assert_eq!(Filter::new(&filter).unwrap().accepts(&envelope()), expected, "{filter}");
        };
        check(json!({"path": "n", "equals": 1.0}), true);
        check(json!({"path": "n", "equals": true}), true);
        check(json!({"path": "deep.flag", "equals": 1}), true);
        check(json!({"path": "deep.list", "equals": [true, 2.0]}), true);
        check(json!({"path": "n", "equals": "1"}), false);
    }

    #[test]
    fn what_is_missing_is_not_null() {
        let check = |filter: Value, expected: bool| {
            assert_eq!(Filter::new(&filter).unwrap().accepts(&envelope()), expected, "{filter}");
        };
        check(json!({"path": "none", "exists": true}), true);
        check(json!({"path": "none", "equals": null}), true);
        check(json!({"path": "gone", "exists": true}), false);
        check(json!({"path": "gone", "equals": null}), false);
        check(json!({"path": "gone.deeper", "any_of": [null]}), false);
        check(json!({"path": "none", "any_of": [null]}), true);
        check(json!({"path": "tenant", "any_of": []}), false);
    }

    #[test]
    fn what_is_no_filter_is_an_error() {
        let check = |filter: Value, expected: &str| {
            assert_eq!(Filter::new(&filter).unwrap_err().to_string(), expected, "{filter}");
        };
        check(json!({"any_of": [1]}), "the event filter has no `path`");
        check(json!({"pth": "a", "equals": 1}), "the event filter has an unknown key `pth`");
        check(
            json!({"path": "a"}),
            "the event filter of `a` states no condition; give it `equals`, `any_of` or `exists`",
        );
        check(json!({"path": "a", "field": "b", "equals": 1}), "the event filter says `path` twice");
        check(
            json!({"path": "a", "exists": "yes"}),
            "`exists` of the event filter of `a` is neither true nor false",
        );
        check(json!("a"), "an event filter is a mapping with `path` and a condition");
    }
}

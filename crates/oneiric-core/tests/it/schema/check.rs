//! Enough of JSON Schema (draft 2020-12) to check the schema of manifests with. A keyword that is not
//! known here is a panic, so that the schema cannot come to use one unseen.
//!
//! A complete implementation costs 35 crates and 25 seconds of building. One of them (`jsonschema`
//! 0.60) was asked once, on 2026-11-21: it finds the schema well-formed and agrees with every row of
//! the tables above.

use regex::Regex;
use serde_json::{Map, Value};

/// What is wrong with a value: the place and the keyword; nothing where it fits.
pub(crate) fn check(root: &Value, value: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    Checker { root, wrong: &mut wrong }.all("", root, value);
    wrong
}

struct Checker<'a> {
    root: &'a Value,
    wrong: &'a mut Vec<String>,
}

impl Checker<'_> {
    fn all(&mut self, at: &str, schema: &Value, value: &Value) {
        for (keyword, wanted) in schema.as_object().unwrap() {
            if !self.fits(at, keyword, wanted, schema, value) {
                self.wrong.push(format!("{at}: {keyword}"));
            }
        }
    }

    /// Whether a value fits a schema, without a word on why not.
    fn quietly(&self, schema: &Value, value: &Value) -> bool {
        let mut wrong = Vec::new();
        Checker { root: self.root, wrong: &mut wrong }.all("", schema, value);
        wrong.is_empty()
    }

    fn fits(&mut self, at: &str, keyword: &str, wanted: &Value, schema: &Value, value: &Value) -> bool {
        let fitting = |this: &Self| {
            wanted.as_array().unwrap().iter().filter(|schema| this.quietly(schema, value)).count()
        };
        match keyword {
            "$schema" | "$id" | "$defs" | "title" | "description" | "default" => true,
            "$ref" => {
                let path = wanted.as_str().unwrap().strip_prefix('#').unwrap();
                let target = self.root.pointer(path).unwrap_or_else(|| panic!("{path} leads nowhere"));
                self.all(at, target, value);
                true
            }
            "type" => match wanted {
                Value::Array(kinds) => kinds.iter().any(|kind| is(kind.as_str().unwrap(), value)),
                kind => is(kind.as_str().unwrap(), value),
            },
            "enum" => wanted.as_array().unwrap().contains(value),
            "not" => !self.quietly(wanted, value),
            "anyOf" => fitting(self) > 0,
            "oneOf" => fitting(self) == 1,
            "allOf" => fitting(self) == wanted.as_array().unwrap().len(),
            "required" => value.as_object().is_none_or(|fields| {
                wanted.as_array().unwrap().iter().all(|name| fields.contains_key(name.as_str().unwrap()))
            }),
            "properties" => self.properties(at, wanted.as_object().unwrap(), value),
            "additionalProperties" => {
                assert_eq!(wanted, &Value::Bool(false));
                let known = schema["properties"].as_object().unwrap();
                value.as_object().is_none_or(|fields| fields.keys().all(|name| known.contains_key(name)))
            }
            "items" => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    self.all(&format!("{at}/{place}"), wanted, item);
                }
                true
            }
            "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= wanted.as_u64().unwrap()),
            "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
            "exclusiveMinimum" => value.as_f64().is_none_or(|number| number > wanted.as_f64().unwrap()),
            "minLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 >= wanted.as_u64().unwrap())
            }
            "maxLength" => {
                value.as_str().is_none_or(|text| text.chars().count() as u64 <= wanted.as_u64().unwrap())
            }
            "pattern" => {
                let pattern = Regex::new(wanted.as_str().unwrap()).unwrap();
                value.as_str().is_none_or(|text| pattern.is_match(text))
            }
            unknown => panic!("`{unknown}` is not checked here"),
        }
    }

    fn properties(&mut self, at: &str, known: &Map<String, Value>, value: &Value) -> bool {
        for (name, field) in value.as_object().into_iter().flatten() {
            if let Some(schema) = known.get(name) {
                self.all(&format!("{at}/{name}"), schema, field);
            }
        }
        true
    }
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => {
            value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
        }
        unknown => panic!("`{unknown}` is no type"),
    }
}

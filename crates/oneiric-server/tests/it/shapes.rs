//! Whether answers are what the document says of them.

use std::sync::OnceLock;

use serde_json::Value;

use crate::stage::Answer;

pub(crate) fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(oneiric_server::document)
}

/// That an answer in JSON has the shape that the document has for its route and status.
pub(crate) fn expect_fit(method: &str, path: &str, answer: &Answer) {
    let path = path.split('?').next().unwrap();
    let Some(operation) = operation(method, path) else { return };
    let status = answer.status.to_string();
    let said = &operation["responses"];
    let said = if said[&status].is_null() { &said["default"] } else { &said[&status] };
    assert!(!said.is_null(), "{method} {path} answers {status}, which the document does not say");
    let schema = &said["content"]["application/json"]["schema"];
    if schema.is_null() {
        return;
    }
    let wrong = misfit(schema, &answer.body, "");
    assert_eq!(wrong, None, "{method} {path} {status}: {}", answer.body);
}

/// What the document says of a route; a path without anything that varies goes first.
fn operation(method: &str, path: &str) -> Option<&'static Value> {
    let fits = |template: &str| {
        let (mut one, mut other) = (template.split('/'), path.split('/'));
        loop {
            match (one.next(), other.next()) {
                (None, None) => return true,
                (Some(part), Some(said)) if part == said || (part.starts_with('{') && !said.is_empty()) => {}
                _ => return false,
            }
        }
    };
    let paths = document()["paths"].as_object().unwrap();
    let mut found: Vec<_> = paths.iter().filter(|(template, _)| fits(template)).collect();
    found.sort_by_key(|(template, _)| template.matches('{').count());
    found.iter().map(|(_, methods)| &methods[method.to_ascii_lowercase()]).find(|said| !said.is_null())
}

/// Where and why a value has not the shape of a schema. Knows what our own schemas use, and fails on what it does not.
pub(crate) fn misfit(schema: &Value, value: &Value, at: &str) -> Option<String> {
    let fields = match schema {
        Value::Bool(true) => return None,
        Value::Object(fields) => fields,
        other => return Some(format!("{at}: `{other}` is no schema")),
    };
    for (word, said) in fields {
        let wrong = match word.as_str() {
            "$ref" => {
                let name = said.as_str().unwrap().rsplit('/').next().unwrap();
                misfit(&document()["components"]["schemas"][name], value, at)
            }
            "type" => {
                let types: Vec<&str> = match said {
                    Value::String(one) => vec![one],
                    several => several.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect(),
                };
                (!types.iter().any(|kind| is(kind, value))).then(|| format!("{at}: {value} is no {said}"))
            }
            "properties" => {
                let of = value.as_object();
                let found =
                    of.into_iter().flatten().filter_map(|(name, value)| Some((name, said.get(name)?, value)));
                found
                    .into_iter()
                    .find_map(|(name, schema, value)| misfit(schema, value, &format!("{at}/{name}")))
            }
            "required" => {
                let of = value.as_object();
                let missing = said
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|name| of.is_some_and(|of| !of.contains_key(name.as_str().unwrap())));
                missing.map(|name| format!("{at}: {name} is missing"))
            }
            "items" => {
                let of = value.as_array().into_iter().flatten().enumerate();
                of.into_iter().find_map(|(place, value)| misfit(said, value, &format!("{at}/{place}")))
            }
            "additionalProperties" => {
                let known = fields.get("properties");
                let of = value.as_object().into_iter().flatten();
                of.filter(|(name, _)| known.is_none_or(|known| known.get(name.as_str()).is_none())).find_map(
                    |(name, value)| match said {
                        Value::Bool(false) => Some(format!("{at}: {name} is not said")),
                        said => misfit(said, value, &format!("{at}/{name}")),
                    },
                )
            }
            "anyOf" | "oneOf" => {
                let of = said.as_array().unwrap();
                let fits = of.iter().any(|one| misfit(one, value, at).is_none());
                (!fits).then(|| format!("{at}: {value} is none of {said}"))
            }
            "allOf" => said.as_array().unwrap().iter().find_map(|one| misfit(one, value, at)),
            "const" => (said != value).then(|| format!("{at}: {value} is not {said}")),
            "enum" => (!said.as_array().unwrap().contains(value))
                .then(|| format!("{at}: {value} is none of {said}")),
            "minimum" => {
                let low = value.as_f64().is_some_and(|value| value < said.as_f64().unwrap());
                low.then(|| format!("{at}: {value} is less than {said}"))
            }
            "description" | "title" | "format" | "default" | "maximum" => None,
            unknown => Some(format!("{at}: this test does not know `{unknown}`")),
        };
        if wrong.is_some() {
            return wrong;
        }
    }
    None
}

fn is(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    }
}

//! The kinds of values that fields have. A field that is null counts as absent, so that every kind
//! that may be left out may be null.

use serde_json::{Map, Value as Json, json};

use crate::id::MAX_NAME_BYTES;
use crate::manifest::read::Shape;

/// A mapping without other fields than these. Second names are filled in from the shape.
pub(super) fn object(shape: &Shape, description: &str, fields: &[(&str, Json)], required: &[&str]) -> Json {
    let mut properties: Map<String, Json> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let mut rules = Vec::new();
    for name in required {
        let names = names(shape, name);
        let either = names.iter().map(|name| json!({ "required": [name] }));
        // A second name is as good as the first, and one of them is enough.
        rules.push(json!({ "oneOf": either.collect::<Vec<_>>() }));
    }
    for (name, schema) in fields {
        let names = names(shape, name);
        for alias in &names[1..] {
            let mut schema = schema.clone();
            schema["description"] = format!("A second name of `{name}`.").into();
            properties.insert((*alias).to_owned(), schema);
        }
        if !required.contains(name) {
            rules.extend(pairs(&names).map(|pair| json!({ "not": { "required": pair } })));
        }
    }
    let mut schema = json!({
        "type": "object",
        "description": description,
        "properties": properties,
        "additionalProperties": false,
    });
    let plain = required.iter().filter(|name| names(shape, name).len() == 1);
    let plain: Vec<_> = plain.copied().collect();
    rules.retain(|rule| rule["oneOf"].as_array().is_none_or(|either| either.len() > 1));
    if !plain.is_empty() {
        schema["required"] = json!(plain);
    }
    if !rules.is_empty() {
        schema["allOf"] = rules.into();
    }
    schema
}

/// A name and its second names.
fn names<'a>(shape: &'a Shape, name: &'a str) -> Vec<&'a str> {
    let aliases = shape.aliases.iter().filter(|(_, of)| *of == name).map(|(alias, _)| *alias);
    std::iter::once(name).chain(aliases).collect()
}

fn pairs<'a>(names: &'a [&'a str]) -> impl Iterator<Item = [&'a str; 2]> {
    names.iter().enumerate().flat_map(|(place, one)| names[place + 1..].iter().map(|other| [*one, *other]))
}

/// A key, provider or id.
pub(super) fn name() -> Json {
    json!({
        "type": "string",
        "description": "Letters, digits, `_`, `-` and `.`, without `..`.",
        "minLength": 1,
        "maxLength": MAX_NAME_BYTES,
        "pattern": "^[A-Za-z0-9_.-]+$",
        "not": { "pattern": "\\.\\." },
    })
}

/// A name that has to be there.
pub(super) fn named(description: &str) -> Json {
    json!({ "$ref": "#/$defs/name", "description": description })
}

/// A value of a simple type that may be left out.
pub(super) fn optional(kind: &str, description: &str) -> Json {
    json!({ "type": [kind, "null"], "description": description })
}

/// Text.
pub(super) fn text(description: &str) -> Json {
    optional("string", description)
}

/// True or false; what is meant where it is left out.
pub(super) fn flag(default: Option<bool>, description: &str) -> Json {
    let mut schema = optional("boolean", description);
    if let Some(default) = default {
        schema["default"] = default.into();
    }
    schema
}

/// A whole number within a range.
pub(super) fn whole(least: i64, most: i64, description: &str) -> Json {
    json!({ "type": ["integer", "null"], "minimum": least, "maximum": most, "description": description })
}

/// A list.
pub(super) fn list(item: Json, description: &str) -> Json {
    json!({ "type": ["array", "null"], "items": item, "description": description })
}

/// A list of texts.
pub(super) fn texts(description: &str) -> Json {
    list(json!({ "type": "string" }), description)
}

/// A mapping with keys of its own choice.
pub(super) fn map(description: &str) -> Json {
    optional("object", description)
}

/// Any value.
pub(super) fn any(description: &str) -> Json {
    json!({ "description": description })
}

/// One of a few words.
pub(super) fn choice<T>(words: &[(&str, T)], description: &str) -> Json {
    let words = words.iter().map(|(word, _)| json!(word)).chain([Json::Null]);
    json!({ "enum": words.collect::<Vec<_>>(), "description": description })
}

/// One of the definitions, where it is there.
pub(super) fn defined(name: &str, description: &str) -> Json {
    json!({
        "anyOf": [{ "$ref": format!("#/$defs/{name}") }, { "type": "null" }],
        "description": description,
    })
}

/// Seconds, more than none.
pub(super) fn timeout(description: &str) -> Json {
    json!({
        "type": ["number", "null"],
        "exclusiveMinimum": 0,
        "maximum": crate::manifest::MAX_TIMEOUT_SECONDS,
        "description": description,
    })
}

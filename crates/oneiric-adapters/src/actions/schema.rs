//! Short words for JSON Schemas, where a payload is read too loosely for a derive to describe it.
//!
//! They say what a caller should send. What upstream puts up with beyond that (a number where a text
//! belongs, an empty value for none) is not invited.

use oneiric_core::roles::Schema;
use serde_json::{Map, Value, json};

/// Input and output of an action.
pub(super) fn of(input: Value, output: Value) -> Option<Schema> {
    Some(Schema { input: titled(input), output: titled(output) })
}

fn titled(mut schema: Value) -> Value {
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema
}

/// Of a type that is read with serde.
pub(super) fn derived<T: schemars::JsonSchema>() -> Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12();
    let mut generator = settings.with(|settings| settings.inline_subschemas = true).into_generator();
    generator.root_schema_for::<T>().to_value()
}

/// An object with these fields, some of which must be there; others may be.
pub(super) fn object<const N: usize>(required: &[&str], fields: [(&str, Value); N]) -> Value {
    let fields: Map<String, Value> =
        fields.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({ "type": "object", "properties": fields, "required": required })
}

/// A value of one type: `string`, `integer`, `number`, `boolean`, `object`, `array`.
pub(super) fn of_type(kind: &str, what: &str) -> Value {
    json!({ "type": kind, "description": what })
}

/// A value of one type, or `null`.
pub(super) fn nullable(kind: &str, what: &str) -> Value {
    json!({ "type": [kind, "null"], "description": what })
}

/// Any value.
pub(super) fn any(what: &str) -> Value {
    json!({ "description": what })
}

/// A text.
pub(super) fn text(what: &str) -> Value {
    of_type("string", what)
}

/// A truth value.
pub(super) fn flag(what: &str) -> Value {
    of_type("boolean", what)
}

/// A list of texts.
pub(super) fn texts(what: &str) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "description": what })
}

/// One of these words.
pub(super) fn one_of(words: &[&str], what: &str) -> Value {
    json!({ "enum": words, "description": what })
}

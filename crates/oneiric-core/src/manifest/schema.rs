//! What the reader takes, as a JSON Schema (draft 2020-12): for editors, and for programs that write
//! manifests.
//!
//! It says what a schema can say of one file: names, types, ranges and what excludes each other. Names
//! of one file that have to agree (ids, dependencies, cycles), bytes instead of characters, and whether
//! a number was written with a point are the reader's alone. Where the two could disagree, the schema
//! is the wider one.

mod entry;
mod graph;
mod kinds;

use serde_json::{Value as Json, json};

use super::read::Shape;
use super::{MANIFEST, SIGNATURE};
use kinds::{list, object, optional, text};

/// The address that identifies the schema; nothing is fetched from there.
const ID: &str = "urn:oneiric:manifest:2";

/// The schema of manifests of both versions, with a description of every field.
pub fn schema() -> Json {
    let mut schema = object(
        &MANIFEST,
        "A manifest: components that are offered, and workflows made of them. Versions 1 and 2.",
        &[
            ("source", text("Its name for itself; `remote` unless said.")),
            (
                "entries",
                list(
                    json!({ "$ref": "#/$defs/entry" }),
                    "The candidates, in the order of their registration.",
                ),
            ),
            ("signature", text("A signature over the canonical form, base64.")),
            ("signature_algorithm", text("Of `signature`; `ed25519` unless said.")),
            ("signatures", list(json!({ "$ref": "#/$defs/signature" }), "Further signatures.")),
            ("signed_at", text("When it was signed, ISO 8601; covered by the signatures.")),
            ("expires_at", text("Until when it is good, ISO 8601; covered by the signatures.")),
        ],
        &[],
    );
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "Oneiric manifest",
    });
    let (Json::Object(head), Json::Object(body)) = (head, &mut schema) else { return schema };
    let mut whole = head;
    whole.append(body);
    let defs = DEFINITIONS.iter().map(|definition| (definition.name.to_owned(), (definition.define)()));
    whole.insert("$defs".to_owned(), Json::Object(defs.collect()));
    Json::Object(whole)
}

/// A mapping below the manifest.
struct Definition {
    name: &'static str,
    /// What the reader knows of it; a name is no mapping.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares the two"))]
    shape: Option<&'static Shape>,
    define: fn() -> Json,
}

const fn of(name: &'static str, shape: &'static Shape, define: fn() -> Json) -> Definition {
    Definition { name, shape: Some(shape), define }
}

const DEFINITIONS: &[Definition] = &[
    of("entry", &super::entry::ENTRY, entry::entry),
    of("capability", &super::capability::CAPABILITY, entry::capability),
    of("security", &super::capability::SECURITY, entry::security),
    of("eventFilter", &super::event::FILTER, entry::filter),
    of("dag", &super::dag::DAG, graph::dag),
    of("node", &super::dag::NODE, graph::node),
    of("retryPolicy", &super::values::RETRY_POLICY, graph::retry),
    of("signature", &SIGNATURE, signature),
    Definition { name: "name", shape: None, define: kinds::name },
];

fn signature() -> Json {
    object(
        &SIGNATURE,
        "One of several signatures.",
        &[
            ("signature", json!({ "type": "string", "description": "Over the canonical form, base64." })),
            ("algorithm", text("`ed25519` unless said.")),
            ("key_id", optional("string", "Which key made it.")),
        ],
        &["signature"],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that a definition has, sorted.
    fn properties(definition: &Json) -> Vec<String> {
        // A capability may be a name as well.
        let mapping = definition.get("oneOf").map_or(definition, |either| &either[1]);
        let mut names: Vec<_> = mapping["properties"].as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    }

    #[test]
    fn it_knows_the_names_that_the_reader_knows() {
        let schema = schema();
        let check = |definition: &Json, shape: &Shape| {
            let aliases = shape.aliases.iter().map(|(alias, _)| *alias);
            let mut names: Vec<_> = shape.names.iter().copied().chain(aliases).collect();
            names.sort_unstable();
            assert_eq!(properties(definition), names, "{}", shape.what);
        };
        check(&schema, &MANIFEST);
        for Definition { name, shape, .. } in DEFINITIONS {
            let Some(shape) = shape else { continue };
            check(&schema["$defs"][name], shape);
        }
    }

    #[test]
    fn every_field_has_a_description() {
        fn look(at: &str, value: &Json) {
            match value {
                Json::Object(fields) => {
                    if let Some(properties) = fields.get("properties").and_then(Json::as_object) {
                        for (name, field) in properties.iter().filter(|_| fields.contains_key("type")) {
                            assert!(field["description"].is_string(), "{at}/{name} says nothing: {field}");
                        }
                    }
                    fields.iter().for_each(|(name, below)| look(&format!("{at}/{name}"), below));
                }
                Json::Array(items) => items.iter().for_each(|item| look(at, item)),
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
            }
        }
        look("", &schema());
    }
}

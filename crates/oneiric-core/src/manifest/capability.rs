//! What an entry says that its component can do: a name, or a name with details.

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::read::{Fields, Shape, wrong};
use super::values::{flag, list, map, text};
use crate::text::reader::Reader;
use crate::text::tree::{Tree, Value};

/// One capability. A bare string in the file is one with a name only.
///
/// Serializes to upstream's shape of `capability_descriptors`: what was not said is left out.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Capability {
    /// What it is asked for by; never empty.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Events that it speaks about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub event_types: Vec<String>,
    /// A JSON schema, or the text of a reference to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload_schema: Option<Json>,
    /// Which dialect the schema is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema_format: Option<String>,
    /// What using it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security: Option<Security>,
    /// Anything else.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Json>,
}

/// What using a capability asks for, as far as it was said.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Security {
    /// How confidential its data is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classification: Option<String>,
    /// Unsaid means true; see [`Security::auth_required`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_required: Option<bool>,
    /// What a caller has to be allowed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// How its data is encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
    /// Unsaid means false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature_required: Option<bool>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

impl Security {
    /// Whether a caller has to be known; true unless the file says otherwise.
    pub fn auth_required(&self) -> bool {
        self.auth_required.unwrap_or(true)
    }

    /// Whether a message has to be signed; false unless the file says otherwise.
    pub fn signature_required(&self) -> bool {
        self.signature_required.unwrap_or(false)
    }
}

pub(super) const CAPABILITY: Shape = Shape {
    what: "capability",
    names: &["name", "description", "event_types", "payload_schema", "schema_format", "security", "metadata"],
    aliases: &[],
};

pub(super) const SECURITY: Shape = Shape {
    what: "security",
    names: &[
        "classification",
        "auth_required",
        "scopes",
        "encryption",
        "signature_required",
        "audience",
        "notes",
    ],
    aliases: &[],
};

pub(super) fn capability<'t>(
    reader: &mut Reader<'t>,
    name: &'static str,
    tree: Tree<'t>,
) -> Option<Capability> {
    match tree.value {
        Value::Text(_) => Some(Capability { name: nonempty(reader, name, tree)?, ..Capability::default() }),
        Value::Map(_) => {
            let mut fields = Fields::open(reader, &CAPABILITY, tree)?;
            let name = fields.required(reader, "name", nonempty);
            Some(Capability {
                description: fields.optional(reader, "description", text),
                event_types: fields.optional(reader, "event_types", list(text)).unwrap_or_default(),
                payload_schema: fields.optional(reader, "payload_schema", schema),
                schema_format: fields.optional(reader, "schema_format", text),
                security: fields.optional(reader, "security", security),
                metadata: fields.optional(reader, "metadata", map).unwrap_or_default(),
                name: name?,
            })
        }
        _ => {
            wrong(reader, name, "names or mappings", &tree);
            None
        }
    }
}

fn nonempty<'t>(reader: &mut Reader<'t>, name: &'static str, tree: Tree<'t>) -> Option<String> {
    let span = tree.span;
    let text = text(reader, name, tree)?;
    if text.is_empty() {
        reader.problem(span, format!("`{name}` is empty"), None);
        return None;
    }
    Some(text)
}

fn schema<'t>(reader: &mut Reader<'t>, name: &'static str, tree: Tree<'t>) -> Option<Json> {
    match tree.value {
        Value::Map(_) | Value::Text(_) => Some(tree.into_json()),
        _ => {
            wrong(reader, name, "a schema or the text of a reference", &tree);
            None
        }
    }
}

fn security<'t>(reader: &mut Reader<'t>, _: &'static str, tree: Tree<'t>) -> Option<Security> {
    let mut fields = Fields::open(reader, &SECURITY, tree)?;
    Some(Security {
        classification: fields.optional(reader, "classification", text),
        auth_required: fields.optional(reader, "auth_required", flag),
        scopes: fields.optional(reader, "scopes", list(text)).unwrap_or_default(),
        encryption: fields.optional(reader, "encryption", text),
        signature_required: fields.optional(reader, "signature_required", flag),
        audience: fields.optional(reader, "audience", list(text)).unwrap_or_default(),
        notes: fields.optional(reader, "notes", text),
    })
}

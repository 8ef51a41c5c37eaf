//! `serialization.encode`: values as JSON or YAML text, and back.

mod files;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Fault, Payload};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::heavy::heavy;
use super::kit::Kit;
use super::payload::Fields;
use super::python::{json as python_json, yaml};
use super::schema;
use super::settings::{self, one_of};
use files::Files;

pub(super) const KIT: Kit = Kit {
    key: "serialization.encode",
    provider: "builtin-serialization",
    python: "oneiric.actions.serialization:SerializationAction",
    description: "writes values as JSON or YAML, and reads them back",
    domains: &["task", "service", "workflow"],
    capabilities: &["encode", "decode", "serialize"],
    stack_level: 30,
    priority: 430,
    side_effect_free: true,
    check: settings::check::<SerializationSettings>,
    make: |settings, _| Ok(Arc::new(Serialization::new(settings::read(KIT.key, settings)?))),
};

const FORMATS: [&str; 3] = ["json", "yaml", "pickle"];
const FAILED: &str = "serialization-decode-error";

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SerializationSettings {
    default_format: String,
    sort_keys: bool,
    ensure_ascii: bool,
    /// Ours: the folder that `path` of a payload is looked up in; none is no files.
    path_root: Option<PathBuf>,
}

impl Default for SerializationSettings {
    fn default() -> Self {
        Self { default_format: "json".to_owned(), sort_keys: false, ensure_ascii: false, path_root: None }
    }
}

impl settings::Settings for SerializationSettings {
    fn check(&self) -> Result<(), (&'static str, String)> {
        one_of("default_format", &self.default_format, &FORMATS)
    }
}

struct Serialization {
    settings: SerializationSettings,
}

impl Serialization {
    fn new(settings: SerializationSettings) -> Self {
        Self { settings }
    }

    async fn encode(&self, format: &'static str, fields: Fields<'_>) -> Result<Value, Fault> {
        let value = fields
            .said("value")
            .or_else(|| fields.said("data"))
            .cloned()
            .ok_or_else(|| fields.missing("serialization-value-required", "value"))?;
        let ascii = fields.flag("ensure_ascii", self.settings.ensure_ascii);
        let file = self.file(fields)?;
        let text = heavy(move || {
            let text = match format {
                "yaml" => yaml::dump(&value),
                _ => {
                    let style = python_json::Style { ascii, ..python_json::Style::PLAIN };
                    python_json::dumps(&value, style)
                }
            };
            if let Some((files, path)) = file {
                files.write(&path, &text)?;
            }
            Ok(text)
        });
        Ok(json!({ "status": "encoded", "format": format, "text": text.await? }))
    }

    async fn decode(&self, format: &'static str, fields: Fields<'_>) -> Result<Value, Fault> {
        let file = self.file(fields)?;
        let text = if file.is_some() { String::new() } else { source(fields)?.to_owned() };
        let data = heavy(move || {
            let text = match file {
                Some((files, path)) => files.read(&path)?,
                None => text,
            };
            match format {
                "yaml" => {
                    yaml::load(&text).map_err(|why| Fault::permanent(FAILED, format!("not YAML: {why}")))
                }
                _ => serde_json::from_str(&text)
                    .map_err(|error| Fault::permanent(FAILED, format!("not JSON: {error}"))),
            }
        });
        Ok(json!({ "status": "decoded", "format": format, "data": data.await? }))
    }

    /// The file that the payload names, where it names one and may.
    fn file(&self, fields: Fields<'_>) -> Result<Option<(Files, String)>, Fault> {
        let path = fields.text("path", "", "serialization-path-refused")?;
        match &self.settings.path_root {
            _ if path.is_empty() => Ok(None),
            Some(root) => Ok(Some((Files::new(root.clone()), path.to_owned()))),
            None => Err(fields.bad(
                "serialization-path-refused",
                "path",
                "is refused: set `path_root` to the folder that files may lie in",
            )),
        }
    }
}

/// The text to read.
fn source<'a>(fields: Fields<'a>) -> Result<&'a str, Fault> {
    let value = ["data", "text", "value"]
        .into_iter()
        .find_map(|name| fields.said(name))
        .ok_or_else(|| fields.missing("serialization-source-required", "text"))?;
    value.as_str().ok_or_else(|| fields.bad("serialization-text-required", "data", "is not a text"))
}

#[async_trait]
impl Action for Serialization {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        let fields = Fields::of(KIT.key, &input, "serialization-payload-invalid")?;
        let mode = fields.text("mode", "encode", "serialization-invalid-mode")?.to_lowercase();
        let format = fields.word(
            "format",
            &self.settings.default_format,
            &FORMATS,
            "serialization-unsupported-format",
        )?;
        if format == "pickle" {
            let why = "is `pickle`: whoever writes a pickle runs code where it is read; use json or yaml";
            return Err(fields.bad("serialization-pickle-refused", "format", why));
        }
        match mode.as_str() {
            "encode" => self.encode(format, fields).await,
            "decode" => self.decode(format, fields).await,
            _ => Err(fields.bad("serialization-invalid-mode", "mode", "is none of encode, decode")),
        }
        .map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let format = || schema::one_of(&["json", "yaml"], "the format");
        let input = schema::object(
            &[],
            [
                ("mode", schema::one_of(&["encode", "decode"], "`encode` unless said otherwise")),
                ("format", format()),
                ("value", schema::any("what is written")),
                ("data", schema::any("what is written, looked at second; or the text that is read")),
                ("text", schema::text("the text that is read, looked at second")),
                ("ensure_ascii", schema::flag("whether JSON escapes everything outside of ASCII")),
                ("sort_keys", schema::flag("accepted; keys are always sorted")),
                ("path", schema::text("a file below `path_root` of the settings, written or read instead")),
            ],
        );
        let output = schema::object(
            &["status", "format"],
            [
                ("status", schema::one_of(&["encoded", "decoded"], "what was done")),
                ("format", format()),
                ("text", schema::text("what was written")),
                ("data", schema::any("what was read")),
            ],
        );
        schema::of(input, output)
    }
}

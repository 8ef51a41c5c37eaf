//! `compression.encode`: zlib, bz2 and lzma, in Base64.

mod codec;

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Fault, Payload};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::heavy::heavy;
use super::kit::Kit;
use super::payload::Fields;
use super::python::base64;
use super::schema;
use super::settings::{self, must, one_of};
use codec::Algorithm;

pub(super) const KIT: Kit = Kit {
    key: "compression.encode",
    provider: "builtin-compression",
    python: "oneiric.actions.compression:CompressionAction",
    description: "compresses a text into Base64 and back",
    domains: &["task", "workflow"],
    capabilities: &["compress", "decompress"],
    stack_level: 25,
    priority: 450,
    side_effect_free: true,
    check: settings::check::<CompressionSettings>,
    make: |settings, _| Ok(Arc::new(Compression::new(settings::read(KIT.key, settings)?))),
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct CompressionSettings {
    algorithm: String,
    level: u32,
}

impl Default for CompressionSettings {
    fn default() -> Self {
        Self { algorithm: "zlib".to_owned(), level: 6 }
    }
}

impl settings::Settings for CompressionSettings {
    fn check(&self) -> Result<(), (&'static str, String)> {
        one_of("algorithm", &self.algorithm, &Algorithm::NAMES)?;
        must("level", self.level <= 9, "0 to 9")
    }
}

struct Compression {
    settings: CompressionSettings,
}

impl Compression {
    fn new(settings: CompressionSettings) -> Self {
        Self { settings }
    }

    async fn compress(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        let text = match fields.get("text") {
            None => "",
            Some(value) => value
                .as_str()
                .ok_or_else(|| fields.bad("compression-action-text-required", "text", "is not a text"))?,
        };
        let algorithm = self.algorithm(fields)?;
        let (text, level) = (text.to_owned(), self.settings.level);
        let data = heavy(move || Ok(base64::encode(&algorithm.compress(text.as_bytes(), level)?))).await?;
        Ok(json!({ "mode": "compress", "algorithm": algorithm.name(), "data": data }))
    }

    async fn decompress(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        let data = fields
            .get("data")
            .and_then(Value::as_str)
            .ok_or_else(|| fields.bad("compression-action-data-required", "data", "is not a text"))?;
        let code = "compression-action-decode-error";
        let data = base64::decode(data).ok_or_else(|| fields.bad(code, "data", "is not Base64"))?;
        let algorithm = self.algorithm(fields)?;
        let text = heavy(move || {
            let text = algorithm.decompress(&data)?;
            let why = |_| Fault::permanent(code, "what was compressed is not text in UTF-8");
            String::from_utf8(text).map_err(why)
        });
        Ok(json!({ "mode": "decompress", "algorithm": algorithm.name(), "text": text.await? }))
    }

    fn algorithm(&self, fields: Fields<'_>) -> Result<Algorithm, Fault> {
        let named = match fields.get("algorithm") {
            None => Some(self.settings.algorithm.as_str()),
            Some(value) => value.as_str(),
        };
        named.and_then(Algorithm::named).ok_or_else(|| {
            let why = format!("is none of {}", Algorithm::NAMES.join(", "));
            fields.bad("compression-action-unknown-algorithm", "algorithm", why)
        })
    }
}

#[async_trait]
impl Action for Compression {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        let fields = Fields::of(KIT.key, &input, "compression-action-payload-invalid")?;
        match fields.get("mode").map_or(Some("compress"), Value::as_str) {
            Some("compress") => self.compress(fields).await,
            Some("decompress") => self.decompress(fields).await,
            _ => {
                Err(fields.bad("compression-action-invalid-mode", "mode", "is none of compress, decompress"))
            }
        }
        .map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let mode = || schema::one_of(&["compress", "decompress"], "`compress` unless said otherwise");
        let algorithm = || schema::one_of(&Algorithm::NAMES, "the format");
        let text = || schema::text("what is compressed, or was");
        let data = || schema::text("the compressed bytes, in Base64");
        let input = schema::object(
            &[],
            [("mode", mode()), ("algorithm", algorithm()), ("text", text()), ("data", data())],
        );
        let output = schema::object(
            &["mode", "algorithm"],
            [("mode", mode()), ("algorithm", algorithm()), ("text", text()), ("data", data())],
        );
        schema::of(input, output)
    }
}

//! `compression.hash`: a digest of a text or a value.

use std::sync::Arc;

use async_trait::async_trait;
use blake2::Blake2b512;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Fault, Payload};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};

use super::chance::hex;
use super::kit::Kit;
use super::payload::Fields;
use super::python::{base64, json as python_json};
use super::settings::{self, one_of};
use super::{python, schema};

pub(super) const KIT: Kit = Kit {
    key: "compression.hash",
    provider: "builtin-hash",
    python: "oneiric.actions.compression:HashAction",
    description: "a digest of a text or a value, in hexadecimal or Base64",
    domains: &["task", "service", "workflow"],
    capabilities: &["hash", "checksum", "validate"],
    stack_level: 25,
    priority: 445,
    side_effect_free: true,
    check: settings::check::<HashSettings>,
    make: |settings, _| Ok(Arc::new(Hash::new(settings::read(KIT.key, settings)?))),
};

/// Digests that are known, also to `security.signature`.
pub(super) const ALGORITHMS: [&str; 3] = ["sha256", "sha512", "blake2b"];
/// How bytes are written, also in `security.signature`.
pub(super) const ENCODINGS: [&str; 2] = ["hex", "base64"];

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct HashSettings {
    algorithm: String,
    encoding: String,
    salt: Option<String>,
}

impl Default for HashSettings {
    fn default() -> Self {
        Self { algorithm: "sha256".to_owned(), encoding: "hex".to_owned(), salt: None }
    }
}

impl settings::Settings for HashSettings {
    fn check(&self) -> Result<(), (&'static str, String)> {
        one_of("algorithm", &self.algorithm, &ALGORITHMS)?;
        one_of("encoding", &self.encoding, &ENCODINGS)
    }
}

struct Hash {
    settings: HashSettings,
}

impl Hash {
    fn new(settings: HashSettings) -> Self {
        Self { settings }
    }

    fn hash(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        let algorithm = fields.word(
            "algorithm",
            &self.settings.algorithm,
            &ALGORITHMS,
            "hash-action-algorithm-invalid",
        )?;
        let encoding =
            fields.word("encoding", &self.settings.encoding, &ENCODINGS, "hash-action-encoding-invalid")?;
        // The last of them may be empty, the others count as unsaid then.
        let value = fields
            .first(["value", "text"])
            .or_else(|| fields.said("data"))
            .ok_or_else(|| fields.missing("hash-action-value-required", "value"))?;
        let salt =
            fields.text("salt", self.settings.salt.as_deref().unwrap_or(""), "hash-action-salt-invalid")?;
        let digest = digest(algorithm, &[salt.as_bytes(), &bytes_of(value)]);
        Ok(json!({
            "status": "hashed",
            "algorithm": algorithm,
            "encoding": encoding,
            "digest": encoded(encoding, &digest),
            "salted": !salt.is_empty(),
        }))
    }
}

/// A text as it is, anything else as compact JSON with sorted keys.
pub(super) fn bytes_of(value: &Value) -> Vec<u8> {
    match value {
        Value::String(text) => text.clone().into_bytes(),
        other => python_json::dumps(other, python::json::Style::COMPACT).into_bytes(),
    }
}

/// The bytes in one of [`ENCODINGS`].
pub(super) fn encoded(encoding: &str, bytes: &[u8]) -> String {
    if encoding == "hex" { hex(bytes) } else { base64::encode(bytes) }
}

fn digest(algorithm: &str, parts: &[&[u8]]) -> Vec<u8> {
    fn of<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
        let mut digest = D::new();
        parts.iter().for_each(|part| digest.update(part));
        digest.finalize().to_vec()
    }
    match algorithm {
        "sha512" => of::<Sha512>(parts),
        "blake2b" => of::<Blake2b512>(parts),
        _ => of::<Sha256>(parts),
    }
}

#[async_trait]
impl Action for Hash {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.hash(Fields::of(KIT.key, &input, "hash-action-payload-invalid")?).map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let algorithm = || schema::one_of(&ALGORITHMS, "the digest");
        let encoding = || schema::one_of(&ENCODINGS, "how the digest is written");
        let input = schema::object(
            &[],
            [
                ("value", schema::any("what is hashed: a text as it is, anything else as compact JSON")),
                ("text", schema::text("the same as `value`, looked at second")),
                ("data", schema::any("the same as `value`, looked at last")),
                ("algorithm", algorithm()),
                ("encoding", encoding()),
                ("salt", schema::text("put in front of what is hashed")),
            ],
        );
        let output = schema::object(
            &["status", "algorithm", "encoding", "digest", "salted"],
            [
                ("status", schema::one_of(&["hashed"], "always this")),
                ("algorithm", algorithm()),
                ("encoding", encoding()),
                ("digest", schema::text("the digest")),
                ("salted", schema::flag("whether a salt was put in front")),
            ],
        );
        schema::of(input, output)
    }
}

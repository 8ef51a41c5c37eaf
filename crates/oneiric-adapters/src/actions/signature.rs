//! `security.signature`: an HMAC of a message.

use std::sync::Arc;

use async_trait::async_trait;
use blake2::Blake2b512;
use hmac::{Hmac, KeyInit, Mac, SimpleHmac};
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Clock, Fault, Payload};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};

use super::hash::{ALGORITHMS, ENCODINGS, bytes_of, encoded};
use super::kit::Kit;
use super::payload::Fields;
use super::python::time::isoformat_utc;
use super::schema;
use super::settings::{self, one_of};

pub(super) const KIT: Kit = Kit {
    key: "security.signature",
    provider: "builtin-security-signature",
    python: "oneiric.actions.security:SecuritySignatureAction",
    description: "an HMAC of a message, for the header of a request",
    domains: &["service", "task", "workflow"],
    capabilities: &["signature", "hmac", "validation"],
    stack_level: 40,
    priority: 400,
    side_effect_free: true,
    check: settings::check::<SignatureSettings>,
    make: |settings, parts| {
        Ok(Arc::new(Signature::new(settings::read(KIT.key, settings)?, parts.clock.clone())))
    },
};

// No `Debug`: the secret must not be printed.
#[derive(Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SignatureSettings {
    algorithm: String,
    encoding: String,
    secret: Option<String>,
    header_name: String,
    include_timestamp: bool,
}

impl Default for SignatureSettings {
    fn default() -> Self {
        Self {
            algorithm: "sha256".to_owned(),
            encoding: "hex".to_owned(),
            secret: None,
            header_name: "X-Oneiric-Signature".to_owned(),
            include_timestamp: true,
        }
    }
}

impl settings::Settings for SignatureSettings {
    fn check(&self) -> Result<(), (&'static str, String)> {
        one_of("algorithm", &self.algorithm, &ALGORITHMS)?;
        one_of("encoding", &self.encoding, &ENCODINGS)
    }
}

struct Signature {
    settings: SignatureSettings,
    clock: Arc<dyn Clock>,
}

impl Signature {
    fn new(settings: SignatureSettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock }
    }

    fn sign(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        let settings = &self.settings;
        let secret = fields.text(
            "secret",
            settings.secret.as_deref().unwrap_or(""),
            "security-signature-secret-invalid",
        )?;
        if secret.is_empty() {
            return Err(fields.missing("security-signature-secret-required", "secret"));
        }
        let algorithm = fields.word(
            "algorithm",
            &settings.algorithm,
            &ALGORITHMS,
            "security-signature-algorithm-invalid",
        )?;
        let encoding =
            fields.word("encoding", &settings.encoding, &ENCODINGS, "security-signature-encoding-invalid")?;
        let message = ["message", "body", "data"]
            .into_iter()
            .find_map(|name| fields.said(name))
            .ok_or_else(|| fields.missing("security-signature-message-required", "message"))?;
        let signature = hmac(algorithm, secret.as_bytes(), &bytes_of(message));
        let mut result = json!({
            "status": "signed",
            "algorithm": algorithm,
            "encoding": encoding,
            "signature": encoded(encoding, &signature),
            "header": fields.first(["header"]).cloned().unwrap_or_else(|| settings.header_name.clone().into()),
        });
        if fields.flag("include_timestamp", settings.include_timestamp) {
            result["timestamp"] = isoformat_utc(self.clock.now()).into();
        }
        Ok(result)
    }
}

/// RFC 2104 over one of [`ALGORITHMS`].
fn hmac(algorithm: &str, key: &[u8], message: &[u8]) -> Vec<u8> {
    fn of<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Vec<u8> {
        let mut mac = <M as KeyInit>::new_from_slice(key).expect("a key of HMAC may have any length");
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    }
    match algorithm {
        "sha512" => of::<Hmac<Sha512>>(key, message),
        "blake2b" => of::<SimpleHmac<Blake2b512>>(key, message),
        _ => of::<Hmac<Sha256>>(key, message),
    }
}

#[async_trait]
impl Action for Signature {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.sign(Fields::of(KIT.key, &input, "security-signature-payload-invalid")?).map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let algorithm = || schema::one_of(&ALGORITHMS, "the digest inside of the HMAC");
        let encoding = || schema::one_of(&ENCODINGS, "how the signature is written");
        let input = schema::object(
            &[],
            [
                ("message", schema::any("what is signed: a text as it is, anything else as compact JSON")),
                ("body", schema::any("the same as `message`, looked at second")),
                ("data", schema::any("the same as `message`, looked at last")),
                ("secret", schema::text("the key; required where the settings have none")),
                ("algorithm", algorithm()),
                ("encoding", encoding()),
                ("header", schema::text("the name of the header to put the signature into")),
                ("include_timestamp", schema::flag("whether the result has the time")),
            ],
        );
        let output = schema::object(
            &["status", "algorithm", "encoding", "signature", "header"],
            [
                ("status", schema::one_of(&["signed"], "always this")),
                ("algorithm", algorithm()),
                ("encoding", encoding()),
                ("signature", schema::text("the signature")),
                ("header", schema::text("the name of the header")),
                (
                    "timestamp",
                    schema::text("when it was signed, ISO 8601 in UTC; not part of what was signed"),
                ),
            ],
        );
        schema::of(input, output)
    }
}

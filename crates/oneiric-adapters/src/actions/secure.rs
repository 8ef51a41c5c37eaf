//! `security.secure`: tokens, hashes of passwords, and comparison in constant time.

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Fault, Payload, Rng};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::chance;
use super::heavy::heavy;
use super::kit::Kit;
use super::payload::Fields;
use super::python::{base64, number};
use super::schema;
use super::settings::{self, must};

pub(super) const KIT: Kit = Kit {
    key: "security.secure",
    provider: "builtin-security-secure",
    python: "oneiric.actions.security:SecuritySecureAction",
    description: "random tokens, hashes of passwords, and comparison in constant time",
    domains: &["service", "task", "workflow"],
    capabilities: &["secure", "token", "password"],
    stack_level: 40,
    priority: 390,
    // Upstream says that it is; but a token is a new one each time.
    side_effect_free: true,
    check: settings::check::<SecureSettings>,
    make: |settings, parts| Ok(Arc::new(Secure::new(settings::read(KIT.key, settings)?, parts.rng.clone()))),
};

const MODES: [&str; 4] = ["token", "password-hash", "password-verify", "compare"];

/// The longest token, in bytes before encoding: 32 are beyond guessing, nobody needs a thousand.
const MAX_TOKEN_BYTES: i64 = 1024;
/// The most iterations of PBKDF2: some seconds. Recommendations were at 600 000 in 2023.
const MAX_ITERATIONS: i64 = 10_000_000;

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SecureSettings {
    token_length: i64,
    password_iterations: i64,
    // Upstream has it and reads it nowhere.
    include_symbols: bool,
}

impl Default for SecureSettings {
    fn default() -> Self {
        Self { token_length: 32, password_iterations: 100_000, include_symbols: true }
    }
}

impl settings::Settings for SecureSettings {
    fn check(&self) -> Result<(), (&'static str, String)> {
        let length = (1..=MAX_TOKEN_BYTES).contains(&self.token_length);
        must("token_length", length, &format!("1 to {MAX_TOKEN_BYTES} bytes"))?;
        let iterations = (1..=MAX_ITERATIONS).contains(&self.password_iterations);
        must("password_iterations", iterations, &format!("1 to {MAX_ITERATIONS}"))
    }
}

struct Secure {
    settings: SecureSettings,
    rng: Arc<dyn Rng>,
}

impl Secure {
    fn new(settings: SecureSettings, rng: Arc<dyn Rng>) -> Self {
        Self { settings, rng }
    }

    fn token(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        let code = "security-secure-length-invalid";
        let length = bounded(fields, "length", self.settings.token_length, MAX_TOKEN_BYTES, code)?;
        let count = usize::try_from(length).expect("it is within its bounds");
        let token = base64::encode_url(&chance::bytes(&*self.rng, count));
        Ok(json!({ "status": "token", "token": token, "length": length }))
    }

    async fn hash(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        let password = filled(fields, "password")
            .ok_or_else(|| fields.missing("security-secure-password-required", "password"))?;
        let iterations = self.iterations(fields)?;
        let salt = match fields.text("salt", "", "security-secure-salt-invalid")? {
            "" => chance::hex_token(&*self.rng, 16),
            given => given.to_owned(),
        };
        let hash = pbkdf2(password, &salt, iterations).await?;
        Ok(json!({ "status": "password-hash", "hash": hash, "salt": salt, "iterations": iterations }))
    }

    async fn verify(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        let code = "security-secure-verification-input-invalid";
        let iterations = self.iterations(fields)?;
        let part = |name| filled(fields, name).ok_or_else(|| fields.bad(code, name, "is not a text"));
        let (password, hash, salt) = (part("password")?, part("hash")?, part("salt")?);
        let computed = pbkdf2(password, salt, iterations).await?;
        Ok(json!({ "status": "password-verify", "valid": same(&computed, hash) }))
    }

    fn compare(fields: Fields<'_>) -> Result<Value, Fault> {
        let code = "security-secure-compare-invalid";
        let part = |name| {
            fields.get(name).and_then(Value::as_str).ok_or_else(|| fields.bad(code, name, "is not a text"))
        };
        Ok(json!({ "status": "compare", "equal": same(part("a")?, part("b")?) }))
    }

    fn iterations(&self, fields: Fields<'_>) -> Result<u32, Fault> {
        let code = "security-secure-iterations-invalid";
        let default = self.settings.password_iterations;
        let count = bounded(fields, "iterations", default, MAX_ITERATIONS, code)?;
        Ok(u32::try_from(count).expect("it is within its bounds"))
    }
}

/// A number of 1 to `most`, or the default where it is empty.
fn bounded(fields: Fields<'_>, name: &str, default: i64, most: i64, code: &str) -> Result<i64, Fault> {
    match fields.first([name]) {
        None => Ok(default),
        Some(value) => number::int(value)
            .filter(|count| (1..=most).contains(count))
            .ok_or_else(|| fields.bad(code, name, format!("is not a whole number of 1 to {most}"))),
    }
}

fn filled<'a>(fields: Fields<'a>, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// Whether both are the same. The time it takes says how long they are, and not where they differ.
fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// PBKDF2-HMAC-SHA256 (RFC 8018), 32 bytes in hexadecimal.
async fn pbkdf2(password: &str, salt: &str, iterations: u32) -> Result<String, Fault> {
    let (password, salt) = (password.to_owned(), salt.to_owned());
    heavy(move || {
        let mut key = [0; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(password.as_bytes(), salt.as_bytes(), iterations, &mut key);
        Ok(chance::hex(&key))
    })
    .await
}

#[async_trait]
impl Action for Secure {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        let fields = Fields::of(KIT.key, &input, "security-secure-payload-invalid")?;
        let result = match fields.word("mode", "token", &MODES, "security-secure-mode-invalid")? {
            "password-hash" => self.hash(fields).await,
            "password-verify" => self.verify(fields).await,
            "compare" => Self::compare(fields),
            _ => self.token(fields),
        };
        result.map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let iterations = || schema::of_type("integer", "rounds of PBKDF2");
        let input = schema::object(
            &[],
            [
                ("mode", schema::one_of(&MODES, "what to do; `token` unless said otherwise")),
                ("length", schema::of_type("integer", "of a token, in bytes before encoding")),
                ("password", schema::text("what is hashed or verified")),
                ("salt", schema::text("of the hash; a random one where it is unsaid")),
                ("hash", schema::text("what the password is verified against")),
                ("iterations", iterations()),
                ("a", schema::text("compared with `b`")),
                ("b", schema::text("compared with `a`")),
            ],
        );
        let output = schema::object(
            &["status"],
            [
                ("status", schema::one_of(&MODES, "the mode")),
                ("token", schema::text("the token, in Base64 for URLs")),
                ("length", schema::of_type("integer", "of the token, in bytes before encoding")),
                ("hash", schema::text("32 bytes in hexadecimal")),
                ("salt", schema::text("what the hash was salted with")),
                ("iterations", iterations()),
                ("valid", schema::flag("whether the password belongs to the hash")),
                ("equal", schema::flag("whether `a` and `b` are the same")),
            ],
        );
        schema::of(input, output)
    }
}

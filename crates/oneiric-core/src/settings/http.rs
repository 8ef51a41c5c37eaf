//! `http`: the one port on which a process answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Seconds;

/// The one port on which a process answers: health, metrics, runs, events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// Whether `orchestrate` answers HTTP where a port is said.
    pub enabled: bool,
    /// The address to listen on; `null` is 127.0.0.1, and 0.0.0.0 in the profile `serverless`.
    pub host: Option<String>,
    /// The port, 0 for a free one; `null` answers nothing, but in the profile `serverless` 8080. Also `PORT`.
    pub port: Option<u16>,
    /// Who is asked for a token.
    pub auth: HttpAuth,
    /// Tokens by name, beside those that `oneiric token create` keeps in the store.
    #[schemars(extend("x-names" = "token"))]
    pub tokens: BTreeMap<String, HttpToken>,
    /// Google's signed tokens, for callbacks of Cloud Tasks, Pub/Sub and Scheduler.
    pub oidc: HttpOidc,
    /// How much one client, and all of them, may ask for.
    pub limits: HttpLimits,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            enabled: true,
            host: None,
            port: None,
            auth: HttpAuth::Auto,
            tokens: BTreeMap::new(),
            oidc: HttpOidc::default(),
            limits: HttpLimits::default(),
        }
    }
}

/// Who is asked for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum HttpAuth {
    #[expect(missing_docs, reason = "a sentence on each would make the schema a list of alternatives")]
    // Nobody on a loopback address outside of `serverless` while there is no token; everybody otherwise.
    Auto,
    #[expect(missing_docs, reason = "as above")]
    Required,
    #[expect(missing_docs, reason = "as above")]
    None,
}

/// A token that settings name. They hold its hash only.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpToken {
    /// SHA-256 of the whole token, as 64 hexadecimal digits.
    pub sha256: String,
    /// What it allows.
    pub scopes: Vec<HttpScope>,
    /// The moment from which it counts no more, as RFC 3339; `null` is never.
    pub expires_at: Option<String>,
}

/// What a token allows; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum HttpScope {
    #[expect(missing_docs, reason = "a sentence on each would make the schema a list of alternatives")]
    Read,
    #[expect(missing_docs, reason = "as above")]
    Operate,
    #[expect(missing_docs, reason = "as above")]
    Admin,
}

/// Signed tokens of Google, for callbacks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpOidc {
    /// What a token must be made for, one of these; without any, no such token counts.
    pub audiences: Vec<String>,
    /// Whose tokens count, by the address of the service account; empty is everybody's of the issuer.
    pub emails: Vec<String>,
    /// Who must have signed it.
    pub issuers: Vec<String>,
    /// Where the issuer's keys are.
    pub keys_url: String,
}

/// <https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken> and
/// <https://accounts.google.com/.well-known/openid-configuration>.
impl Default for HttpOidc {
    fn default() -> Self {
        Self {
            audiences: Vec::new(),
            emails: Vec::new(),
            issuers: vec!["https://accounts.google.com".to_owned(), "accounts.google.com".to_owned()],
            keys_url: "https://www.googleapis.com/oauth2/v3/certs".to_owned(),
        }
    }
}

/// How much one client, and all of them, may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpLimits {
    /// The largest body of a request, in bytes.
    #[schemars(range(min = 1024, max = 268_435_456))]
    pub body_bytes: u64,
    /// All headers of a request together, in bytes.
    #[schemars(range(min = 8192, max = 1_048_576))]
    pub header_bytes: u32,
    /// How deep a body of JSON may be nested.
    #[schemars(range(min = 8, max = 120))]
    pub json_depth: u32,
    /// How long a client may take to send the headers of a request.
    pub header_seconds: Seconds,
    /// How long a client may take nothing of an answer, streams of events included, before it is cut.
    pub write_seconds: Seconds,
    /// How long a request may take, its body included; streams of events are not meant.
    pub request_seconds: Seconds,
    /// How many requests are worked on at a time; health is answered beside them.
    #[schemars(range(min = 1, max = 100_000))]
    pub concurrent_requests: u32,
    /// How many connections are open at a time.
    #[schemars(range(min = 8, max = 100_000))]
    pub connections: u32,
    /// How many clients read streams of events at a time.
    #[schemars(range(min = 1, max = 10_000))]
    pub streams: u32,
}

/// A megabyte is what upstream takes; 16 KiB of headers are twice nginx's; depth and times are generous for people
/// and short for attackers; 256 requests keep a small machine busy, and more only wait.
impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            header_bytes: 16 << 10,
            json_depth: 64,
            header_seconds: Seconds::new(10.0),
            write_seconds: Seconds::new(20.0),
            request_seconds: Seconds::new(30.0),
            concurrent_requests: 256,
            connections: 1024,
            streams: 64,
        }
    }
}

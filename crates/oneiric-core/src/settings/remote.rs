//! `remote`: manifests that are fetched.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Seconds;
use crate::secret::Secret;

/// Manifests that are fetched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Remote {
    /// Whether manifests are fetched at all.
    pub enabled: bool,
    /// Where the manifest lies.
    pub manifest_url: Option<String>,
    /// The folder of what was fetched; of all state, where `cache_dir` does not say.
    pub cache_dir: String,
    /// Whether the certificate of the server is checked.
    pub verify_tls: bool,
    /// How this process shows who it is.
    pub auth: RemoteAuth,
    /// Whether a manifest without a signature is refused.
    pub signature_required: bool,
    /// How many different keys must have signed.
    #[schemars(range(min = 1, max = 100))]
    pub signature_threshold: u32,
    /// How old a signature may be, in seconds; `null` for any age.
    pub signature_max_age_seconds: Option<Seconds>,
    /// Whether a signature must say when it expires.
    pub signature_require_expiry: bool,
    /// Seconds between two fetches; `null` fetches once.
    pub refresh_interval: Option<Seconds>,
    /// Further tries of a fetch that failed.
    #[schemars(range(max = 1000))]
    pub max_retries: u32,
    /// Seconds before the first further try; doubles with each.
    pub retry_base_delay: Seconds,
    /// The longest such pause, in seconds.
    pub retry_max_delay: Seconds,
    /// At most so many seconds of chance are added to a pause.
    pub retry_jitter: Seconds,
    /// Failures in a row after which fetching rests.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub circuit_breaker_threshold: u32,
    /// How long it rests, in seconds.
    pub circuit_breaker_reset: Seconds,
    /// Whether `file:` addresses may be fetched.
    pub allow_file_uris: bool,
    /// Folders below which `file:` addresses must lie.
    pub allowed_file_uri_roots: Vec<String>,
    /// Milliseconds after which a fetch counts as slow.
    #[schemars(range(min = 0, max = 86_400_000))]
    pub latency_budget_ms: f64,
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            enabled: false,
            manifest_url: None,
            cache_dir: ".oneiric_cache".to_owned(),
            verify_tls: true,
            auth: RemoteAuth::default(),
            signature_required: false,
            signature_threshold: 1,
            signature_max_age_seconds: None,
            signature_require_expiry: false,
            refresh_interval: Some(Seconds::new(300.0)),
            max_retries: 3,
            retry_base_delay: Seconds::new(1.0),
            retry_max_delay: Seconds::new(30.0),
            retry_jitter: Seconds::new(0.25),
            circuit_breaker_threshold: 5,
            circuit_breaker_reset: Seconds::new(60.0),
            allow_file_uris: false,
            allowed_file_uri_roots: Vec::new(),
            latency_budget_ms: 5000.0,
        }
    }
}

/// How a fetch shows who asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RemoteAuth {
    /// The name of the header that carries the token.
    pub header_name: String,
    /// The id of the secret that is the token.
    pub secret_id: Option<String>,
    /// The token itself; prefer `secret_id`. Always text, never printed.
    pub token: Option<Secret>,
}

impl Default for RemoteAuth {
    fn default() -> Self {
        Self { header_name: "Authorization".to_owned(), secret_id: None, token: None }
    }
}

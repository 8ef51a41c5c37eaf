//! `secrets`: where secrets come from. Their values are no settings.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Seconds;
use crate::secret::Secret;

/// Where secrets come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SecretsSettings {
    /// The domain of the component that keeps secrets.
    pub domain: String,
    /// The key of the component that keeps secrets.
    pub key: String,
    /// The only store that is asked before the inline values; without one, the whole chain is.
    pub provider: Option<String>,
    /// Values in plain text, for development: asked last, never printed.
    pub inline: BTreeMap<String, Secret>,
    /// How long a value that was fetched is used, in seconds; 0 asks every time.
    pub cache_ttl_seconds: Seconds,
    /// After how many seconds all values are fetched anew; `null` for never.
    #[schemars(range(min = 1))]
    pub refresh_interval: Option<Seconds>,
}

impl Default for SecretsSettings {
    fn default() -> Self {
        Self {
            domain: "adapter".to_owned(),
            key: "secrets".to_owned(),
            provider: None,
            inline: BTreeMap::new(),
            cache_ttl_seconds: Seconds::new(600.0),
            refresh_interval: None,
        }
    }
}

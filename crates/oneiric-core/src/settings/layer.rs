//! `adapters`, `services`, `tasks`, `events`, `workflows`, `actions` and `domains.NAME`: one shape for
//! the components of every domain.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::mask;
use crate::{Key, Provider};

/// The components of a domain.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LayerSettings {
    /// Which provider a key means, whatever the ranking says: `{cache: redis}`.
    #[schemars(with = "BTreeMap<String, String>", extend("x-names" = "key", "x-values" = "provider"))]
    pub selections: BTreeMap<Key, Provider>,
    /// What a provider is built with, in a shape of its own. A secret is a reference: `{secret: ID}`.
    #[schemars(with = "BTreeMap<String, Map<String, Value>>", extend("x-names" = "provider"))]
    pub provider_settings: BTreeMap<Provider, Map<String, Value>>,
    /// Switches of the domain itself.
    pub options: Map<String, Value>,
}

/// Values that look like secrets are not printed.
impl fmt::Debug for LayerSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let providers: BTreeMap<_, _> =
            self.provider_settings.iter().map(|(provider, map)| (provider, mask::map(map))).collect();
        f.debug_struct("LayerSettings")
            .field("selections", &self.selections)
            .field("provider_settings", &providers)
            .field("options", &mask::map(&self.options))
            .finish()
    }
}

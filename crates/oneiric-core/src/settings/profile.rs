//! `profile`: what a profile switches on and off.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the chosen profile switches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// The profile: `default`, `serverless`, `lite`, `standard`, or one of `profiles` in a file.
    pub name: String,
    /// Whether files and settings are watched for changes.
    pub watchers_enabled: bool,
    /// Whether manifests may be fetched.
    pub remote_enabled: bool,
    /// Whether only the manifest that the program brings along counts.
    pub inline_manifest_only: bool,
    /// Whether the supervisor may run; it needs `runtime_supervisor.enabled`, too.
    pub supervisor_enabled: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            name: "default".to_owned(),
            watchers_enabled: true,
            remote_enabled: true,
            inline_manifest_only: false,
            supervisor_enabled: true,
        }
    }
}

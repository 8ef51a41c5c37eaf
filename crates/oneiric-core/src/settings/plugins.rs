//! `plugins`: components that register themselves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Components that register themselves.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Plugins {
    /// Whether they are looked for at the start.
    pub auto_load: bool,
    /// The groups that are looked through.
    pub entry_points: Vec<String>,
}

//! `runtime_paths`: files of the running process.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Files of the running process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimePaths {
    /// Whether workflows keep checkpoints; without, the state of `orchestrate` is in memory.
    pub workflow_checkpoints_enabled: bool,
    /// The file of checkpoints: its folder is that of the state where `cache_dir` is `null`.
    pub workflow_checkpoints_path: Option<String>,
    /// The file of paused and draining components; `null` keeps it with the state.
    pub domain_activity_path: Option<String>,
}

impl Default for RuntimePaths {
    fn default() -> Self {
        Self {
            workflow_checkpoints_enabled: true,
            workflow_checkpoints_path: None,
            domain_activity_path: None,
        }
    }
}

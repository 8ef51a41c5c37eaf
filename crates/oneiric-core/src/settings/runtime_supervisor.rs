//! `runtime_supervisor`: who watches over services.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Seconds;

/// Who watches over services.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeSupervisor {
    /// Whether the supervisor runs, where the profile allows it.
    pub enabled: bool,
    /// Seconds between two looks at what changed.
    #[schemars(range(min = 0.1))]
    pub poll_interval: Seconds,
}

impl Default for RuntimeSupervisor {
    fn default() -> Self {
        Self { enabled: true, poll_interval: Seconds::new(2.0) }
    }
}

//! `lifecycle`: how long components may take to begin and to end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Seconds;
use crate::lifecycle::Timeouts;

/// Patience with components; 0 switches a limit off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Lifecycle {
    /// Seconds that building and starting a component may take.
    pub activation_timeout: Seconds,
    /// Seconds that a health check may take.
    pub health_timeout: Seconds,
    /// Seconds that stopping a component may take.
    pub cleanup_timeout: Seconds,
    /// Seconds that a hook may take.
    pub hook_timeout: Seconds,
    /// Accepted because files name it; nothing reads it. What is given up is always undone.
    pub shield_tasks: bool,
}

impl Lifecycle {
    /// As the lifecycle takes them.
    pub fn timeouts(&self) -> Timeouts {
        Timeouts {
            activation: self.activation_timeout.duration(),
            health: self.health_timeout.duration(),
            cleanup: self.cleanup_timeout.duration(),
            hook: self.hook_timeout.duration(),
        }
    }
}

impl Default for Lifecycle {
    fn default() -> Self {
        Self {
            activation_timeout: Seconds::new(30.0),
            health_timeout: Seconds::new(5.0),
            cleanup_timeout: Seconds::new(10.0),
            hook_timeout: Seconds::new(5.0),
            shield_tasks: true,
        }
    }
}

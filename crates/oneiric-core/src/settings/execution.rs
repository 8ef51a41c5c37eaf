//! `execution`: how much happens at a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much happens at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Execution {
    /// The most nodes under way at a time in this process, over all runs.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_parallel: u32,
}

/// 256 nodes: enough for waiting on hundreds of slow services; a limit at all, because each `exec:` node is
/// a process.
impl Default for Execution {
    fn default() -> Self {
        Self { max_parallel: 256 }
    }
}

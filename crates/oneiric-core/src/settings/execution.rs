//! `execution`: how much happens at a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Seconds;

/// How much happens at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Execution {
    /// The most nodes under way at a time in this process, over all runs.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_parallel: u32,
    /// How long others wait for a sign of life of this process before they take over its runs. A process
    /// that is dead is known at once; this is for one that is stopped, or starved. A quarter of it is how
    /// often this process gives one, while it has runs.
    pub lease_seconds: Seconds,
    /// How often the process may die while a node runs, before the node waits for a person.
    #[schemars(range(min = 1, max = 1_000))]
    pub max_deliveries: u32,
}

/// 256 nodes: enough for waiting on hundreds of slow services; a limit at all, because each `exec:` node is
/// a process.
impl Default for Execution {
    fn default() -> Self {
        Self { max_parallel: 256, lease_seconds: Seconds::new(10.0), max_deliveries: 5 }
    }
}

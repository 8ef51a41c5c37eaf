//! A node's output, kept so that the node is never executed again on that input.

use oneiric_core::{Digest, Payload, RunId, Timestamp};

/// The output of one node on one input. Written once, in the batch that completes the node and
/// before anything that depends on it starts.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// The run.
    pub run: RunId,
    /// The node's place in the plan.
    pub node: u32,
    /// The fingerprint of the input it belongs to.
    pub input_hash: Digest,
    /// The output. A backend stores a large one as a blob beside the row.
    pub output: Payload,
    /// When it was written.
    pub at: Timestamp,
}

//! Child processes: found, started with a scrubbed environment, in a group that does not outlive its owner.
//!
//! What is said to them and what their end means is left to [`crate::exec`] and [`crate::worker`].

pub(crate) mod environment;
pub(crate) mod group;
pub(crate) mod launch;
pub(crate) mod lines;
pub(crate) mod program;
pub(crate) mod reaper;
pub(crate) mod spawning;
pub(crate) mod status;

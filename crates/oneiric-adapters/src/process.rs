//! Child processes: found, started with a scrubbed environment, in a group that does not outlive its owner.
//!
//! What is said to them and what their end means is left to [`crate::exec`], [`crate::worker`] and
//! [`crate::service`].

pub(crate) mod children;
pub(crate) mod environment;
pub(crate) mod group;
pub(crate) mod launch;
pub(crate) mod lines;
#[cfg(feature = "service")]
pub(crate) mod orphans;
pub(crate) mod program;
#[cfg(any(feature = "service", feature = "probe"))]
pub(crate) mod pump;
pub(crate) mod reaper;
#[cfg(feature = "service")]
pub(crate) mod service_id;
pub(crate) mod spawning;
#[cfg(feature = "service")]
pub(crate) mod stat;
pub(crate) mod status;
#[cfg(feature = "exec")]
pub(crate) mod sweep;

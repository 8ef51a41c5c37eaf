//! What the runtimes are made from, and the list of those that are compiled in.

use std::sync::Arc;

use oneiric_core::{Clock, ComponentRuntime, Environment, Rng};

use crate::Limits;

/// What the runtimes need from the process that embeds them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Parts {
    /// Time: `builtin:sleep`, and how long a cancelled process may take to stop.
    pub clock: Arc<dyn Clock>,
    /// The environment from which processes get the few variables that are passed on.
    pub environment: Arc<dyn Environment>,
    /// Chance: tokens, salts and ids of the action kits. Outside of tests it must be cryptographically
    /// secure, since others are kept out by what it says (`SystemRng` of the runtime is).
    pub rng: Arc<dyn Rng>,
    /// How much of a component's output is kept; [`Limits::STANDARD`] unless changed.
    pub limits: Limits,
}

impl Parts {
    /// The parts with standard limits.
    pub fn new(clock: Arc<dyn Clock>, environment: Arc<dyn Environment>, rng: Arc<dyn Rng>) -> Self {
        Self { clock, environment, rng, limits: Limits::STANDARD }
    }
}

/// Every runtime that is compiled in, in the order in which they are to be asked: `builtin`, `exec`.
#[cfg_attr(
    not(any(feature = "builtin", feature = "exec")),
    expect(unused_variables, reason = "no runtime is compiled in")
)]
pub fn enabled(parts: &Parts) -> Vec<Arc<dyn ComponentRuntime>> {
    vec![
        #[cfg(feature = "builtin")]
        Arc::new(crate::builtin::Builtin::new(parts)),
        #[cfg(feature = "exec")]
        Arc::new(crate::exec::Exec::new(parts)),
    ]
}

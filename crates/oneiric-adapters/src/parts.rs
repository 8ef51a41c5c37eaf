//! What the runtimes are made from, and the list of those that are compiled in.

use std::sync::Arc;

use oneiric_core::{Clock, ComponentRuntime, Environment};

use crate::Limits;
#[cfg(feature = "http")]
use crate::endpoint::HttpSettings;
#[cfg(feature = "python")]
use crate::python::PythonSettings;
#[cfg(feature = "worker")]
use crate::worker::WorkerSettings;

/// What the runtimes need from the process that embeds them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Parts {
    /// Time: `builtin:sleep`, and how long a cancelled process may take to stop.
    pub clock: Arc<dyn Clock>,
    /// The environment from which processes get the few variables that are passed on.
    pub environment: Arc<dyn Environment>,
    /// How much of a component's output is kept; [`Limits::STANDARD`] unless changed.
    pub limits: Limits,
    /// Size and times of pools of workers, where an entry does not say.
    #[cfg(feature = "worker")]
    pub worker: WorkerSettings,
    /// Which Python there is, and how many interpreters a component may have.
    #[cfg(feature = "python")]
    pub python: PythonSettings,
    /// Where components behind addresses may be, and how long they may take.
    #[cfg(feature = "http")]
    pub http: HttpSettings,
}

impl Parts {
    /// The parts with standard limits.
    pub fn new(clock: Arc<dyn Clock>, environment: Arc<dyn Environment>) -> Self {
        Self {
            clock,
            environment,
            limits: Limits::STANDARD,
            #[cfg(feature = "worker")]
            worker: WorkerSettings::default(),
            #[cfg(feature = "python")]
            python: PythonSettings::default(),
            #[cfg(feature = "http")]
            http: HttpSettings::default(),
        }
    }
}

/// Every runtime that is compiled in, in the order in which they are to be asked: `builtin`, `exec`,
/// `worker`, `python`,
/// `http`.
#[cfg_attr(
    not(any(feature = "builtin", feature = "exec", feature = "worker", feature = "http")),
    expect(unused_variables, reason = "no runtime is compiled in")
)]
pub fn enabled(parts: &Parts) -> Vec<Arc<dyn ComponentRuntime>> {
    vec![
        #[cfg(feature = "builtin")]
        Arc::new(crate::builtin::Builtin::new(parts)),
        #[cfg(feature = "exec")]
        Arc::new(crate::exec::Exec::new(parts)),
        #[cfg(feature = "worker")]
        Arc::new(crate::worker::Worker::new(parts)),
        #[cfg(feature = "python")]
        Arc::new(crate::python::Python::new(parts)),
        #[cfg(feature = "http")]
        Arc::new(crate::endpoint::Http::new(parts)),
    ]
}

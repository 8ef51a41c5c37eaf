//! Why a component is not there.

use std::fmt;

use crate::resolver::ResolveError;
use crate::{Class, Domain, Fault, Key, Provider};

/// Where in its coming up a component failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Its settings, or a secret in them, could not be had.
    Settings,
    /// Its runtime could not build it.
    Build,
    /// It did not start.
    Start,
    /// It is not healthy.
    Health,
    /// A hook objected before it was bound.
    HookBefore,
    /// A hook objected after it was bound.
    HookAfter,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Settings => "settings",
            Phase::Build => "build",
            Phase::Start => "start",
            Phase::Health => "health check",
            Phase::HookBefore => "hook before the swap",
            Phase::HookAfter => "hook after the swap",
        })
    }
}

/// Why a component is not there. Whatever served before goes on serving.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LifecycleError {
    /// No candidate answers the question.
    #[error(transparent)]
    Unknown(#[from] ResolveError),
    /// The allowlist or the component's runtime refused it.
    #[error("{domain} `{key}`: {reason}")]
    NotAllowed {
        /// The component's domain.
        domain: Domain,
        /// Its key.
        key: Key,
        /// Why, and the way out.
        reason: String,
    },
    /// No runtime builds its factory.
    #[error("{domain} `{key}`: nothing here builds the factory `{factory}`")]
    NoRuntime {
        /// The component's domain.
        domain: Domain,
        /// Its key.
        key: Key,
        /// Its factory.
        factory: String,
        /// The runtimes that were asked.
        runtimes: Vec<&'static str>,
    },
    /// It did not come up.
    #[error("{domain} `{key}` of `{provider}`: {phase} failed: {fault}")]
    Failed {
        /// The component's domain.
        domain: Domain,
        /// Its key.
        key: Key,
        /// Who offers it.
        provider: Provider,
        /// How far it came.
        phase: Phase,
        /// Why.
        fault: Box<Fault>,
    },
    /// It does not play a role that it is needed for.
    #[error("{domain} `{key}` of `{provider}` does not play the role `{role}`; it plays {}", Names(plays))]
    MissingRole {
        /// The component's domain.
        domain: Domain,
        /// Its key.
        key: Key,
        /// Who offers it.
        provider: Provider,
        /// The role.
        role: &'static str,
        /// Those it does play.
        plays: Vec<&'static str>,
    },
    /// The lifecycle has been stopped, or is being.
    #[error("{domain} `{key}` is not started: the process is shutting down")]
    Stopped {
        /// The component's domain.
        domain: Domain,
        /// Its key.
        key: Key,
    },
}

impl From<LifecycleError> for Fault {
    fn from(error: LifecycleError) -> Fault {
        let message = error.to_string();
        match error {
            LifecycleError::Unknown(error) => error.into(),
            LifecycleError::NotAllowed { .. } => Fault::denied("factory-not-allowed", message),
            LifecycleError::NoRuntime { .. } => Fault::permanent("unknown-factory", message),
            LifecycleError::MissingRole { .. } => Fault::permanent("missing-role", message),
            LifecycleError::Stopped { .. } => Fault::new(Class::Shutdown, "shutdown", message),
            LifecycleError::Failed { fault, .. } => Fault { message, ..*fault },
        }
    }
}

struct Names<'a>(&'a [&'static str]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (place, name) in self.0.iter().enumerate() {
            write!(f, "{}`{name}`", if place == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

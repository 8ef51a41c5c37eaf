//! The process environment as an argument, so that configuration is tested without touching it.

use std::collections::BTreeMap;
use std::fmt;

/// The names of every variable that Oneiric reads and that is no setting, in one place. Settings have
/// variables of their own: `ONEIRIC_SECTION__FIELD`.
pub mod names {
    /// What the variables of Oneiric itself begin with.
    pub const PREFIX: &str = "ONEIRIC_";
    /// What the variable of a secret begins with; its id follows.
    pub const SECRET_PREFIX: &str = "ONEIRIC_SECRET_";
    /// The settings file, where `--config` does not say.
    pub const CONFIG: &str = "ONEIRIC_CONFIG";
    /// The profile, where `--profile` does not say.
    pub const PROFILE: &str = "ONEIRIC_PROFILE";
    /// The profile, where neither `--profile` nor `ONEIRIC_PROFILE` says: upstream's modes.
    pub const MODE: &str = "ONEIRIC_MODE";
    /// The state folder, where `--state-dir` does not say.
    pub const CACHE_DIR: &str = "ONEIRIC_CACHE_DIR";
    /// Prefixes of factories that may be built, comma separated (upstream's meaning).
    pub const FACTORY_ALLOWLIST: &str = "ONEIRIC_FACTORY_ALLOWLIST";
    /// The log level, where `--log-level` does not say.
    pub const LOG_LEVEL: &str = "ONEIRIC_LOG_LEVEL";
    /// `name:level` pairs, comma separated: the stack level of a provider's package.
    pub const STACK_ORDER: &str = "ONEIRIC_STACK_ORDER";
    /// Set by `oneiric start` for the process that it starts (upstream's name).
    pub const BACKGROUND: &str = "ONEIRIC_BACKGROUND";
    /// The project of Google Cloud, for the full names of traces in logs.
    pub const GOOGLE_CLOUD_PROJECT: &str = "GOOGLE_CLOUD_PROJECT";
    /// Where a service manager wants to hear that the process is ready: `sd_notify(3)`.
    pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
    /// How often, in microseconds, a service manager wants a sign of life: `sd_watchdog_enabled(3)`.
    pub const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
    /// From which process: `sd_watchdog_enabled(3)`.
    pub const WATCHDOG_PID: &str = "WATCHDOG_PID";
}

/// Where variables are read from.
pub trait Environment: Send + Sync + fmt::Debug {
    /// The value of `name`; `None` where it is unset or not UTF-8.
    fn get(&self, name: &str) -> Option<String>;

    /// The names of the variables that are set, in no order; those that are no UTF-8 are left out.
    fn names(&self) -> Vec<String>;
}

const _: fn(&dyn Environment) = |_| {};

/// An environment that holds exactly what it was given.
#[derive(Debug, Clone, Default)]
pub struct MapEnvironment(BTreeMap<String, String>);

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for MapEnvironment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect())
    }
}

impl Environment for MapEnvironment {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

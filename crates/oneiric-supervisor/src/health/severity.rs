//! How bad it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::service::{Health, State, Status};

/// How bad it is; a worse one is greater, so that the worst of many is their maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It does its work.
    #[default]
    Ok,
    /// It does part of it, or is about to fail.
    Degraded,
    /// It does not.
    Down,
}

impl Severity {
    /// The word in JSON and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Ok => "ok",
            Severity::Degraded => "degraded",
            Severity::Down => "down",
        }
    }

    /// What it means to the whole that a part of it stands so, which can do without that part.
    #[must_use]
    pub fn of_a_part(self) -> Self {
        self.min(Severity::Degraded)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What nobody has asked yet is taken at its state: a service without a probe is well for as long as it runs.
impl From<&Status> for Severity {
    fn from(service: &Status) -> Self {
        match (service.status, service.state) {
            (Health::Ok, _) => Severity::Ok,
            (Health::Degraded, _) | (Health::Unknown, State::Backoff) => Severity::Degraded,
            (Health::Down, _) | (Health::Unknown, State::Failed) => Severity::Down,
            (
                Health::Unknown,
                State::Registered
                | State::Starting
                | State::Running
                | State::Draining
                | State::Paused
                | State::Stopping
                | State::Stopped,
            ) => Severity::Ok,
        }
    }
}

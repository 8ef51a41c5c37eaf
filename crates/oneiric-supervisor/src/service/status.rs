//! How a service stands, as programs read it.

use oneiric_core::roles::Figures;
use oneiric_core::{Key, Provider, Timestamp};
use serde::{Deserialize, Serialize};

/// Where a service is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is known, and nobody has started it yet, or its turn has not come.
    Registered,
    /// It runs, and is not ready yet.
    Starting,
    /// It runs, and is ready.
    Running,
    /// It takes no new work and finishes what is under way.
    Draining,
    /// It runs, and an operator said that it takes no work.
    Paused,
    /// It was asked to stop.
    Stopping,
    /// It was stopped, or ended as it should.
    Stopped,
    /// It ended and is started again after a wait.
    Backoff,
    /// It could not be started, or was given up after too many restarts.
    Failed,
}

impl State {
    /// The word in output and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            State::Registered => "registered",
            State::Starting => "starting",
            State::Running => "running",
            State::Draining => "draining",
            State::Paused => "paused",
            State::Stopping => "stopping",
            State::Stopped => "stopped",
            State::Backoff => "backoff",
            State::Failed => "failed",
        }
    }
}

/// Whether a service does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It does.
    Ok,
    /// It runs, and its probes say that it is not well.
    Degraded,
    /// It does not.
    Down,
    /// Nobody has asked yet.
    Unknown,
}

/// How one service stands. Shape:
/// `{"name":"gateway","provider":"shop","status":"ok","healthy":true,"critical":true,"state":"running",
/// "startup_order":10,"dependencies":[],"restarts":0,"since":"...","last_check":"...","latency_ms":0.4,
/// "detail":null,"error":null,"figures":null}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// Its key.
    pub name: Key,
    /// Whose candidate it is.
    pub provider: Provider,
    /// Whether it does its work.
    pub status: Health,
    /// Whether `status` is ok.
    pub healthy: bool,
    /// Whether the process goes down with it.
    pub critical: bool,
    /// Where it is in its life.
    pub state: State,
    /// Of those that could start, the lower ones begin first.
    pub startup_order: i32,
    /// The services that it needs.
    pub dependencies: Vec<Key>,
    /// How often it was started again.
    pub restarts: u32,
    /// Since when it is in `state`.
    pub since: Timestamp,
    /// When its probe was answered last.
    pub last_check: Option<Timestamp>,
    /// How long that answer took.
    pub latency_ms: Option<f64>,
    /// More about its state, for people: `waits 4 s before restart 3 of 5`.
    pub detail: Option<String>,
    /// Why it last ended, or is not well.
    pub error: Option<String>,
    /// What it takes of the machine.
    pub figures: Option<Figures>,
}

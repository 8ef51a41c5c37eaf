//! `circuit_breaker`: when a task that keeps failing is left alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Seconds;
use crate::breaker::Policy;

/// When a task that keeps failing is left alone. An entry says so for itself with `metadata.circuit_breaker`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CircuitBreaker {
    /// Whether tasks whose entry says nothing have a breaker.
    pub enabled: bool,
    /// Failures in a row after which a task is left alone.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub threshold: u32,
    /// Seconds that it is left alone, before one try may show whether it is better; a quarter longer each time
    /// that it is not, up to five times as long.
    pub reset: Seconds,
    /// Seconds after which a failure is forgotten when the next one comes.
    pub window: Seconds,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        let Policy { threshold, reset, window } = Policy::default();
        let seconds = |time: std::time::Duration| Seconds::new(time.as_secs_f64());
        Self { enabled: false, threshold, reset: seconds(reset), window: seconds(window) }
    }
}

impl CircuitBreaker {
    /// For what an entry leaves unsaid.
    pub fn policy(&self) -> Policy {
        Policy {
            threshold: self.threshold.max(1),
            reset: self.reset.duration(),
            window: self.window.duration(),
        }
    }
}

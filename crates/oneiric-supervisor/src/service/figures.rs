//! What is counted of each service, for metrics.

use std::time::Duration;

use oneiric_core::Key;

use super::status::{Health, State};

/// Upper bounds in seconds: from what only opens a port to what loads a model.
pub const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// How long something took, counted in [`BUCKETS`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Durations {
    /// By bucket; what took longer than the last one is in `count` only.
    pub buckets: [u64; BUCKETS.len()],
    /// How many there were.
    pub count: u64,
    /// All of them together, in seconds.
    pub sum: f64,
}

impl Durations {
    /// Counts one.
    pub fn add(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.count += 1;
        self.sum += seconds;
        if let Some(bucket) = BUCKETS.iter().position(|bound| seconds <= *bound) {
            self.buckets[bucket] += 1;
        }
    }
}

/// What was counted of one service since it is known: `service_startup_seconds`, `service_shutdown_seconds`,
/// `service_health_state`, all by `service`.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceFigures {
    /// The service.
    pub key: Key,
    /// From each start until it was ready.
    pub startup: Durations,
    /// From each wish to stop it until it had.
    pub shutdown: Durations,
    /// How often it was started again after an end that nobody wanted.
    pub restarts: u64,
    /// Answers to its probes that were no, or not in time.
    pub probe_failures: u64,
    /// Where it is in its life.
    pub state: State,
    /// Whether it does its work.
    pub health: Health,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_longer_than_all_buckets_is_counted_all_the_same() {
        let mut durations = Durations::default();
        for millis in [5, 6, 40_000] {
            durations.add(Duration::from_millis(millis));
        }
        assert_eq!((durations.buckets[0], durations.buckets[1], durations.count), (1, 1, 3));
        assert!((durations.sum - 40.011).abs() < 1e-9);
    }
}

//! What a subscription has counted, under upstream's names.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The upper bounds of the buckets of durations, in milliseconds: OpenTelemetry's defaults, which upstream
/// has.
pub const BUCKETS_MS: [u64; 14] = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];

/// What is counted while events go by. Each is a lone number: they are read one after the other.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    succeeded: Durations,
    failed: Durations,
    pub(crate) refused: AtomicU64,
    pub(crate) overflowed: AtomicU64,
    pub(crate) pulled: AtomicU64,
    pub(crate) abandoned: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) undecided: AtomicU64,
    pub(crate) dead: AtomicU64,
}

#[derive(Debug, Default)]
struct Durations {
    buckets: [AtomicU64; BUCKETS_MS.len() + 1],
    sum_us: AtomicU64,
    /// Tries beyond the first of a call.
    further: AtomicU64,
}

impl Durations {
    fn add(&self, attempts: u32, took: Duration) {
        let micros = took.as_secs().saturating_mul(1_000_000).saturating_add(took.subsec_micros().into());
        let at = BUCKETS_MS.iter().position(|most| micros <= most * 1000).unwrap_or(BUCKETS_MS.len());
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
        if attempts > 1 {
            self.further.fetch_add(u64::from(attempts) - 1, Ordering::Relaxed);
        }
    }

    fn read(&self) -> DurationCounts {
        let buckets = self.buckets.each_ref().map(|count| count.load(Ordering::Relaxed));
        let count: u64 = buckets.iter().sum();
        DurationCounts {
            count,
            sum_ms: self.sum_us.load(Ordering::Relaxed) as f64 / 1000.0,
            buckets: buckets.to_vec(),
            attempts: count + self.further.load(Ordering::Relaxed),
        }
    }
}

impl Stats {
    /// A call has ended: all its tries together.
    pub(crate) fn ended(&self, success: bool, attempts: u32, took: Duration) {
        let durations = if success { &self.succeeded } else { &self.failed };
        durations.add(attempts, took);
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (succeeded, failed) = (self.succeeded.read(), self.failed.read());
        Counts {
            attempts: succeeded.attempts + failed.attempts,
            succeeded,
            failed,
            refused: read(&self.refused),
            overflowed: read(&self.overflowed),
            pulled: read(&self.pulled),
            abandoned: read(&self.abandoned),
            buffered: 0,
            paused: false,
            expired: read(&self.expired),
            undecided: read(&self.undecided),
            dead: read(&self.dead),
        }
    }
}

/// What a subscription has counted since the process began.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Calls that succeeded, by how long they took with all their tries.
    pub succeeded: DurationCounts,
    /// Calls that failed.
    pub failed: DurationCounts,
    /// Tries of all of them.
    pub attempts: u64,
    /// Events that the gate kept from the handler: it was paused, say.
    pub refused: u64,
    /// Events that were dropped because the buffer was full.
    pub overflowed: u64,
    /// Events that were fetched.
    pub pulled: u64,
    /// Events in memory that were dropped because the process ended, or nobody pulls any more.
    pub abandoned: u64,
    /// How many wait in memory now.
    pub buffered: u64,
    /// Whether its handler is kept from it now.
    pub paused: bool,
    /// Events that came too late.
    pub expired: u64,
    /// Events of which the condition in CEL could not be decided.
    pub undecided: u64,
    /// Deliveries that became dead letters.
    pub dead: u64,
}

impl Counts {
    /// How well it goes, from 0 to 1: the part of the calls that succeeded, less a tenth for each that failed, at
    /// most a half. ACB's health score. 1 where there was no call.
    pub fn health(&self) -> f64 {
        let (good, bad) = (self.succeeded.count as f64, self.failed.count as f64);
        if good + bad == 0.0 {
            return 1.0;
        }
        (good / (good + bad) - (0.1 * bad).min(0.5)).max(0.0)
    }

    /// How long a call took that succeeded, on average; zero where there was none.
    pub fn average(&self) -> Duration {
        let Self { succeeded: DurationCounts { count, sum_ms, .. }, .. } = self;
        let seconds = sum_ms / 1000.0 / (*count).max(1) as f64;
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }
}

/// Durations, counted in buckets.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DurationCounts {
    /// How many.
    pub count: u64,
    /// All together, in milliseconds.
    pub sum_ms: f64,
    /// How many lie in each bucket of [`BUCKETS_MS`], and beyond the last.
    pub buckets: Vec<u64>,
    /// How many tries there were in all of them.
    pub attempts: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_in_the_first_bucket_that_holds_it() {
        let stats = Stats::default();
        for millis in [0, 5, 6, 10_000, 10_001] {
            stats.ended(true, 2, Duration::from_millis(millis));
        }
        stats.ended(false, 1, Duration::from_micros(500));
        let counts = stats.read();
        assert_eq!((counts.succeeded.count, counts.failed.count, counts.attempts), (5, 1, 11));
        assert_eq!(counts.succeeded.sum_ms, 20_012.0);
        assert_eq!(counts.succeeded.buckets[..2], [2, 1]);
        assert_eq!(counts.succeeded.buckets[13..], [1, 1]);
    }

    #[test]
    fn health_is_the_rate_of_success_less_a_tenth_for_each_failure() {
        let check = |good: u64, bad: u64, expected: f64| {
            let count = |count| DurationCounts { count, ..DurationCounts::default() };
            let counts = Counts { succeeded: count(good), failed: count(bad), ..Counts::default() };
            assert!((counts.health() - expected).abs() < 1e-9, "{good} {bad}: {}", counts.health());
        };
        check(0, 0, 1.0);
        check(10, 0, 1.0);
        check(9, 1, 0.8);
        check(90, 10, 0.4);
        check(0, 1, 0.0);
        let two = DurationCounts { count: 2, sum_ms: 30.0, buckets: Vec::new(), attempts: 2 };
        let counts = Counts { succeeded: two, ..Counts::default() };
        assert_eq!(counts.average(), Duration::from_millis(15));
        assert_eq!(Counts::default().average(), Duration::ZERO);
    }
}

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
    /// Tries beyond the first of a call.
    further: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) overflowed: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) undecided: AtomicU64,
    pub(crate) dead: AtomicU64,
}

#[derive(Debug, Default)]
struct Durations {
    buckets: [AtomicU64; BUCKETS_MS.len() + 1],
    sum_us: AtomicU64,
}

impl Durations {
    fn add(&self, took: Duration) {
        let micros = took.as_secs().saturating_mul(1_000_000).saturating_add(took.subsec_micros().into());
        let at = BUCKETS_MS.iter().position(|most| micros <= most * 1000).unwrap_or(BUCKETS_MS.len());
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    fn read(&self) -> DurationCounts {
        let buckets = self.buckets.each_ref().map(|count| count.load(Ordering::Relaxed));
        DurationCounts {
            count: buckets.iter().sum(),
            sum_ms: self.sum_us.load(Ordering::Relaxed) as f64 / 1000.0,
            buckets: buckets.to_vec(),
        }
    }
}

impl Stats {
    /// A call has ended: all its tries together.
    pub(crate) fn ended(&self, success: bool, attempts: u32, took: Duration) {
        let durations = if success { &self.succeeded } else { &self.failed };
        durations.add(took);
        if attempts > 1 {
            self.further.fetch_add(u64::from(attempts) - 1, Ordering::Relaxed);
        }
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (succeeded, failed) = (self.succeeded.read(), self.failed.read());
        Counts {
            attempts: succeeded.count + failed.count + read(&self.further),
            succeeded,
            failed,
            refused: read(&self.refused),
            overflowed: read(&self.overflowed),
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
    /// Events that came too late.
    pub expired: u64,
    /// Events of which the condition in CEL could not be decided.
    pub undecided: u64,
    /// Deliveries that became dead letters.
    pub dead: u64,
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
}

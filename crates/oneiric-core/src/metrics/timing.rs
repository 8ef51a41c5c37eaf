//! Durations, counted in buckets while work goes on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Value;

/// The upper bounds of the buckets of durations, in milliseconds: OpenTelemetry's defaults, which upstream has.
pub const BUCKETS_MS: [u64; 14] = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];

/// Counts durations. Each number stands alone: they are read one after the other.
#[derive(Debug, Default)]
pub struct Timing {
    buckets: [AtomicU64; BUCKETS_MS.len() + 1],
    sum_us: AtomicU64,
}

impl Timing {
    /// One more.
    pub fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let at = BUCKETS_MS.iter().position(|most| micros <= most * 1000).unwrap_or(BUCKETS_MS.len());
        self.buckets[at].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn read(&self) -> Timings {
        let buckets = self.buckets.each_ref().map(|count| count.load(Ordering::Relaxed));
        Timings { buckets: buckets.to_vec(), sum_us: self.sum_us.load(Ordering::Relaxed) }
    }
}

/// Durations that were counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timings {
    /// How many lie in each bucket of [`BUCKETS_MS`] alone, and beyond the last.
    pub buckets: Vec<u64>,
    /// All together, in microseconds.
    pub sum_us: u64,
}

impl Timings {
    /// How many.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// As a histogram in milliseconds.
    pub fn in_millis(&self) -> Value {
        self.scaled(1.0, 1e3)
    }

    /// As a histogram in seconds.
    pub fn in_seconds(&self) -> Value {
        self.scaled(1e3, 1e6)
    }

    #[expect(clippy::cast_precision_loss, reason = "no process lives for 2^53 microseconds")]
    fn scaled(&self, bound: f64, sum: f64) -> Value {
        Value::Histogram {
            bounds: BUCKETS_MS.iter().map(|most| *most as f64 / bound).collect(),
            counts: self.buckets.clone(),
            sum: self.sum_us as f64 / sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_lies_in_the_first_bucket_that_holds_it() {
        let timing = Timing::default();
        for millis in [0, 5, 6, 10_000, 10_001] {
            timing.add(Duration::from_millis(millis));
        }
        let read = timing.read();
        assert_eq!((read.count(), read.sum_us), (5, 20_012_000));
        assert_eq!((&read.buckets[..2], &read.buckets[13..]), (&[2, 1][..], &[1, 1][..]));
        let Value::Histogram { bounds, counts, sum } = read.in_seconds() else { panic!() };
        assert_eq!((bounds[0], counts.len(), sum), (0.005, 15, 20.012));
    }
}

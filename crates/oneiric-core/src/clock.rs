//! Time as an argument.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in wall-clock time: microseconds since 1970-01-01T00:00:00Z.
///
/// An integer, so that it is exact in the store, in JSON and in virtual time. Rendering as a date is
/// the edge's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since the epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The time from `earlier` to `self`; zero where `earlier` is later (clocks may be set back).
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `self` plus `delay`, at most the last timestamp that can be written.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(delay.as_micros()).unwrap_or(i64::MAX)))
    }
}

/// A wait that the clock completes. Dropping it gives the wait up.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The only source of time. The process has a system clock, tests and the simulator a manual one.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall-clock time; may jump in either direction.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary start that never jumps; for durations and expiry.
    fn monotonic(&self) -> Duration;

    /// Completes once `delay` has passed on the monotonic clock; a zero delay is ready at once.
    fn sleep(&self, delay: Duration) -> Sleep;
}

const _: fn(&dyn Clock) = |_| {};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_gives_no_negative_duration() {
        let (early, late) = (Timestamp::from_micros(5), Timestamp::from_micros(9));
        assert_eq!(late.since(early), Duration::from_micros(4));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(Timestamp::from_micros(i64::MAX).after(Duration::from_secs(1)).as_micros(), i64::MAX);
    }
}

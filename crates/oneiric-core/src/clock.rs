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

    /// As a date in UTC for programs, RFC 3339: `2026-01-31T09:30:00.123456Z`. Beyond the year 9999, where there is
    /// no way to write it, its microseconds.
    pub fn rfc3339(self) -> String {
        const DAY: i64 = 86_400_000_000;
        let (days, micros) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        // Days since 0000-03-01, so that the leap day is the last of its year, in eras of 400 years:
        // https://howardhinnant.github.io/date_algorithms.html#civil_from_days
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        if !(0..=9999).contains(&year) {
            return self.0.to_string();
        }
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
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
    fn programs_read_dates() {
        let check = |micros, expected: &str| assert_eq!(Timestamp::from_micros(micros).rfc3339(), expected);
        check(0, "1970-01-01T00:00:00.000000Z");
        check(1_700_000_000_123_456, "2023-11-14T22:13:20.123456Z");
        check(951_782_399_999_999, "2000-02-28T23:59:59.999999Z");
        check(951_782_400_000_000, "2000-02-29T00:00:00.000000Z");
        check(4_107_542_400_000_000, "2100-03-01T00:00:00.000000Z");
        check(-1, "1969-12-31T23:59:59.999999Z");
        check(253_402_300_799_999_999, "9999-12-31T23:59:59.999999Z");
        check(253_402_300_800_000_000, "253402300800000000");
        check(i64::MIN, "-9223372036854775808");
    }

    #[test]
    fn a_clock_set_back_gives_no_negative_duration() {
        let (early, late) = (Timestamp::from_micros(5), Timestamp::from_micros(9));
        assert_eq!(late.since(early), Duration::from_micros(4));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(Timestamp::from_micros(i64::MAX).after(Duration::from_secs(1)).as_micros(), i64::MAX);
    }
}

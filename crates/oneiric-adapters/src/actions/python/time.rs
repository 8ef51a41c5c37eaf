//! `datetime.isoformat`.

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use oneiric_core::Timestamp;

/// A timestamp in UTC: `2026-11-21T13:55:35.123456+00:00`; without a fraction where there is none.
pub(in crate::actions) fn isoformat_utc(at: Timestamp) -> String {
    isoformat(civil(at, &TimeZone::UTC), Offset::UTC)
}

/// What the clock on the wall shows there.
pub(in crate::actions) fn civil(at: Timestamp, zone: &TimeZone) -> DateTime {
    let edge = if at.as_micros() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    let at = jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or(edge);
    zone.to_datetime(at)
}

/// A date and time with its offset: `2026-11-21T14:55:35+01:00`.
pub(in crate::actions) fn isoformat(at: DateTime, offset: Offset) -> String {
    let fraction = match at.subsec_nanosecond() / 1_000 {
        0 => String::new(),
        micros => format!(".{micros:06}"),
    };
    let seconds = offset.seconds().unsigned_abs();
    let sign = if offset.seconds() < 0 { '-' } else { '+' };
    let rest = match seconds % 60 {
        0 => String::new(),
        rest => format!(":{rest:02}"),
    };
    let offset = format!("{sign}{:02}:{:02}{rest}", seconds / 3600, seconds / 60 % 60);
    format!("{}{fraction}{offset}", at.strftime("%Y-%m-%dT%H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_six_digits_or_none() {
        let check = |micros, expected: &str| {
            assert_eq!(isoformat_utc(Timestamp::from_micros(micros)), expected);
        };
        check(0, "1970-01-01T00:00:00+00:00");
        check(1_000_000_000_000_001, "2001-09-09T01:46:40.000001+00:00");
        check(-1, "1969-12-31T23:59:59.999999+00:00");
        assert!(isoformat_utc(Timestamp::from_micros(i64::MAX)).starts_with("9999-12-30"));
    }
}

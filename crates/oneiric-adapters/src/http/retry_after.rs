//! `Retry-After` (RFC 9110 §10.2.3): seconds, or a date.

use std::time::{Duration, UNIX_EPOCH};

use oneiric_core::Timestamp;

/// A server may not put us off for longer: what it says beyond is a mistake or malice.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The delay that a header's value asks for, counted from `now`; `None` where it says neither seconds
/// nor a date. A date that has passed is no delay.
pub(super) fn delay(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let delay = if value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
        Duration::from_secs(value.parse().unwrap_or(u64::MAX))
    } else {
        let at = httpdate::parse_http_date(value).ok()?.duration_since(UNIX_EPOCH).ok()?;
        let at = Timestamp::from_micros(i64::try_from(at.as_micros()).ok()?);
        at.since(now)
    };
    Some(delay.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_understood_and_bounded() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = Timestamp::from_micros(784_111_777_000_000);
        let check = |text, expected: Option<u64>| {
            assert_eq!(delay(text, now), expected.map(Duration::from_secs), "{text:?}");
        };
        check("0", Some(0));
        check(" 120 ", Some(120));
        check("Sun, 06 Nov 1994 08:50:07 GMT", Some(30));
        check("Sunday, 06-Nov-94 08:50:07 GMT", Some(30));
        check("Sun Nov  6 08:50:07 1994", Some(30));
        check("Sun, 06 Nov 1994 08:00:00 GMT", Some(0));
        check("99999999999999999999999999", Some(86_400));
        check("Sat, 06 Nov 2094 08:50:07 GMT", Some(86_400));
        for neither in ["", "soon", "-1", "1.5", "06 Nov"] {
            check(neither, None);
        }
    }
}

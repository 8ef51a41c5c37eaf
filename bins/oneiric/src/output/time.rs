//! Points in time for people and for programs.

use oneiric_core::Timestamp;

use super::text;

/// RFC 3339 in UTC with microseconds: `2026-01-31T09:30:00.123456Z`.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    match jiff::Timestamp::from_microsecond(at.as_micros()) {
        Ok(at) => format!("{at:.6}"),
        // Beyond the year 9999: whoever wrote it gets it back.
        Err(_) => at.as_micros().to_string(),
    }
}

/// In the zone of whoever reads it: `2026-01-31 10:30:00`.
pub(crate) fn local(at: Timestamp) -> String {
    match jiff::Timestamp::from_microsecond(at.as_micros()) {
        Ok(at) => at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => at.as_micros().to_string(),
    }
}

/// `12s ago`; `now` within the second, also where the clock was set back.
pub(crate) fn ago(at: Timestamp, now: Timestamp) -> String {
    let since = now.since(at);
    if since.as_secs() == 0 {
        return "now".to_owned();
    }
    let seconds = since.as_secs();
    match seconds {
        0..100 => format!("{seconds}s ago"),
        _ => format!("{} ago", text::duration(since)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_by_people_and_programs() {
        let at = Timestamp::from_micros(1_700_000_000_123_456);
        assert_eq!(rfc3339(at), "2023-11-14T22:13:20.123456Z");
        let check = |seconds: i64, expected| {
            assert_eq!(ago(at, Timestamp::from_micros(at.as_micros() + seconds * 1_000_000)), expected);
        };
        check(-5, "now");
        check(12, "12s ago");
        check(190, "3m10s ago");
    }
}

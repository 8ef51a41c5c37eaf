//! Points in time as payloads name them, and how far apart runs are.

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::temporal::{Pieces, PiecesOffset};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::actions::python::number;
use crate::actions::python::time::isoformat;

/// A point in time, with its offset where it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// What a clock on the wall shows, wherever that hangs.
    Wall(DateTime),
    /// The same everywhere.
    Instant(Timestamp),
}

impl Moment {
    /// What the clock on the wall shows there.
    pub(super) fn at(self, zone: &TimeZone) -> DateTime {
        match self {
            Moment::Wall(at) => at,
            Moment::Instant(at) => zone.to_datetime(at),
        }
    }
}

/// A moment, or none where it is `null`: text in ISO 8601, or seconds since 1970 (milliseconds where the
/// number is that large), as pydantic takes them.
pub(super) fn some_moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Moment>, D::Error> {
    match Value::deserialize(from)? {
        Value::Null => Ok(None),
        value => match moment(&value) {
            Some(moment) => Ok(Some(moment)),
            None => Err(serde::de::Error::custom("expected a date and time in ISO 8601")),
        },
    }
}

fn moment(value: &Value) -> Option<Moment> {
    match value {
        Value::String(text) => written_moment(text).or_else(|| since_1970(number::float(value)?)),
        Value::Number(_) => since_1970(number::float(value)?),
        _ => None,
    }
}

fn written_moment(text: &str) -> Option<Moment> {
    let text = text.trim();
    // A zone in brackets is not ISO 8601.
    let pieces = Pieces::parse(text).ok().filter(|_| !text.contains('['))?;
    let wall = DateTime::from_parts(pieces.date(), pieces.time().unwrap_or(Time::midnight()));
    let offset = match pieces.offset() {
        None => return Some(Moment::Wall(micros(wall))),
        Some(PiecesOffset::Zulu) => Offset::UTC,
        Some(other) => other.to_numeric_offset(),
    };
    offset.to_timestamp(micros(wall)).ok().map(Moment::Instant)
}

/// Python knows no nanoseconds; they are cut off.
fn micros(at: DateTime) -> DateTime {
    let micros = at.subsec_nanosecond() / 1_000 * 1_000;
    at.with().subsec_nanosecond(micros).build().unwrap_or(at)
}

/// Beyond this, a number means milliseconds: the year 2603 otherwise.
const MOST_SECONDS: f64 = 2e10;

fn since_1970(number: f64) -> Option<Moment> {
    let seconds = if number.abs() > MOST_SECONDS { number / 1_000.0 } else { number };
    let limit = Timestamp::MAX.as_second() as f64;
    if seconds.is_nan() || seconds.abs() > limit {
        return None;
    }
    Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok().map(Moment::Instant)
}

/// A time on the wall in ISO 8601 with the offset that Python gives it: that before the change of clocks
/// where the time comes twice or not at all.
pub(super) fn written(at: DateTime, zone: &TimeZone) -> String {
    use jiff::tz::AmbiguousOffset::{Fold, Gap, Unambiguous};
    let offset = match zone.to_ambiguous_zoned(at).offset() {
        Unambiguous { offset } => offset,
        Gap { before, .. } | Fold { before, .. } => before,
    };
    isoformat(at, offset)
}

/// The time between two runs, by the clock on the wall, in whole microseconds.
pub(super) struct Interval(Option<SignedDuration>);

impl Interval {
    /// From seconds, more than 0.
    pub(super) fn new(seconds: f64) -> Self {
        let micros = (seconds * 1e6).round_ties_even();
        // Longer than all of time: never.
        Self((micros < 4e17).then(|| SignedDuration::from_micros(micros as i64)))
    }

    /// The run after `last`; `None` after the last year that there is.
    pub(super) fn after(&self, last: DateTime) -> Option<DateTime> {
        last.checked_add(self.0?).ok().filter(|next| next.date() < Date::MAX)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_are_read_as_pydantic_reads_them() {
        let check = |value: Value, expected: Option<&str>| {
            let berlin = TimeZone::get("Europe/Berlin").unwrap();
            let found = moment(&value).map(|moment| written(moment.at(&berlin), &berlin));
            assert_eq!(found.as_deref(), expected, "{value}");
        };
        check(json!("2026-07-01T10:00:00"), Some("2026-07-01T10:00:00+02:00"));
        check(json!("2026-07-01 10:00"), Some("2026-07-01T10:00:00+02:00"));
        check(json!("2026-07-01T10:00:00.25Z"), Some("2026-07-01T12:00:00.250000+02:00"));
        check(json!("2026-01-01T10:00:00-05:00"), Some("2026-01-01T16:00:00+01:00"));
        check(json!("2026-01-01"), Some("2026-01-01T00:00:00+01:00"));
        check(json!(0), Some("1970-01-01T01:00:00+01:00"));
        check(json!("1000000000"), Some("2001-09-09T03:46:40+02:00"));
        check(json!(1_000_000_000_000_i64), Some("2001-09-09T03:46:40+02:00"));
        for none in
            [json!("soon"), json!("2026-13-01"), json!(true), json!([]), json!("2026-01-01T10:00[UTC]")]
        {
            check(none, None);
        }
    }

    #[test]
    fn a_time_that_comes_twice_or_never_has_the_offset_before_the_change() {
        let check = |wall: &str, expected: &str| {
            let berlin = TimeZone::get("Europe/Berlin").unwrap();
            assert_eq!(written(wall.parse().unwrap(), &berlin), expected);
        };
        check("2026-03-29T02:30:00", "2026-03-29T02:30:00+01:00");
        check("2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00");
    }
}

//! Upstream's cron lines: five fields of numbers, ranges, steps and lists.
//!
//! A subset of its own: `5/10` is the value 5 only, names and `L`, `W`, `#` are not known, and nothing is
//! found that is more than a year away (29 February, mostly). Times are those of the clock on the wall;
//! in the hour that a change of clocks leaves out, runs are shown all the same.

use jiff::ToSpan;
use jiff::civil::DateTime;

/// How far upstream looks for the next run: a year of minutes.
const HORIZON_MINUTES: i64 = 525_600;

/// The values of one field, a bit each; `None` is every value.
type Set = Option<u64>;

/// A cron line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cron {
    minutes: Set,
    hours: Set,
    days: Set,
    months: Set,
    weekdays: Set,
}

impl Cron {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(format!("there are {} fields instead of five", fields.len()));
        };
        Ok(Self {
            minutes: field(minute, "minute", 0, 59)?,
            hours: field(hour, "hour", 0, 23)?,
            days: field(day, "day of month", 1, 31)?,
            months: field(month, "month", 1, 12)?,
            // Both 0 and 7 are Sunday.
            weekdays: field(weekday, "day of week", 0, 7)?.map(|set| (set | (set >> 7)) & 0x7f),
        })
    }

    /// The first run after `last`; `None` where there is none within the horizon.
    pub(super) fn after(&self, last: DateTime) -> Option<DateTime> {
        let first = last.with().second(0).subsec_nanosecond(0).build().ok()?.checked_add(1.minute()).ok()?;
        let end = first.checked_add(HORIZON_MINUTES.minutes()).unwrap_or(DateTime::MAX);
        let mut at = first;
        // Leaps over days and hours that do not fit: at most 366 + 24 + 60 steps.
        while at < end {
            at = if !self.fits_day(at) {
                at.date().tomorrow().ok()?.at(0, 0, 0, 0)
            } else if !has(self.hours, at.hour()) {
                at.with().minute(0).build().ok()?.checked_add(1.hour()).ok()?
            } else if !has(self.minutes, at.minute()) {
                at.checked_add(1.minute()).ok()?
            } else {
                return Some(at);
            };
        }
        None
    }

    fn fits_day(&self, at: DateTime) -> bool {
        let day = has(self.days, at.day());
        let weekday = has(self.weekdays, at.weekday().to_sunday_zero_offset());
        let fits = match (self.days, self.weekdays) {
            // As every cron: where both are restricted, either will do.
            (Some(_), Some(_)) => day || weekday,
            _ => day && weekday,
        };
        fits && has(self.months, at.month())
    }
}

fn has(set: Set, value: i8) -> bool {
    set.is_none_or(|bits| bits >> value & 1 == 1)
}

fn field(text: &str, name: &str, least: i64, most: i64) -> Result<Set, String> {
    if matches!(text, "*" | "?") {
        return Ok(None);
    }
    let mut bits = 0_u64;
    for part in text.split(',') {
        let bad = |why: &str| format!("`{part}` as {name} {why}");
        let (range, step) = match part.split_once('/') {
            None => (part, 1),
            Some((range, step)) => {
                let step =
                    number(step).filter(|step| *step > 0).ok_or_else(|| bad("has no step of 1 or more"))?;
                (if range.is_empty() { "*" } else { range }, step)
            }
        };
        let value = |text| number(text).ok_or_else(|| bad("is not a number or a range"));
        let (from, to) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (least, most),
            Some((from, to)) => (value(from)?, value(to)?),
            None => (value(range)?, value(range)?),
        };
        if from < least || to > most {
            return Err(bad(&format!("is not within {least} to {most}")));
        }
        if from > to {
            return Err(bad("ends before it begins"));
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        (from..=to).step_by(step).for_each(|value| bits |= 1 << value);
    }
    Ok(Some(bits))
}

fn number(text: &str) -> Option<i64> {
    crate::actions::python::number::int(&text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_is_found() {
        // 2026-01-01 is a Thursday.
        let check = |line: &str, expected: &str| {
            let from: DateTime = "2026-01-01T10:30:20.5".parse().unwrap();
            let next = Cron::parse(line).unwrap().after(from).map(|at| at.to_string());
            assert_eq!(next.unwrap_or_default(), expected, "{line}");
        };
        check("* * * * *", "2026-01-01T10:31:00");
        check("30 10 * * *", "2026-01-02T10:30:00");
        check("*/15 * * * *", "2026-01-01T10:45:00");
        check("5/10 * * * *", "2026-01-01T11:05:00");
        check("0 9-17/4 * * *", "2026-01-01T13:00:00");
        check("0 0 1 * *", "2026-02-01T00:00:00");
        check("0 0 31 2,3 *", "2026-03-31T00:00:00");
        check("0 0 * * 0", "2026-01-04T00:00:00");
        check("0 0 * * 7", "2026-01-04T00:00:00");
        check("0 0 * * 5-7", "2026-01-02T00:00:00");
        check("0 0 13 * 5", "2026-01-02T00:00:00");
        check("0 0 29 2 *", "");
        check("0 0 31 12 ?", "2026-12-31T00:00:00");
    }

    #[test]
    fn what_is_no_cron_line_is_told() {
        let check = |line: &str, expected: &str| assert_eq!(Cron::parse(line).unwrap_err(), expected);
        check("* * * *", "there are 4 fields instead of five");
        check("60 * * * *", "`60` as minute is not within 0 to 59");
        check("* * 0 * *", "`0` as day of month is not within 1 to 31");
        check("*/0 * * * *", "`*/0` as minute has no step of 1 or more");
        check("*/ * * * *", "`*/` as minute has no step of 1 or more");
        check("9-5 * * * *", "`9-5` as minute ends before it begins");
        check("* * * JAN *", "`JAN` as month is not a number or a range");
        check("1,,2 * * * *", "`` as minute is not a number or a range");
        check("* * * * 8", "`8` as day of week is not within 0 to 7");
    }
}

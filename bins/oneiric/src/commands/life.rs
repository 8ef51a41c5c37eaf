//! The life of a component as programs read it: upstream's `LifecycleStatus`, times as dates.

use oneiric_core::Timestamp;
use oneiric_core::lifecycle::{Condition, Status, Summary};
use serde::{Serialize, Serializer};

use crate::output::palette::Tone;
use crate::output::table::{NOTE_INDENT, Table};
use crate::output::text::{clean, count, wrap};
use crate::output::time;

/// A status whose times are written as RFC 3339.
#[derive(Debug, Serialize)]
pub(super) struct Life<'a> {
    domain: &'a str,
    key: &'a str,
    state: Condition,
    current_provider: Option<&'a str>,
    pending_provider: Option<&'a str>,
    last_error: Option<&'a str>,
    #[serde(serialize_with = "date")]
    last_state_change_at: Option<Timestamp>,
    #[serde(serialize_with = "date")]
    last_activated_at: Option<Timestamp>,
    #[serde(serialize_with = "date")]
    last_health_at: Option<Timestamp>,
    last_swap_duration_ms: Option<f64>,
    recent_swap_durations_ms: &'a std::collections::VecDeque<f64>,
    successful_swaps: u64,
    failed_swaps: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<&'a str>,
}

impl<'a> From<&'a Status> for Life<'a> {
    fn from(status: &'a Status) -> Self {
        let Status {
            domain,
            key,
            state,
            current_provider,
            pending_provider,
            last_error,
            last_state_change_at,
            last_activated_at,
            last_health_at,
            last_swap_duration_ms,
            recent_swap_durations_ms,
            successful_swaps,
            failed_swaps,
            pinned,
        } = status;
        Self {
            domain: domain.name(),
            key: key.as_str(),
            state: *state,
            current_provider: current_provider.as_ref().map(|provider| provider.as_str()),
            pending_provider: pending_provider.as_ref().map(|provider| provider.as_str()),
            last_error: last_error.as_deref(),
            last_state_change_at: *last_state_change_at,
            last_activated_at: *last_activated_at,
            last_health_at: *last_health_at,
            last_swap_duration_ms: *last_swap_duration_ms,
            recent_swap_durations_ms,
            successful_swaps: *successful_swaps,
            failed_swaps: *failed_swaps,
            pinned: pinned.as_ref().map(|provider| provider.as_str()),
        }
    }
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn date<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(time::rfc3339).serialize(serializer)
}

/// The word for people, which says what serves.
pub(super) fn word(status: &Status) -> &'static str {
    match (status.state, status.current_provider.is_some()) {
        (Condition::Activating, true) => "swapping",
        (Condition::Activating, false) => "starting",
        (Condition::Failed, true) => "kept old",
        (Condition::Failed, false) => "failed",
        (Condition::Ready, _) => "ready",
        (Condition::Unknown, _) => "absent",
    }
}

/// The most lines of one message in a table: what is longer is in the JSON.
const NOTE_LINES: usize = 3;

/// Puts a message below the latest row.
pub(super) fn note<const N: usize>(table: &mut Table<N>, text: &str, tone: Tone, width: usize) {
    for line in wrap(&clean(text), width.saturating_sub(NOTE_INDENT), NOTE_LINES) {
        table.note(line, tone);
    }
}

/// `3 changes, p50 2.1 ms, p95 4.0 ms, all succeeded`; nothing where there was none.
pub(super) fn changes(summary: &Summary) -> Option<String> {
    let rate = summary.success_rate?;
    let mut parts = vec![count(summary.samples, "change")];
    let numbers = [("p50", summary.p50), ("p95", summary.p95)];
    parts.extend(numbers.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", millis(value?)))));
    #[expect(clippy::float_cmp, reason = "a share of all is exactly one")]
    parts.push(if rate == 1.0 {
        "all succeeded".to_owned()
    } else {
        format!("{:.1} % succeeded", rate * 100.0)
    });
    Some(parts.join(", "))
}

/// `0.04 ms`, `3.1 ms`, `120 ms`.
pub(super) fn millis(value: f64) -> String {
    match value {
        ..1.0 => format!("{value:.2} ms"),
        1.0..100.0 => format!("{value:.1} ms"),
        _ => format!("{value:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_have_three_digits_at_most() {
        let check = |value, expected: &str| assert_eq!(millis(value), expected);
        check(0.041, "0.04 ms");
        check(3.11, "3.1 ms");
        check(1234.5, "1234 ms");
    }

    #[test]
    fn changes_are_told_in_one_line() {
        let summary =
            Summary { samples: 2, p50: Some(1.5), p95: None, p99: None, success_rate: Some(2.0 / 3.0) };
        assert_eq!(changes(&summary).unwrap(), "2 changes, p50 1.5 ms, 66.7 % succeeded");
        assert_eq!(changes(&Summary::default()), None);
    }
}

//! What is known of a key's component in this process.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Domain, Key, Provider, Timestamp};

/// How many swap durations are kept for the percentiles; upstream's number.
const RECENT: usize = 20;

/// How a component stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Nothing was tried yet.
    #[default]
    Unknown,
    /// A newcomer is coming up; what served before still serves.
    Activating,
    /// An instance serves.
    Ready,
    /// The last change failed. Where `current_provider` is set, the old instance still serves.
    Failed,
}

/// The state of one key's component, upstream's `LifecycleStatus` field by field.
///
/// Belongs to a live process and is not stored: after a restart there is no instance to speak of.
/// Times are [`Timestamp`]s here; the command line writes them as dates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The domain.
    pub domain: Domain,
    /// The key.
    pub key: Key,
    /// How it stands.
    pub state: Condition,
    /// Whose instance serves; `None` where there is no instance.
    pub current_provider: Option<Provider>,
    /// Whose instance is coming up.
    pub pending_provider: Option<Provider>,
    /// Why the last change failed; `None` once one succeeded.
    pub last_error: Option<String>,
    /// When `state` changed last.
    pub last_state_change_at: Option<Timestamp>,
    /// When an instance was bound last.
    pub last_activated_at: Option<Timestamp>,
    /// When a health check succeeded last.
    pub last_health_at: Option<Timestamp>,
    /// How long the last change took to its end, in milliseconds.
    pub last_swap_duration_ms: Option<f64>,
    /// The same of the last twenty changes that succeeded, oldest first.
    pub recent_swap_durations_ms: VecDeque<f64>,
    /// Changes that succeeded; the first activation is one.
    pub successful_swaps: u64,
    /// Changes that failed.
    pub failed_swaps: u64,
    /// The provider that was asked for explicitly, where this is not what the key means to everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Provider>,
}

impl Status {
    pub(super) fn new(domain: Domain, key: Key, pinned: Option<Provider>) -> Self {
        Self {
            domain,
            key,
            state: Condition::Unknown,
            current_provider: None,
            pending_provider: None,
            last_error: None,
            last_state_change_at: None,
            last_activated_at: None,
            last_health_at: None,
            last_swap_duration_ms: None,
            recent_swap_durations_ms: VecDeque::new(),
            successful_swaps: 0,
            failed_swaps: 0,
            pinned,
        }
    }

    fn turn(&mut self, state: Condition, at: Timestamp) {
        if self.state != state {
            self.state = state;
            self.last_state_change_at = Some(at);
        }
    }

    pub(super) fn begin(&mut self, provider: &Provider, at: Timestamp) {
        self.turn(Condition::Activating, at);
        self.pending_provider = Some(provider.clone());
    }

    pub(super) fn succeed(&mut self, provider: &Provider, healthy: bool, at: Timestamp, took: Duration) {
        self.turn(Condition::Ready, at);
        self.current_provider = Some(provider.clone());
        self.pending_provider = None;
        self.last_error = None;
        self.last_activated_at = Some(at);
        if healthy {
            self.last_health_at = Some(at);
        }
        let millis = took.as_secs_f64() * 1000.0;
        self.last_swap_duration_ms = Some(millis);
        self.recent_swap_durations_ms.push_back(millis);
        if self.recent_swap_durations_ms.len() > RECENT {
            self.recent_swap_durations_ms.pop_front();
        }
        self.successful_swaps += 1;
    }

    pub(super) fn fail(&mut self, error: String, at: Timestamp) {
        self.turn(Condition::Failed, at);
        self.pending_provider = None;
        self.last_error = Some(error);
        self.failed_swaps += 1;
    }

    pub(super) fn stop(&mut self, at: Timestamp) {
        self.turn(Condition::Unknown, at);
        self.current_provider = None;
        self.pending_provider = None;
    }
}

/// The swaps of many keys in one line, upstream's `lifecycle_summary`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// How many durations the percentiles are taken from.
    pub samples: usize,
    /// Half of them took at most this many milliseconds.
    pub p50: Option<f64>,
    /// 95 of 100.
    pub p95: Option<f64>,
    /// 99 of 100.
    pub p99: Option<f64>,
    /// The share of changes that succeeded, 0 to 1; `None` before the first.
    pub success_rate: Option<f64>,
}

impl Summary {
    /// Over these.
    pub fn of<'a>(statuses: impl IntoIterator<Item = &'a Status>) -> Self {
        let (mut millis, mut good, mut bad) = (Vec::new(), 0_u64, 0_u64);
        for status in statuses {
            millis.extend(&status.recent_swap_durations_ms);
            good += status.successful_swaps;
            bad += status.failed_swaps;
        }
        millis.sort_by(f64::total_cmp);
        #[expect(clippy::cast_precision_loss, reason = "no process counts to 2^53 swaps")]
        let success_rate = (good + bad > 0).then(|| good as f64 / (good + bad) as f64);
        Self {
            samples: millis.len(),
            p50: percentile(&millis, 0.50),
            p95: percentile(&millis, 0.95),
            p99: percentile(&millis, 0.99),
            success_rate,
        }
    }
}

/// Between the two nearest samples, linearly, as upstream does it.
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a place among a few thousand samples"
    )]
    let (below, rest) = {
        let place = share * last as f64;
        (place.floor() as usize, place.fract())
    };
    let above = (below + 1).min(last);
    Some(sorted[below] + (sorted[above] - sorted[below]) * rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status() -> Status {
        Status::new(Domain::TASK, Key::new("k").unwrap(), None)
    }

    #[test]
    fn percentiles_lie_between_samples() {
        let check = |samples: &[f64], share, expected| assert_eq!(percentile(samples, share), expected);
        check(&[], 0.5, None);
        check(&[4.0], 0.99, Some(4.0));
        check(&[1.0, 2.0], 0.5, Some(1.5));
        check(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.95, Some(4.8));
        check(&[1.0, 2.0, 3.0, 4.0, 5.0], 1.0, Some(5.0));
    }

    #[test]
    fn the_last_twenty_are_kept() {
        let mut status = status();
        let provider = Provider::new("p").unwrap();
        for millis in 1..=30 {
            status.succeed(&provider, true, Timestamp::from_micros(0), Duration::from_millis(millis));
        }
        status.fail("no".to_owned(), Timestamp::from_micros(1));
        let summary = Summary::of([&status]);
        assert_eq!((summary.samples, summary.p50), (20, Some(20.5)));
        assert_eq!(summary.success_rate, Some(30.0 / 31.0));
        assert_eq!(status.current_provider, Some(provider), "the old one still serves");
    }

    #[test]
    fn its_json_has_the_fields_of_upstream_in_their_order() {
        let json = serde_json::to_string(&status()).unwrap();
        let names = [
            "domain",
            "key",
            "state",
            "current_provider",
            "pending_provider",
            "last_error",
            "last_state_change_at",
            "last_activated_at",
            "last_health_at",
            "last_swap_duration_ms",
            "recent_swap_durations_ms",
            "successful_swaps",
            "failed_swaps",
        ];
        let places: Vec<_> = names.iter().map(|name| json.find(&format!("\"{name}\"")).unwrap()).collect();
        assert!(places.is_sorted(), "{json}");
        assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status());
    }
}

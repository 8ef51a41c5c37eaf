//! When to try again, as values.
//!
//! The only module that names the `backoff` crate: it lends the exponential schedule, not its retry
//! loop. Sleeping, cancelling, counting and chance stay with the caller.

use std::time::Duration;

use backoff::backoff::Backoff as _;
use serde::{Deserialize, Serialize};

use crate::rng::unit;
use crate::{Class, Fault};

/// The most tries a policy may ask for. Restate's default of 70 is the largest seen in the field;
/// beyond a thousand it is a loop by accident.
pub const MAX_ATTEMPTS: u32 = 1_000;

/// The longest delay between two tries: a day. Longer waits are schedules, not retries.
pub const MAX_DELAY: Duration = Duration::from_secs(24 * 3600);

/// How often and how patiently a call is tried.
///
/// Shape: `{"attempts": 3, "base_delay": 0.2, "max_delay": 2.0, "jitter": 0.1}`, seconds. Upstream's
/// second names `max_attempts`, `initial_delay`, `max_backoff` and `backoff_jitter` are accepted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetryPolicy {
    /// Tries in all, the first one included; 1 means no retry. From 1 to [`MAX_ATTEMPTS`].
    #[serde(default = "one", alias = "max_attempts")]
    pub attempts: u32,
    /// Seconds before the second try; each further delay doubles. Zero means at once.
    #[serde(default, alias = "initial_delay")]
    pub base_delay: f64,
    /// Seconds that a delay may grow to; at least `base_delay`, which is also its default.
    #[serde(default, alias = "max_backoff", skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<f64>,
    /// Seconds of chance added on top: uniform in `[0, jitter]`. Additive, as upstream's is in fact.
    #[serde(default, alias = "backoff_jitter")]
    pub jitter: f64,
    /// What becomes of the node when the last try has failed.
    #[serde(default, skip_serializing_if = "Exhausted::is_default")]
    pub on_exhausted: Exhausted,
}

/// What becomes of a node when the last try has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exhausted {
    /// It has failed.
    #[default]
    Fail,
    /// It is parked, and the run pauses for a person once nothing else is left to do.
    Pause,
}

impl Exhausted {
    /// The words in manifests.
    pub const WORDS: &'static [(&'static str, Exhausted)] =
        &[("fail", Exhausted::Fail), ("pause", Exhausted::Pause)];

    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

const fn one() -> u32 {
    1
}

/// Why a policy is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RetryError {
    /// No try at all, or too many.
    #[error("attempts is {0}, allowed are 1 to {MAX_ATTEMPTS}")]
    Attempts(u32),
    /// A delay that is negative, not a number or longer than a day.
    #[error("{field} is {value}, allowed are 0 to 86400 seconds")]
    Delay {
        /// The name of the field.
        field: &'static str,
        /// Its value.
        value: f64,
    },
}

impl RetryPolicy {
    /// One try, no more.
    pub const ONCE: RetryPolicy = RetryPolicy {
        attempts: 1,
        base_delay: 0.0,
        max_delay: None,
        jitter: 0.0,
        on_exhausted: Exhausted::Fail,
    };

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`RetryError`] names the field.
    pub fn check(&self) -> Result<(), RetryError> {
        if !(1..=MAX_ATTEMPTS).contains(&self.attempts) {
            return Err(RetryError::Attempts(self.attempts));
        }
        let delays = [
            ("base_delay", Some(self.base_delay)),
            ("max_delay", self.max_delay),
            ("jitter", Some(self.jitter)),
        ];
        for (field, value) in delays {
            if let Some(value) = value.filter(|v| !(0.0..=MAX_DELAY.as_secs_f64()).contains(v)) {
                return Err(RetryError::Delay { field, value });
            }
        }
        Ok(())
    }

    /// The wait before the try that follows `attempt` (counted from 1), or `None` where that was the
    /// last one. `chance` is 64 random bits; the same bits give the same delay.
    pub fn delay_after(&self, attempt: u32, chance: u64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let seconds =
            |value: f64| Duration::try_from_secs_f64(value.max(0.0)).unwrap_or(MAX_DELAY).min(MAX_DELAY);
        let base = seconds(self.base_delay);
        let most = seconds(self.max_delay.unwrap_or(self.base_delay)).max(base);
        let jitter = seconds(self.jitter).mul_f64(unit(chance));
        Some(exponential(base, most, attempt) + jitter)
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::ONCE
    }
}

/// `base * 2^(attempt - 1)`, at most `most`.
fn exponential(base: Duration, most: Duration, attempt: u32) -> Duration {
    if base.is_zero() {
        return Duration::ZERO;
    }
    let mut schedule = backoff::ExponentialBackoffBuilder::new()
        .with_initial_interval(base)
        .with_max_interval(most)
        .with_multiplier(2.0)
        .with_randomization_factor(0.0)
        .with_max_elapsed_time(None)
        .build();
    // Past the sixty-fourth doubling every schedule has long reached its ceiling.
    let mut delay = base;
    for _ in 0..attempt.clamp(1, 64) {
        delay = schedule.next_backoff().unwrap_or(most);
    }
    delay.min(most)
}

/// Whether a node is tried again after a definite failure, and how long to wait (decision 10).
///
/// `idempotent` and `stated` are what the component and the manifest say: a call is repeated when it
/// is known to be idempotent or when somebody asked for it by stating a policy. A denial, a permanent
/// fault and an unknown outcome are never repeated; a shutdown is not a failure at all.
pub fn decide(
    fault: &Fault,
    idempotent: Option<bool>,
    stated: Option<&RetryPolicy>,
    attempt: u32,
    chance: u64,
) -> Option<Duration> {
    let again = match fault.class {
        Class::Transient => stated.is_some() || idempotent == Some(true),
        Class::Permanent | Class::Denied | Class::UnknownOutcome | Class::Shutdown => false,
    };
    if !again {
        return None;
    }
    let delay = stated.copied().unwrap_or_default().delay_after(attempt, chance)?;
    let asked = fault.retry_after_ms.map_or(Duration::ZERO, Duration::from_millis).min(MAX_DELAY);
    Some(delay.max(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(attempts: u32, base: f64, most: f64, jitter: f64) -> RetryPolicy {
        RetryPolicy { attempts, base_delay: base, max_delay: Some(most), jitter, ..RetryPolicy::ONCE }
    }

    #[test]
    fn delays_double_up_to_the_ceiling_and_end_with_the_attempts() {
        let policy = policy(6, 0.5, 3.0, 0.0);
        let delays: Vec<_> = (1..=6).map(|n| policy.delay_after(n, 0).map(|d| d.as_millis())).collect();
        assert_eq!(delays, [Some(500), Some(1000), Some(2000), Some(3000), Some(3000), None]);
    }

    #[test]
    fn a_zero_delay_is_zero() {
        assert_eq!(policy(2, 0.0, 0.0, 0.0).delay_after(1, u64::MAX), Some(Duration::ZERO));
    }

    #[test]
    fn jitter_is_added_seconds_below_its_bound() {
        let policy = policy(2, 1.0, 1.0, 0.25);
        assert_eq!(policy.delay_after(1, 0), Some(Duration::from_secs(1)));
        let most = policy.delay_after(1, u64::MAX).unwrap();
        assert!(most > Duration::from_millis(1249) && most <= Duration::from_millis(1250), "{most:?}");
    }

    #[test]
    fn only_what_may_help_is_tried_again() {
        let stated = policy(3, 0.0, 0.0, 0.0);
        let transient = Fault::transient("x", "x");
        let check = |fault: &Fault, idempotent, stated: Option<&RetryPolicy>, again| {
            assert_eq!(decide(fault, idempotent, stated, 1, 0).is_some(), again, "{fault:?} {idempotent:?}");
        };
        check(&transient, None, Some(&stated), true);
        check(&transient, Some(false), Some(&stated), true);
        check(&transient, None, None, false);
        // Idempotent without a policy: allowed to repeat, but the default is one try.
        check(&transient, Some(true), None, false);
        for class in [Class::Permanent, Class::Denied, Class::UnknownOutcome, Class::Shutdown] {
            check(&Fault::new(class, "x", "x"), Some(true), Some(&stated), false);
        }
    }

    #[test]
    fn the_other_side_may_ask_for_more_patience() {
        let fault = Fault::transient("429", "busy").retry_after(Duration::from_secs(7));
        assert_eq!(decide(&fault, None, Some(&policy(2, 1.0, 1.0, 0.0)), 1, 0), Some(Duration::from_secs(7)));
    }

    #[test]
    fn bad_ranges_are_named() {
        assert_eq!(RetryPolicy { attempts: 0, ..RetryPolicy::ONCE }.check(), Err(RetryError::Attempts(0)));
        assert!(matches!(
            RetryPolicy { jitter: -1.0, ..RetryPolicy::ONCE }.check(),
            Err(RetryError::Delay { field: "jitter", .. })
        ));
        assert!(RetryPolicy { base_delay: f64::NAN, ..RetryPolicy::ONCE }.check().is_err());
    }
}

//! When to leave a target alone, as values: a circuit breaker that somebody else keeps and shares.
//!
//! Closed, everything passes, and failures in a row are counted. Enough of them open it: nothing passes for
//! a while. Then one try passes, the probe, and its end decides: closed again, or open for longer. Time,
//! keeping the state and making sure that there is one probe stay with the caller.
//!
//! Upstream's numbers, of its breaker for fetched manifests: 5 failures, 60 seconds, a quarter longer each time
//! up to five times as long.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Timestamp;

/// The key of an entry's metadata that says something about its breaker.
pub const METADATA: &str = "circuit_breaker";

/// How much longer it stays open each time that the probe fails.
const GROWTH: f64 = 1.25;

/// How many times `reset` it stays open at most.
const MOST: u32 = 5;

/// The most failures that a policy may wait for; with more, it is none.
const MAX_THRESHOLD: u32 = 1_000_000;

/// The longest `reset` and `window`, in seconds: a day. What is down for longer needs a person.
const MAX_TIME: f64 = 24.0 * 3600.0;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Failures in a row that open it; at least 1.
    pub threshold: u32,
    /// How long it stays open at first.
    pub reset: Duration,
    /// A failure that is older than this before the next one is forgotten.
    pub window: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self { threshold: 5, reset: Duration::from_secs(60), window: Duration::from_secs(300) }
    }
}

impl Policy {
    /// How long it stays open the `opened`-th time in a row, counted from 1.
    pub fn pause(&self, opened: u32) -> Duration {
        // Beyond this power it has long reached its longest.
        let factor = GROWTH.powi(i32::try_from(opened.saturating_sub(1).min(64)).unwrap_or(64));
        self.reset.mul_f64(factor.min(f64::from(MOST)))
    }

    /// The longest that it stays open.
    pub fn longest(&self) -> Duration {
        self.reset * MOST
    }
}

/// What an entry says about its breaker: `circuit_breaker: true`, `false`, or a table.
///
/// Shape: `{"threshold":5,"reset":60,"window":300,"target":"payments"}`, seconds; everything may be left out.
/// `failure_threshold`, `timeout_seconds` and `monitoring_window` are accepted as names, too.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    #[serde(alias = "failure_threshold")]
    threshold: Option<u32>,
    #[serde(alias = "timeout_seconds")]
    reset: Option<f64>,
    #[serde(alias = "monitoring_window")]
    window: Option<f64>,
    target: Option<String>,
}

/// A policy, and what it is about where that is not the component itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guarded {
    /// When it opens.
    pub policy: Policy,
    /// A name that components share which fail together; `None` is the component alone.
    pub target: Option<String>,
}

/// What `metadata` says: a breaker of `unsaid` where it leaves something unsaid, and none where it says
/// `false`, or nothing at all while `by_default` is false.
///
/// # Errors
/// A sentence that names what is wrong with `circuit_breaker`.
pub fn stated(
    metadata: &Map<String, Value>,
    unsaid: Policy,
    by_default: bool,
) -> Result<Option<Guarded>, String> {
    let stated = match metadata.get(METADATA) {
        None | Some(Value::Null) if by_default => Stated::default(),
        None | Some(Value::Null | Value::Bool(false)) => return Ok(None),
        Some(Value::Bool(true)) => Stated::default(),
        Some(table) => {
            Stated::deserialize(table).map_err(|error| format!("`metadata.{METADATA}`: {error}"))?
        }
    };
    let seconds = |name: &str, stated: Option<f64>, unsaid: Duration| match stated {
        None => Ok(unsaid),
        Some(seconds) if seconds > 0.0 && seconds <= MAX_TIME => Ok(Duration::from_secs_f64(seconds)),
        Some(seconds) => Err(format!(
            "`metadata.{METADATA}.{name}` is {seconds}, allowed are more than 0 and at most {MAX_TIME} seconds"
        )),
    };
    let threshold = stated.threshold.unwrap_or(unsaid.threshold);
    if !(1..=MAX_THRESHOLD).contains(&threshold) {
        return Err(format!(
            "`metadata.{METADATA}.threshold` is {threshold}, allowed are 1 to {MAX_THRESHOLD}"
        ));
    }
    let policy = Policy {
        threshold,
        reset: seconds("reset", stated.reset, unsaid.reset)?,
        window: seconds("window", stated.window, unsaid.window)?,
    };
    Ok(Some(Guarded { policy, target: stated.target.filter(|target| !target.trim().is_empty()) }))
}

/// Where a breaker stands.
///
/// Shape: `{"state":"open","until":1763719852123456,"opened":1}`, `until` in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Breaker {
    /// Everything passes.
    Closed {
        /// Failures in a row.
        failures: u32,
        /// When the last of them was.
        last: Timestamp,
    },
    /// Nothing passes.
    Open {
        /// Until then.
        until: Timestamp,
        /// How often in a row it has opened.
        opened: u32,
    },
    /// One try has passed and decides.
    HalfOpen {
        /// Which one.
        probe: u64,
        /// When another one may pass in its place: its process may have died.
        until: Timestamp,
        /// How often in a row it has opened.
        opened: u32,
    },
}

/// What becomes of a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It passes.
    Free,
    /// It passes as the probe, once the breaker stands like this.
    Probe(Breaker),
    /// It does not, before this time.
    Wait(Timestamp),
}

/// How a try ended, for its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The target answered.
    Answered,
    /// It did not, or not as it should.
    Failed,
    /// The try was cut short, and says nothing of the target.
    Unjudged,
}

impl Default for Breaker {
    fn default() -> Self {
        Self::CLEAN
    }
}

impl Breaker {
    /// One that has seen nothing.
    pub const CLEAN: Breaker = Breaker::Closed { failures: 0, last: Timestamp::from_micros(0) };

    /// Whether a try may pass `now`. `probe` is what its name would be as the probe, which may take
    /// `patience`.
    pub fn ask(&self, policy: &Policy, now: Timestamp, probe: u64, patience: Duration) -> Passage {
        let (until, opened, longest) = match *self {
            Breaker::Closed { .. } => return Passage::Free,
            Breaker::Open { until, opened } => (until, opened, policy.longest()),
            Breaker::HalfOpen { until, opened, .. } => (until, opened, patience),
        };
        let left = until.since(now);
        // Longer than it can have been meant: the clock was set back meanwhile, or the policy has changed.
        if !left.is_zero() && left <= longest {
            return Passage::Wait(until);
        }
        Passage::Probe(Breaker::HalfOpen { probe, until: now.after(patience), opened })
    }

    /// What it becomes with the end of a try, which was the probe of this name, or none; `None` where
    /// nothing changes. Nothing is written for what goes well while all is well.
    pub fn heard(&self, policy: &Policy, now: Timestamp, probe: Option<u64>, end: End) -> Option<Breaker> {
        match (*self, end) {
            (Breaker::Closed { failures: 0, .. }, End::Answered)
            | (Breaker::Closed { .. }, End::Unjudged) => None,
            (Breaker::Closed { .. }, End::Answered) => Some(Breaker::CLEAN),
            (Breaker::Closed { failures, last }, End::Failed) => {
                let failures = if now.since(last) > policy.window { 1 } else { failures.saturating_add(1) };
                Some(if failures >= policy.threshold {
                    Breaker::Open { until: now.after(policy.pause(1)), opened: 1 }
                } else {
                    Breaker::Closed { failures, last: now }
                })
            }
            // Begun before it opened: neither news.
            (Breaker::Open { .. }, _) => None,
            (Breaker::HalfOpen { probe: awaited, .. }, _) if probe != Some(awaited) => None,
            (Breaker::HalfOpen { .. }, End::Answered) => Some(Breaker::CLEAN),
            (Breaker::HalfOpen { opened, .. }, End::Failed) => {
                let opened = opened.saturating_add(1);
                Some(Breaker::Open { until: now.after(policy.pause(opened)), opened })
            }
            // The next one may try at once.
            (Breaker::HalfOpen { opened, .. }, End::Unjudged) => Some(Breaker::Open { until: now, opened }),
        }
    }

    /// The word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Breaker::Closed { .. } => "closed",
            Breaker::Open { .. } => "open",
            Breaker::HalfOpen { .. } => "half-open",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const POLICY: Policy =
        Policy { threshold: 3, reset: Duration::from_secs(60), window: Duration::from_secs(300) };
    const PATIENCE: Duration = Duration::from_secs(30);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn closed(failures: u32, last: i64) -> Breaker {
        Breaker::Closed { failures, last: at(last) }
    }

    fn open(until: i64, opened: u32) -> Breaker {
        Breaker::Open { until: at(until), opened }
    }

    fn half(probe: u64, until: i64, opened: u32) -> Breaker {
        Breaker::HalfOpen { probe, until: at(until), opened }
    }

    #[test]
    fn the_end_of_a_try_moves_it() {
        use End::{Answered, Failed, Unjudged};
        let check = |from: Breaker, now: i64, probe: Option<u64>, end: End, to: Option<Breaker>| {
            assert_eq!(from.heard(&POLICY, at(now), probe, end), to, "{from:?} {now} {probe:?} {end:?}");
        };
        check(Breaker::CLEAN, 10, None, Answered, None);
        check(Breaker::CLEAN, 10, None, Unjudged, None);
        check(Breaker::CLEAN, 10, None, Failed, Some(closed(1, 10)));
        check(closed(1, 10), 20, None, Failed, Some(closed(2, 20)));
        check(closed(2, 20), 30, None, Unjudged, None);
        check(closed(2, 20), 30, None, Answered, Some(Breaker::CLEAN));
        check(closed(2, 20), 30, None, Failed, Some(open(90, 1)));
        // Too long ago to be a row.
        check(closed(2, 20), 321, None, Failed, Some(closed(1, 321)));
        // Stragglers say nothing.
        check(open(90, 1), 40, None, Failed, None);
        check(open(90, 1), 40, None, Answered, None);
        check(half(7, 120, 1), 100, None, Answered, None);
        check(half(7, 120, 1), 100, Some(6), Failed, None);
        check(half(7, 120, 1), 100, Some(7), Answered, Some(Breaker::CLEAN));
        check(half(7, 120, 1), 100, Some(7), Failed, Some(open(175, 2)));
        check(half(7, 120, 2), 100, Some(7), Unjudged, Some(open(100, 2)));
    }

    #[test]
    fn one_probe_passes_when_its_time_has_come() {
        let check = |from: Breaker, now: i64, expected: Passage| {
            assert_eq!(from.ask(&POLICY, at(now), 7, PATIENCE), expected, "{from:?} {now}");
        };
        check(closed(2, 0), 5, Passage::Free);
        check(open(90, 1), 89, Passage::Wait(at(90)));
        check(open(90, 1), 90, Passage::Probe(half(7, 120, 1)));
        check(half(6, 120, 1), 119, Passage::Wait(at(120)));
        check(half(6, 120, 1), 120, Passage::Probe(half(7, 150, 1)));
        // The clock was set back by ten years meanwhile.
        check(open(90 + 315_360_000, 1), 90, Passage::Probe(half(7, 120, 1)));
    }

    #[test]
    fn it_stays_open_longer_each_time_up_to_a_bound() {
        let pauses: Vec<_> = [1, 2, 3, 8, 9, 1000].map(|n| POLICY.pause(n).as_secs()).into();
        assert_eq!(pauses, [60, 75, 93, 286, 300, 300]);
    }

    #[test]
    fn an_entry_says_yes_no_or_more() {
        let of = |value: Value, by_default| {
            stated(&Map::from_iter([(METADATA.to_owned(), value)]), POLICY, by_default)
        };
        let plain = Some(Guarded { policy: POLICY, target: None });
        assert_eq!(stated(&Map::new(), POLICY, false), Ok(None));
        assert_eq!(stated(&Map::new(), POLICY, true), Ok(plain.clone()));
        assert_eq!(of(json!(false), true), Ok(None));
        assert_eq!(of(json!(true), false), Ok(plain));
        let table = json!({"failure_threshold": 9, "reset": 0.5, "target": "payments"});
        let policy = Policy { threshold: 9, reset: Duration::from_millis(500), ..POLICY };
        assert_eq!(of(table, false), Ok(Some(Guarded { policy, target: Some("payments".to_owned()) })));
        for (wrong, why) in [
            (json!({"thresold": 1}), "unknown field `thresold`"),
            (json!({"threshold": 0}), "is 0, allowed are 1 to"),
            (json!({"reset": -1}), "is -1, allowed are more than 0"),
            (json!({"window": 1e9}), "is 1000000000, allowed"),
            (json!("yes"), "`metadata.circuit_breaker`: "),
        ] {
            let found = of(wrong.clone(), false).unwrap_err();
            assert!(found.contains(why), "{wrong}: {found}");
        }
    }

    #[derive(Debug, Clone)]
    enum Deed {
        Ask,
        End(usize, End),
        Pass(u32),
    }

    fn deeds() -> impl Strategy<Value = Vec<Deed>> {
        let end = prop_oneof![1 => Just(End::Answered), 3 => Just(End::Failed), 1 => Just(End::Unjudged)];
        let deed = prop_oneof![
            4 => Just(Deed::Ask),
            4 => (any::<usize>(), end).prop_map(|(which, end)| Deed::End(which, end)),
            2 => (1..40u32).prop_map(Deed::Pass),
        ];
        proptest::collection::vec(deed, 1..200)
    }

    proptest! {
        #[test]
        fn it_opens_after_a_row_of_failures_and_lets_one_probe_pass(deeds in deeds()) {
            let (mut breaker, mut now) = (Breaker::CLEAN, 1_000i64);
            // Tries under way, each with its name where it is a probe; and the failures since the last answer.
            let mut under_way: Vec<Option<u64>> = Vec::new();
            let (mut row, mut names, mut live) = (0u32, 0u64, None::<(u64, i64)>);
            for deed in deeds {
                match deed {
                    Deed::Pass(seconds) => now += i64::from(seconds),
                    Deed::Ask => {
                        names += 1;
                        match breaker.ask(&POLICY, at(now), names, PATIENCE) {
                            Passage::Free => {
                                let is_closed = matches!(breaker, Breaker::Closed { .. });
                                prop_assert!(is_closed);
                                under_way.push(None);
                            }
                            Passage::Probe(next) => {
                                if let Some((_, until)) = live {
                                    prop_assert!(until <= now, "two probes at a time");
                                }
                                live = Some((names, now + 30));
                                under_way.push(Some(names));
                                breaker = next;
                            }
                            Passage::Wait(until) => {
                                let left = until.since(at(now));
                                prop_assert!(!left.is_zero() && left <= POLICY.longest());
                            }
                        }
                    }
                    Deed::End(which, end) if !under_way.is_empty() => {
                        let probe = under_way.swap_remove(which % under_way.len());
                        let before = breaker;
                        let Some(next) = breaker.heard(&POLICY, at(now), probe, end) else { continue };
                        breaker = next;
                        match (before, next) {
                            (Breaker::Closed { .. }, Breaker::Closed { .. }) => {
                                row = if end == End::Failed { row + 1 } else { 0 };
                            }
                            (Breaker::Closed { .. }, Breaker::Open { opened, .. }) => {
                                prop_assert!(row + 1 >= POLICY.threshold && end == End::Failed);
                                prop_assert_eq!(opened, 1);
                                row = 0;
                            }
                            (Breaker::HalfOpen { .. }, _) => {
                                prop_assert_eq!(live.map(|(name, _)| name), probe);
                                live = None;
                                row = 0;
                            }
                            other => prop_assert!(false, "{:?}", other),
                        }
                    }
                    Deed::End(..) => {}
                }
            }
        }
    }
}

//! What handlers of events have counted, under upstream's names.
//!
//! The label `topic` is what a handler subscribes to rather than the topic of each event, so that there are no more
//! series than there are handlers, whatever is emitted.

use oneiric_core::metrics::{Family, Kind, Value};
use oneiric_events::{BUCKETS_MS, Counts, DurationCounts, HandlerStatus};

use super::number;

/// What one number of a handler is.
type Number = fn(&HandlerStatus) -> u64;

/// A family of plain numbers.
const NUMBERS: [(&str, Kind, &str, Number); 8] = [
    ("oneiric_event_refused_total", Kind::Counter, "Events that the gate kept from a handler.", |handler| {
        handler.counts.refused
    }),
    (
        "oneiric_event_overflowed_total",
        Kind::Counter,
        "Events that were dropped because a buffer was full.",
        |handler| handler.counts.overflowed,
    ),
    ("oneiric_event_expired_total", Kind::Counter, "Events that came too late for a handler.", |handler| {
        handler.counts.expired
    }),
    (
        "oneiric_event_undecided_total",
        Kind::Counter,
        "Events of which the condition of a handler could not be decided.",
        |handler| handler.counts.undecided,
    ),
    ("oneiric_event_dead_letters_total", Kind::Counter, "Deliveries that became dead letters.", |handler| {
        handler.counts.dead
    }),
    (
        "oneiric_event_abandoned_total",
        Kind::Counter,
        "Events in memory that were dropped because nobody could have them any more.",
        |handler| handler.counts.abandoned,
    ),
    ("oneiric_event_buffered", Kind::Gauge, "Events that wait in memory for a handler.", |handler| {
        handler.counts.buffered
    }),
    (
        "oneiric_event_in_hand",
        Kind::Gauge,
        "Stored events that a process has in hand for a handler.",
        |handler| handler.in_hand as u64,
    ),
];

/// The word for how calls ended, and those that ended so.
type Outcome = (&'static str, fn(&Counts) -> &DurationCounts);

/// Upstream's two.
const OUTCOMES: [Outcome; 2] = [("success", |counts| &counts.succeeded), ("failed", |counts| &counts.failed)];

/// Every family; without samples where nobody handles events.
pub(super) fn families(handlers: &[HandlerStatus]) -> Vec<Family> {
    let mut took = Family::new(
        "oneiric_event_handler_duration_ms",
        Kind::Histogram,
        "How long handlers took, with all their tries.",
    );
    let mut attempts =
        Family::new("oneiric_event_handler_attempts", Kind::Summary, "How many tries handlers needed.");
    let mut failures =
        Family::new("oneiric_event_handler_failures_total", Kind::Counter, "Calls of handlers that failed.");
    for handler in handlers {
        let topics = topics(handler);
        let labels = |outcome| [("handler", &*handler.handler), ("topic", &*topics), ("outcome", outcome)];
        for (outcome, of) in OUTCOMES {
            let counts = of(&handler.counts);
            took.put(labels(outcome), histogram(counts));
            let tries = Value::Summary { count: counts.count, sum: number(counts.attempts) };
            attempts.put(labels(outcome), tries);
        }
        failures.push(labels("failed"), number(handler.counts.failed.count));
    }
    let mut families = vec![took, attempts, failures];
    for (name, kind, help, of) in NUMBERS {
        let mut family = Family::new(name, kind, help);
        for handler in handlers {
            let topics = topics(handler);
            family.push([("handler", &*handler.handler), ("topic", &*topics)], number(of(handler)));
        }
        families.push(family);
    }
    families
}

fn topics(handler: &HandlerStatus) -> String {
    let topics: Vec<_> = handler.topics.iter().map(ToString::to_string).collect();
    // The pattern of every topic.
    if topics.is_empty() { ">".to_owned() } else { topics.join(",") }
}

fn histogram(counts: &DurationCounts) -> Value {
    let mut buckets = counts.buckets.clone();
    // Of a handler that nobody called yet.
    buckets.resize(BUCKETS_MS.len() + 1, 0);
    Value::Histogram {
        bounds: BUCKETS_MS.iter().map(|most| number(*most)).collect(),
        counts: buckets,
        sum: counts.sum_ms,
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::metrics::prometheus;

    use super::*;

    fn durations(milliseconds: &[u64], attempts: u64) -> DurationCounts {
        let mut buckets = vec![0; BUCKETS_MS.len() + 1];
        for time in milliseconds {
            buckets[BUCKETS_MS.iter().position(|most| time <= most).unwrap_or(BUCKETS_MS.len())] += 1;
        }
        let sum_ms = number(milliseconds.iter().sum());
        DurationCounts { count: milliseconds.len() as u64, sum_ms, buckets, attempts }
    }

    fn handler(topics: &[&str], counts: Counts) -> HandlerStatus {
        HandlerStatus {
            handler: "shop.audit:files".to_owned(),
            key: "shop.audit".parse().unwrap(),
            topics: topics.iter().map(|topic| topic.parse().unwrap()).collect(),
            in_hand: 2,
            shut: false,
            counts,
        }
    }

    #[test]
    fn events_are_counted_under_upstreams_names() {
        let counts = Counts {
            succeeded: durations(&[3, 7, 20_000], 3),
            failed: durations(&[5], 4),
            attempts: 7,
            refused: 1,
            dead: 5,
            ..Counts::default()
        };
        let text = prometheus(&families(&[handler(&["order.paid", "order.*"], counts)]));
        let labels = r#"handler="shop.audit:files",topic="order.paid,order.*""#;
        for line in [
            format!(r#"oneiric_event_handler_duration_ms_bucket{{{labels},outcome="success",le="5"}} 1"#),
            format!(r#"oneiric_event_handler_duration_ms_bucket{{{labels},outcome="success",le="10000"}} 2"#),
            format!(r#"oneiric_event_handler_duration_ms_sum{{{labels},outcome="success"}} 20010"#),
            format!(r#"oneiric_event_handler_attempts_sum{{{labels},outcome="failed"}} 4"#),
            format!(r#"oneiric_event_handler_failures_total{{{labels},outcome="failed"}} 1"#),
            format!(r#"oneiric_event_refused_total{{{labels}}} 1"#),
            format!(r#"oneiric_event_dead_letters_total{{{labels}}} 5"#),
            format!(r#"oneiric_event_in_hand{{{labels}}} 2"#),
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
        assert_eq!(prometheus(&families(&[])), "");
    }

    #[test]
    fn a_handler_that_nobody_called_has_all_its_buckets() {
        let text = prometheus(&families(&[handler(&[], Counts::default())]));
        assert!(text.contains(r#"topic=">",outcome="failed",le="+Inf"} 0"#), "{text}");
    }
}

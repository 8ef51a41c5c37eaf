//! What live processes have counted of events, under upstream's names.
//!
//! The label `topic` is what a handler subscribes to rather than the topic of each event, so that there are no more
//! series than there are handlers, whatever is emitted. `pid` tells processes apart: their counters begin at zero.

use std::fmt::{self, Write as _};

use oneiric_runtime::control::ProcessEvents;
use oneiric_runtime::{BUCKETS_MS, Counts, DurationCounts, HandlerStatus};

/// What one number of a handler is.
type Number = fn(&HandlerStatus) -> u64;

/// A family of plain numbers: its name, type and help.
const NUMBERS: [(&str, &str, &str, Number); 8] = [
    ("oneiric_event_refused_total", "counter", "Events that the gate kept from a handler.", |handler| {
        handler.counts.refused
    }),
    (
        "oneiric_event_overflowed_total",
        "counter",
        "Events that were dropped because a buffer was full.",
        |handler| handler.counts.overflowed,
    ),
    ("oneiric_event_expired_total", "counter", "Events that came too late for a handler.", |handler| {
        handler.counts.expired
    }),
    (
        "oneiric_event_undecided_total",
        "counter",
        "Events of which the condition of a handler could not be decided.",
        |handler| handler.counts.undecided,
    ),
    ("oneiric_event_dead_letters_total", "counter", "Deliveries that became dead letters.", |handler| {
        handler.counts.dead
    }),
    (
        "oneiric_event_abandoned_total",
        "counter",
        "Events in memory that were dropped because nobody could have them any more.",
        |handler| handler.counts.abandoned,
    ),
    ("oneiric_event_buffered", "gauge", "Events that wait in memory for a handler.", |handler| {
        handler.counts.buffered
    }),
    (
        "oneiric_event_in_hand",
        "gauge",
        "Stored events that a process has in hand for a handler.",
        |handler| handler.in_hand as u64,
    ),
];

/// The word for how calls ended, and those that ended so.
type Outcome = (&'static str, fn(&Counts) -> &DurationCounts);

/// Upstream's two.
const OUTCOMES: [Outcome; 2] = [("success", |counts| &counts.succeeded), ("failed", |counts| &counts.failed)];

/// Every family; nothing where no process lives.
pub(super) fn text(processes: &[ProcessEvents]) -> String {
    let mut out = String::new();
    let handlers = || {
        processes.iter().flat_map(|process| {
            process.handlers.iter().map(move |handler| (Labels::of(process.pid, handler), handler))
        })
    };
    if handlers().next().is_none() {
        return out;
    }
    // Writing to a string cannot fail.
    let name = "oneiric_event_handler_duration_ms";
    family(&mut out, name, "histogram", "How long handlers took, with all their tries.");
    for (labels, handler) in handlers() {
        for (outcome, of) in OUTCOMES {
            histogram(&mut out, name, &labels.with("outcome", outcome), of(&handler.counts));
        }
    }
    let name = "oneiric_event_handler_attempts";
    family(&mut out, name, "summary", "How many tries handlers needed.");
    for (labels, handler) in handlers() {
        for (outcome, of) in OUTCOMES {
            let (labels, durations) = (labels.with("outcome", outcome), of(&handler.counts));
            let _ = writeln!(out, "{name}_sum{{{labels}}} {}", durations.attempts);
            let _ = writeln!(out, "{name}_count{{{labels}}} {}", durations.count);
        }
    }
    let name = "oneiric_event_handler_failures_total";
    family(&mut out, name, "counter", "Calls of handlers that failed.");
    for (labels, handler) in handlers() {
        let labels = labels.with("outcome", "failed");
        let _ = writeln!(out, "{name}{{{labels}}} {}", handler.counts.failed.count);
    }
    for (name, kind, help, number) in NUMBERS {
        family(&mut out, name, kind, help);
        for (labels, handler) in handlers() {
            let _ = writeln!(out, "{name}{{{labels}}} {}", number(handler));
        }
    }
    out
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Buckets hold what is at most their bound, those below included.
fn histogram(out: &mut String, name: &str, labels: &Labels, durations: &DurationCounts) {
    let mut below = 0;
    for (bound, count) in BUCKETS_MS.iter().zip(&durations.buckets) {
        below += count;
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}");
    }
    let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", durations.count);
    let _ = writeln!(out, "{name}_sum{{{labels}}} {}", durations.sum_ms);
    let _ = writeln!(out, "{name}_count{{{labels}}} {}", durations.count);
}

/// Labels as they stand between braces.
#[derive(Clone)]
struct Labels(String);

impl Labels {
    fn of(pid: u32, handler: &HandlerStatus) -> Self {
        let topics: Vec<_> = handler.topics.iter().map(ToString::to_string).collect();
        // The pattern of every topic.
        let topics = if topics.is_empty() { ">".to_owned() } else { topics.join(",") };
        Self(format!("pid=\"{pid}\"")).with("handler", &handler.handler).with("topic", &topics)
    }

    fn with(&self, name: &str, value: &str) -> Self {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        Self(format!("{},{name}=\"{value}\"", self.0))
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::Timestamp;

    use super::*;

    fn handler(name: &str, topics: &[&str], counts: Counts) -> HandlerStatus {
        HandlerStatus {
            handler: name.to_owned(),
            key: "shop.audit".parse().unwrap(),
            topics: topics.iter().map(|topic| topic.parse().unwrap()).collect(),
            in_hand: 2,
            shut: false,
            counts,
        }
    }

    fn durations(milliseconds: &[u64], attempts: u64) -> DurationCounts {
        let mut buckets = vec![0; BUCKETS_MS.len() + 1];
        for time in milliseconds {
            let at = BUCKETS_MS.iter().position(|most| time <= most).unwrap_or(BUCKETS_MS.len());
            buckets[at] += 1;
        }
        let sum_ms = milliseconds.iter().sum::<u64>() as f64;
        DurationCounts { count: milliseconds.len() as u64, sum_ms, buckets, attempts }
    }

    fn process(pid: u32, handlers: Vec<HandlerStatus>) -> ProcessEvents {
        ProcessEvents { pid, started_at: Timestamp::from_micros(0), handlers }
    }

    #[test]
    fn events_are_counted_under_upstreams_names() {
        let counts = Counts {
            succeeded: durations(&[3, 7, 20_000], 3),
            failed: durations(&[5], 4),
            attempts: 7,
            refused: 1,
            overflowed: 2,
            expired: 3,
            undecided: 4,
            dead: 5,
            ..Counts::default()
        };
        let text =
            text(&[process(4711, vec![handler("shop.audit:files", &["order.paid", "order.*"], counts)])]);
        insta::assert_snapshot!("events", text);
        assert_eq!(super::text(&[process(1, Vec::new())]), "");
    }

    #[test]
    fn no_name_breaks_out_of_its_label() {
        let topic = r#"/^a"b\.c$/"#;
        let text = text(&[process(1, vec![handler("h:p", &[topic], Counts::default())])]);
        assert!(text.contains(r#"topic="/^a\"b\\.c$/""#), "{text}");
        assert!(
            super::text(&[process(1, vec![handler("h:p", &[], Counts::default())])]).contains(r#"topic=">""#)
        );
    }
}

//! Who wants which events, for people.

use std::io::{self, Write as _};

use oneiric_core::Timestamp;
use oneiric_core::manifest::FanoutPolicy;
use oneiric_core::roles::{DeliveryMode, Topic};
use oneiric_runtime::{Explained, HandlerStatus, Verdict};
use serde_json::Value;

use super::{Counting, Events, HandlerOf, LastEvent};
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::{clean, count, cut};
use crate::output::{Screen, time};

/// Prints a row for each handler, what live processes have counted, and the newest event. Where an event was
/// given, a row says of each handler whether it would get it.
pub(super) fn print(
    screen: &mut Screen,
    events: &Events,
    topic: Option<&Topic>,
    now: Timestamp,
) -> io::Result<()> {
    if let (Some(explained), Some(topic)) = (&events.explained, topic) {
        return verdicts(screen, explained, topic);
    }
    if events.handlers.is_empty() {
        return match topic {
            Some(topic) => writeln!(screen, "nobody wants {}", clean(topic.as_str())),
            None => writeln!(screen, "nobody wants any event"),
        };
    }
    handlers(screen, &events.handlers)?;
    for counting in &events.processes {
        counts(screen, counting, now)?;
    }
    if topic.is_some() {
        let text = "`--payload JSON` says who would get an event with that payload";
        return writeln!(screen, "{}", screen.palette.paint(Tone::Faint, text));
    }
    match &events.last_event {
        Some(last) => newest(screen, last, now),
        None => Ok(()),
    }
}

fn handlers(screen: &mut Screen, handlers: &[HandlerOf]) -> io::Result<()> {
    let mut table = Table::new([
        Column::new("handler", Room::Middle),
        Column::right("priority"),
        Column::new("fanout", Room::Whole),
        Column::new("", Room::End),
    ]);
    for handler in handlers {
        let fanout = match handler.fanout_policy {
            FanoutPolicy::Broadcast => "broadcast",
            FanoutPolicy::Exclusive => "exclusive",
            FanoutPolicy::Ordered => "ordered",
            FanoutPolicy::FirstSuccess => "first success",
        };
        table.row([
            (handler.name.clone(), Tone::Strong),
            plain(handler.priority.to_string()),
            plain(fanout),
            (handler.facts(), if handler.paused { Tone::Odd } else { Tone::Faint }),
        ]);
        let topics =
            if handler.topics.is_empty() { "every topic".to_owned() } else { handler.topics.join(", ") };
        table.note(format!("on {}", clean(&topics)), Tone::Plain);
        for condition in handler.conditions() {
            table.note(format!("if {}", clean(&condition)), Tone::Faint);
        }
        for started in handler.started() {
            table.note(format!("starts {}", clean(&started)), Tone::Faint);
        }
    }
    table.print(screen)
}

impl HandlerOf {
    /// What is not as it mostly is.
    fn facts(&self) -> String {
        let mut facts = Vec::new();
        if self.paused {
            facts.push("paused".to_owned());
        }
        if self.delivery == DeliveryMode::AtLeastOnce {
            facts.push("at least once".to_owned());
        }
        if self.max_concurrency > 1 {
            facts.push(format!("{} at a time", self.max_concurrency));
        }
        if let Some(policy) = &self.retry_policy {
            facts.push(count(policy.attempts as usize, "attempt"));
        }
        facts.join(", ")
    }

    /// What has to hold of an event beside its topic.
    fn conditions(&self) -> Vec<String> {
        let mut conditions: Vec<String> = self.filters.iter().map(condition).collect();
        conditions.extend(self.when.clone());
        let lists = [
            ("tags include", &self.tags),
            ("source is", &self.sources),
            ("routing key is", &self.routing_keys),
        ];
        for (words, list) in lists {
            if !list.is_empty() {
                conditions.push(format!("{words} {}", list.join(", ")));
            }
        }
        conditions.extend(self.min_priority.map(|least| format!("priority is at least {least}")));
        conditions
    }

    /// The workflows that it starts.
    fn started(&self) -> Vec<String> {
        let name = |trigger: &Value| {
            let workflow = trigger.get("workflow").unwrap_or(trigger);
            workflow.as_str().map_or_else(|| workflow.to_string(), str::to_owned)
        };
        self.triggers.as_array().map(|all| all.iter().map(name).collect()).unwrap_or_default()
    }
}

/// `tenant is one of ["a","b"]`.
fn condition(filter: &Value) -> String {
    let path = filter["path"].as_str().unwrap_or_default();
    let mut words = Vec::new();
    if !filter["equals"].is_null() {
        words.push(format!("is {}", filter["equals"]));
    }
    if !filter["any_of"].is_null() {
        words.push(format!("is one of {}", filter["any_of"]));
    }
    match filter["exists"].as_bool() {
        Some(true) => words.push("is there".to_owned()),
        Some(false) => words.push("is not there".to_owned()),
        None => {}
    }
    if words.is_empty() {
        words.push("is null".to_owned());
    }
    format!("{path} {}", words.join(" and "))
}

fn counts(screen: &mut Screen, counting: &Counting, now: Timestamp) -> io::Result<()> {
    writeln!(screen, "process {}, started {}", counting.process.pid, time::ago(counting.process.since, now))?;
    let mut table = Table::new([
        Column::new("handler", Room::Middle),
        Column::right("ok"),
        Column::right("failed"),
        Column::right("tries"),
        Column::right("average"),
        Column::right("in hand"),
        Column::new("", Room::End),
    ]);
    for handler in &counting.handlers {
        let HandlerStatus { counts, .. } = handler;
        let (ok, failed) = (counts.succeeded.count, counts.failed.count);
        table.row([
            (handler.handler.clone(), Tone::Strong),
            plain(ok.to_string()),
            (failed.to_string(), if failed > 0 { Tone::Bad } else { Tone::Plain }),
            plain(counts.attempts.to_string()),
            plain(average(handler).unwrap_or_else(|| "-".to_owned())),
            plain(handler.in_hand.to_string()),
            (rare(handler), Tone::Odd),
        ]);
    }
    table.print(screen)
}

fn average(handler: &HandlerStatus) -> Option<String> {
    let (succeeded, failed) = (&handler.counts.succeeded, &handler.counts.failed);
    let calls = succeeded.count + failed.count;
    (calls > 0).then(|| format!("{:.1}ms", (succeeded.sum_ms + failed.sum_ms) / calls as f64))
}

/// What mostly does not happen.
fn rare(handler: &HandlerStatus) -> String {
    let counts = &handler.counts;
    let some = [
        (counts.buffered, "in memory"),
        (counts.refused, "refused"),
        (counts.overflowed + counts.abandoned, "dropped"),
        (counts.expired, "expired"),
        (counts.undecided, "undecided"),
        (counts.dead, "dead"),
    ];
    let counted = some.iter().filter(|(some, _)| *some > 0).map(|(some, word)| format!("{some} {word}"));
    let shut = (handler.shut || counts.paused).then(|| "takes nothing now".to_owned());
    shut.into_iter().chain(counted).collect::<Vec<_>>().join(", ")
}

fn newest(screen: &mut Screen, last: &LastEvent, now: Timestamp) -> io::Result<()> {
    let LastEvent { topic, matched_handlers, failures, .. } = last;
    let failed = if *failures > 0 { format!(", {failures} failed") } else { String::new() };
    let handlers = count(*matched_handlers, "handler");
    let text = format!("newest event: {} {}, {handlers}{failed}", clean(topic), time::ago(last.at, now));
    writeln!(screen, "{}", screen.palette.paint(Tone::Faint, &cut(&text, screen.width)))
}

fn verdicts(screen: &mut Screen, explained: &[Explained], topic: &Topic) -> io::Result<()> {
    let mut table =
        Table::new([Column::new("", Room::Middle), Column::new("", Room::Whole), Column::new("", Room::End)]);
    let (mut gets, mut others) = (0, 0);
    for Explained { handler, verdict } in explained {
        let (word, tone) = match verdict {
            Verdict::Gets { .. } => {
                gets += 1;
                ("yes", Tone::Good)
            }
            // They would only hide those that matter.
            Verdict::OtherTopic => {
                others += 1;
                continue;
            }
            Verdict::Unwanted { .. } | Verdict::Exclusive { .. } => ("no", Tone::Odd),
            Verdict::Undecided { .. } => ("no", Tone::Bad),
        };
        table.row([
            (handler.to_string(), Tone::Strong),
            (word.to_owned(), tone),
            plain(clean(&verdict.to_string())),
        ]);
    }
    let topic = screen.palette.paint(Tone::Strong, &clean(topic.as_str()));
    let others = match others {
        0 => String::new(),
        some => format!("; {some} {} other topics", if some == 1 { "wants" } else { "want" }),
    };
    writeln!(screen, "{topic}: {} would get it{others}", count(gets, "handler"))?;
    table.print(screen)
}

#[cfg(test)]
mod tests {
    use oneiric_runtime::{Counts, DurationCounts, Turn};
    use serde_json::json;

    use super::*;
    use crate::output::tests::printed;
    use crate::peers::Process;

    const NOW: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn before(seconds: i64) -> Timestamp {
        Timestamp::from_micros(NOW.as_micros() - seconds * 1_000_000)
    }

    fn handler(name: &str, topics: &[&str], filters: Vec<Value>, triggers: Value) -> HandlerOf {
        HandlerOf {
            name: name.to_owned(),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
            max_concurrency: 1,
            priority: 0,
            fanout_policy: FanoutPolicy::Broadcast,
            retry_policy: None,
            filters,
            when: None,
            tags: Vec::new(),
            sources: Vec::new(),
            routing_keys: Vec::new(),
            min_priority: None,
            delivery: DeliveryMode::FireAndForget,
            buffer: 1000,
            overflow: oneiric_core::manifest::Overflow::Block,
            timeout_seconds: 30.0,
            idempotent: None,
            triggers,
            paused: false,
        }
    }

    fn sample() -> Events {
        let filter =
            json!({"path": "payload.tenant", "equals": null, "any_of": ["fastblocks"], "exists": null});
        let first = HandlerOf {
            max_concurrency: 5,
            delivery: DeliveryMode::AtLeastOnce,
            paused: true,
            when: Some("payload.total > 100".to_owned()),
            ..handler(
                "fastblocks.order.created:fastblocks",
                &["fastblocks.order.created", "fastblocks.order.updated"],
                vec![filter],
                json!(["fastblocks.workflows.fulfillment"]),
            )
        };
        let durations =
            |count, sum_ms| DurationCounts { count, sum_ms, buckets: vec![0; 15], attempts: count };
        let status = HandlerStatus {
            handler: "shop.audit:files".to_owned(),
            key: "shop.audit".parse().unwrap(),
            topics: Vec::new(),
            in_hand: 2,
            shut: true,
            counts: Counts {
                succeeded: durations(12, 60.0),
                failed: durations(3, 3.0),
                attempts: 15,
                refused: 1,
                dead: 3,
                ..Counts::default()
            },
        };
        Events {
            handlers: vec![first, handler("shop.audit:files", &[], Vec::new(), json!([]))],
            last_event: Some(LastEvent {
                topic: "order.paid".to_owned(),
                event_id: "e-1".to_owned(),
                matched_handlers: 3,
                failures: 1,
                total_duration_ms: 7.0,
                handlers: Vec::new(),
                recorded_at: String::new(),
                at: before(12),
            }),
            explained: None,
            processes: vec![Counting { process: Process::new(4711, before(190)), handlers: vec![status] }],
        }
    }

    #[test]
    fn who_wants_what_fits_the_terminal() {
        let events = sample();
        insta::assert_snapshot!("events_80", printed(80, |screen| print(screen, &events, None, NOW)));
        insta::assert_snapshot!("events_100", printed(100, |screen| print(screen, &events, None, NOW)));
    }

    #[test]
    fn who_would_get_an_event_is_told_with_the_reason() {
        let explained = |handler: &str, verdict| Explained { handler: handler.into(), verdict };
        let events = Events {
            explained: Some(vec![
                explained("shop.mail:smtp", Verdict::Gets { turn: Turn::Ordered(1) }),
                explained(
                    "fastblocks.order.created:fastblocks",
                    Verdict::Unwanted { reason: "`payload.total > 100` does not hold".to_owned() },
                ),
                explained("shop.audit:files", Verdict::OtherTopic),
            ]),
            ..sample()
        };
        let topic = "order.paid".parse().unwrap();
        insta::assert_snapshot!(
            "verdicts_80",
            printed(80, |screen| print(screen, &events, Some(&topic), NOW))
        );
    }
}

//! `event tail`: the newest events, and what comes after them.
//!
//! What is accepted is read from the store, as `run watch` reads a run: no process has to be asked.

use std::time::Duration;

use oneiric_core::Clock as _;
use oneiric_core::settings::masked;
use oneiric_runtime::{SystemClock, Tail, json};
use oneiric_store::{EnvelopeRecord, SqliteStore};

use crate::args::TailArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::text::{clean, cut, squeeze};
use crate::output::{Screen, time};
use crate::session::{self, Session};
use crate::signals::Signals;
use crate::wait::wait;

/// How often the log is looked at while it is followed: often enough that a person sees no delay.
const GLANCE: Duration = Duration::from_millis(100);

/// A look may take this part of the time.
const SHARE: u32 = 10;

/// Columns of an id.
const ID: usize = 13;

/// Prints them.
pub(in crate::commands) fn tail(session: &mut Session, args: TailArgs) -> Result<Code, Failure> {
    let follow = args.follow;
    let mut tailing = Tailing { args, open: None };
    if !follow {
        tailing.look(session)?;
        return Ok(Code::Ok);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::said(Code::Execution, format!("cannot start a runtime: {error}")))?;
    runtime.block_on(async {
        let mut signals = Signals::catch()
            .map_err(|error| Failure::said(Code::Execution, format!("cannot catch signals: {error}")))?;
        let clock = SystemClock::default();
        loop {
            let began = clock.monotonic();
            tailing.look(session)?;
            if session.screen.is_gone() {
                return Ok(Code::Ok);
            }
            let took = clock.monotonic().saturating_sub(began);
            tokio::select! {
                () = clock.sleep(GLANCE.max(took * SHARE)) => {}
                code = signals.next() => return Ok(code),
            }
        }
    })
}

/// The log, and the place that was reached in it; none where there is no state yet.
struct Tailing {
    args: TailArgs,
    open: Option<(SqliteStore, Tail)>,
}

impl Tailing {
    /// Prints what is new.
    fn look(&mut self, session: &mut Session) -> Result<(), Failure> {
        if self.open.is_none() {
            let Some(store) = session.store()? else { return Ok(()) };
            let topics = self.args.topics.clone();
            let tail = match self.args.since {
                Some(when) => Tail::since(topics, Some(when.seen_from(session::now()))),
                None => wait(Tail::newest(&store, topics, self.args.lines as usize))?,
            };
            self.open = Some((store, tail));
        }
        let Some((store, tail)) = &mut self.open else { return Ok(()) };
        loop {
            let events = wait(tail.next(store))?;
            if events.is_empty() || session.screen.is_gone() {
                return Ok(());
            }
            for event in &events {
                if session.for_programs() {
                    session.lines(&json::Event::of(event))?;
                } else {
                    let line = line(&session.screen, event);
                    session.screen.text(&line)?;
                }
            }
        }
    }
}

/// `2026-01-31 10:30:00  #42  order.paid  order-7  {"order":7}`.
fn line(screen: &Screen, event: &EnvelopeRecord) -> String {
    let envelope = &event.envelope;
    let (at, place) = (time::local(event.accepted_at), format!("#{}", event.n));
    // Its place names it as well.
    let (topic, id) = (clean(envelope.topic.as_str()), squeeze(&clean(event.id.as_str()), ID));
    let payload = clean(&masked(envelope.payload.value()).to_string());
    let text = format!("{at}  {place:<6}  {topic}  {id}  {payload}");
    let text = cut(&text, screen.width);
    // What was cut away is not painted.
    match text.strip_prefix(&format!("{at}  {place:<6}  {topic}")) {
        None => format!("{text}\n"),
        Some(rest) => {
            let at = screen.palette.paint(Tone::Faint, &format!("{at}  {place:<6}"));
            format!("{at}  {}{rest}\n", screen.palette.paint(Tone::Strong, &topic))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use oneiric_core::Timestamp;
    use oneiric_core::roles::Envelope;
    use serde_json::json;

    use super::*;
    use crate::output::tests::printed;

    #[test]
    fn an_event_is_a_line() {
        let event = |n, id: &str, payload| {
            let envelope = Envelope::new("order.paid".parse().unwrap(), payload);
            let at = Timestamp::from_micros(1_700_000_000_000_000);
            EnvelopeRecord { n, ..EnvelopeRecord::new(id.parse().unwrap(), envelope, at) }
        };
        let events = [
            event(7, "order-7", json!({"order": 7})),
            event(
                4711,
                "019aa9d0-2a3b-7c4d-8e5f-001122334455",
                json!({"password": "x", "note": "two\nlines"}),
            ),
        ];
        let print = |screen: &mut Screen| {
            let lines: String = events.iter().map(|event| line(screen, event)).collect();
            screen.write_all(lines.as_bytes())
        };
        insta::with_settings!({filters => vec![(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "[local time]")]}, {
            insta::assert_snapshot!("tail_80", printed(80, print));
        });
    }
}

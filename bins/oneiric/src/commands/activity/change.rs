//! What an operator says of a component, with or without a live process.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::{Domain, Key};
use oneiric_runtime::SystemClock;
use oneiric_runtime::activity::{Change, Flight, Marks, Operator, Wish};
use oneiric_runtime::control::{Answer, Request, live};
use oneiric_runtime::json::ActivityState;
use oneiric_store::sqlite::Options;
use oneiric_store::{ActivityRecord, Store};

use crate::args::{AcceptArgs, PauseArgs};
use crate::commands::conduct::on_workers;
use crate::exit::Code;
use crate::failure::Failure;
use crate::known::Known;
use crate::output::Screen;
use crate::output::palette::Tone;
use crate::output::text::clean;
use crate::peers;
use crate::session::{self, Session};

/// How long processes may take to say what they know: it is only for a hint, and what is wanted may be urgent.
const HINT: Duration = Duration::from_millis(500);

/// `pause`, and with `--resume` its end.
pub(in crate::commands) fn pause(session: &mut Session, args: &PauseArgs) -> Result<Code, Failure> {
    let wish = if args.resume { Wish::Unpause } else { Wish::Pause };
    let change = Change { wish, note: args.note.clone() };
    said_and_shown(session, &args.domain, args.key.key(), &change)
}

/// `resume`.
pub(in crate::commands) fn resume(session: &mut Session, args: &AcceptArgs) -> Result<Code, Failure> {
    let change = Change { wish: Wish::Accept, note: args.note.clone() };
    said_and_shown(session, &args.domain, args.key.key(), &change)
}

/// Says it and shows what is true then.
pub(super) fn said_and_shown(
    session: &mut Session,
    domain: &Domain,
    key: &Key,
    change: &Change,
) -> Result<Code, Failure> {
    let closes = matches!(change.wish, Wish::Pause | Wish::Drain);
    let before = super::said(session)?;
    if closes {
        expect(session, domain, key)?;
    } else {
        expect_said(&before, domain, key)?;
    }
    let flight = match operator(session, closes || change.note.as_ref().is_some_and(|note| !note.is_empty()))?
    {
        Some((operator, store)) => on_workers(async move {
            operator.change(domain, key, change).await?;
            let flight = operator.flight(domain, key).await?;
            store.close().await?;
            Ok::<Flight, Failure>(flight)
        })?,
        // Nobody ever said anything here, and this says nothing new.
        None => {
            let record = ActivityRecord::accepting(domain.clone(), key.clone(), session::now());
            Flight { record, processes: Vec::new() }
        }
    };
    let accepted = accepts(&before, domain, key);
    session.screen.emit(&ActivityState::new(&flight), |screen| {
        shown(screen, change.wish, &flight)?;
        if accepted && !closes {
            writeln!(screen, "  {}", screen.palette.paint(Tone::Faint, &already(key)))?;
        }
        Ok(())
    })?;
    Ok(Code::Ok)
}

fn accepts(said: &[ActivityRecord], domain: &Domain, key: &Key) -> bool {
    !said.iter().any(|record| record.domain == *domain && record.key == *key && !record.accepts())
}

/// That the one who takes something back names the component of which it was said: `--domain` is easily
/// forgotten, and the other one would stay as it is.
fn expect_said(said: &[ActivityRecord], domain: &Domain, key: &Key) -> Result<(), Failure> {
    let other = said.iter().find(|record| record.key == *key && !record.accepts());
    match other {
        Some(other) if accepts(said, domain, key) => {
            let at = &other.domain;
            let marks = Marks { paused: other.paused, draining: other.draining };
            let message = format!("{domain}:{key} takes work already; {at}:{key} is {marks}");
            Err(Failure::said(Code::Resolution, message).help(format!("add `--domain {at}`")))
        }
        Some(_) | None => Ok(()),
    }
}

/// What a wish without effect may have been meant for.
fn already(key: &Key) -> String {
    let run = key.as_str() == "latest" || key.as_str().chars().all(|c| c.is_ascii_hexdigit());
    let hint = if run { "; for runs there is `oneiric run resume`" } else { "" };
    format!("it took work already{hint}")
}

/// Whoever speaks on the state folder, and the store to close at the end.
pub(super) type Desk = (Operator, Arc<dyn Store>);

/// Whoever speaks on the state folder. `None` where there is no state and nothing
/// `needs` it: what is only taken back creates nothing.
pub(super) fn operator(session: &Session, needs: bool) -> Result<Option<Desk>, Failure> {
    let state_dir = session.state_dir()?;
    if !needs && session.store()?.is_none() {
        return Ok(None);
    }
    let Some(store) = oneiric_runtime::open_store(&state_dir, Options::default())? else { return Ok(None) };
    let store: Arc<dyn Store> = Arc::new(store);
    let operator = Operator::new(Arc::clone(&store), Arc::new(SystemClock::default())).at(state_dir);
    Ok(Some((operator, store)))
}

/// That somebody knows the component. One that is known in another domain is a mistake; one that nobody
/// knows may come later, and its operator is told so.
pub(super) fn expect(session: &Session, domain: &Domain, key: &Key) -> Result<(), Failure> {
    let mut rows = Vec::new();
    let request = Request::Status { domain: None, key: None };
    for told in peers::ask(live(&session.state_dir()?), &request, HINT) {
        if let Ok(Answer::Status(status)) = told.answer {
            rows.extend(status.components.into_iter().map(|component| (component.domain, component.key)));
        }
    }
    // A run that was taken over brings components of its own manifests along.
    let request = Request::Activity { domain: None, key: None };
    for told in peers::ask(live(&session.state_dir()?), &request, HINT) {
        if let Ok(Answer::Activity(activity)) = told.answer {
            rows.extend(activity.in_flight.into_iter().map(|one| (one.domain, one.key)));
        }
    }
    let nobody = rows.is_empty() && session.manifests.is_empty();
    let catalog = session.catalog()?;
    let registry = catalog.registry();
    for known in registry.domains() {
        let names = registry.active(known).map(|found| found.descriptor());
        rows.extend(names.map(|found| (found.domain.clone(), found.key.clone())));
    }
    let known = Known::of(rows.iter().map(|(domain, key)| (domain, key)));
    match known.expect(Some(domain), Some(key)) {
        Ok(()) => Ok(()),
        Err(failure) if known.elsewhere(key).is_some() => Err(failure),
        // Without a manifest and a live process only what is built in is known.
        Err(_) if nobody => Ok(()),
        Err(failure) => {
            tracing::warn!("{failure} to live processes and manifests; it counts for who comes with it");
            Ok(())
        }
    }
}

/// Upstream's line, which scripts read, and what is in flight.
pub(super) fn shown(screen: &mut Screen, wish: Wish, flight: &Flight) -> io::Result<()> {
    let record = &flight.record;
    let note = record.note.as_deref().map_or("none".to_owned(), clean);
    let tone = if record.accepts() { Tone::Good } else { Tone::Odd };
    let word = match wish {
        Wish::Pause => "Paused",
        Wish::Drain => "Marked draining for",
        Wish::Undrain => "Cleared draining for",
        Wish::Unpause | Wish::Accept => "Resumed",
    };
    let word = screen.palette.paint(tone, word);
    writeln!(screen, "{word} {}:{} (note={note})", record.domain, record.key)?;
    let mut facts = Vec::new();
    if !record.accepts() {
        facts.push(match flight.in_flight() {
            0 => "nothing is in flight".to_owned(),
            count => format!("{count} in flight {} on", if count == 1 { "goes" } else { "go" }),
        });
    }
    // Asked for less than everything, and told so.
    if record.draining && wish == Wish::Unpause {
        facts.push("it still drains: `oneiric resume` takes work again".to_owned());
    }
    if record.paused && wish == Wish::Undrain {
        facts.push("it is still paused: `oneiric resume` takes work again".to_owned());
    }
    facts.extend(silent(flight));
    if facts.is_empty() {
        return Ok(());
    }
    let facts = screen.palette.paint(Tone::Faint, &facts.join("; "));
    writeln!(screen, "  {facts}")
}

/// `process 4711 does not answer`.
pub(super) fn silent(flight: &Flight) -> Option<String> {
    let pids: Vec<_> = flight.silent().map(|pid| pid.to_string()).collect();
    match pids.as_slice() {
        [] => None,
        [one] => Some(format!("process {one} does not answer")),
        many => Some(format!("processes {} do not answer", many.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::Timestamp;
    use oneiric_runtime::activity::ProcessFlight;

    use super::*;
    use crate::output::tests::printed;

    fn record(domain: Domain, marks: (bool, bool), note: Option<&str>) -> ActivityRecord {
        let at = Timestamp::from_micros(0);
        let note = note.map(str::to_owned);
        let none = ActivityRecord::accepting(domain, "charge".parse().unwrap(), at);
        ActivityRecord { paused: marks.0, draining: marks.1, note, ..none }
    }

    #[test]
    fn what_was_said_stands_on_one_line_and_its_consequences_below() {
        let check = |wish, marks, note, flights: &[(u32, Option<u64>)], expected: &str| {
            let processes = flights.iter().map(|(pid, count)| ProcessFlight { pid: *pid, in_flight: *count });
            let flight = Flight { record: record(Domain::TASK, marks, note), processes: processes.collect() };
            let shown = printed(100, |screen| shown(screen, wish, &flight));
            assert_eq!(shown.trim_end(), expected);
        };
        let (paused, draining, both, none) = ((true, false), (false, true), (true, true), (false, false));
        check(
            Wish::Pause,
            paused,
            Some("bank"),
            &[(1, Some(1))],
            "Paused task:charge (note=bank)\n  1 in flight goes on",
        );
        check(
            Wish::Drain,
            draining,
            None,
            &[(1, Some(2)), (2, None)],
            "Marked draining for task:charge (note=none)\n  2 in flight go on; process 2 does not answer",
        );
        check(
            Wish::Unpause,
            draining,
            None,
            &[],
            "Resumed task:charge (note=none)\n  nothing is in flight; it still drains: `oneiric resume` takes \
             work again",
        );
        check(
            Wish::Undrain,
            paused,
            None,
            &[],
            "Cleared draining for task:charge (note=none)\n  nothing is in flight; it is still paused: `oneiric \
             resume` takes work again",
        );
        check(Wish::Accept, none, Some("\u{1b}[31m"), &[], "Resumed task:charge (note=\\u{1b}[31m)");
        assert!(!record(Domain::TASK, both, None).accepts());
    }

    #[test]
    fn a_forgotten_domain_is_noticed_when_something_is_taken_back() {
        let key = "charge".parse().unwrap();
        let said =
            [record(Domain::TASK, (true, false), None), record(Domain::SERVICE, (false, false), Some("n"))];
        let error = expect_said(&said, &Domain::ADAPTER, &key).unwrap_err();
        assert_eq!(error.to_string(), "adapter:charge takes work already; task:charge is paused");
        assert_eq!(error.code(), Code::Resolution);
        assert!(expect_said(&said, &Domain::TASK, &key).is_ok());
        assert!(expect_said(&said[1..], &Domain::ADAPTER, &key).is_ok());
        assert!(already(&"latest".parse().unwrap()).contains("run resume"));
        assert_eq!(already(&key), "it took work already");
    }
}

//! `event dead-letters`: deliveries that have failed for good.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use oneiric_core::Timestamp;
use oneiric_runtime::json::DeadLetter;
use oneiric_runtime::{EventQuery, EventSelection, Repeat, ReplayRequest, list_events};
use oneiric_store::{DeliveryStatus, Store};
use serde::Serialize;

use super::{find, replay};
use crate::args::{
    DeadDropArgs, DeadLettersArgs, DeadLettersCommand, DeadListArgs, DeadReplayArgs, DeadSelection, Pace,
};
use crate::commands::conduct::{Conductor, on_workers};
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::palette::Tone;
use crate::output::table::{Column, Room, Table, plain};
use crate::output::text::clean;
use crate::output::{Screen, time};
use crate::session::{self, Session};
use crate::wait::wait;

const DEAD: &[DeliveryStatus] = &[DeliveryStatus::Dead];

/// Lists them, or does something with them.
pub(in crate::commands) fn dead_letters(
    session: &mut Session,
    args: DeadLettersArgs,
) -> Result<Code, Failure> {
    match args.command {
        None => list(session, args.list),
        Some(DeadLettersCommand::Replay(args)) => again(session, args),
        Some(DeadLettersCommand::Drop(args)) => give_up(session, &args),
    }
}

/// `{"dead_letters":[...]}`, those of the newest events first.
#[derive(Serialize)]
struct Listing {
    dead_letters: Vec<DeadLetter>,
}

fn list(session: &mut Session, args: DeadListArgs) -> Result<Code, Failure> {
    let mut dead_letters = Vec::new();
    if let Some(store) = session.store()? {
        let handler = args.handler.map(|text| find::handler(&store, &text, DEAD)).transpose()?;
        let query = EventQuery {
            topics: args.topics,
            handler: handler.clone(),
            statuses: DEAD.to_vec(),
            before: args.before,
            limit: args.limit as usize,
            ..EventQuery::default()
        };
        for logged in wait(list_events(&store, &query))? {
            dead_letters.extend(DeadLetter::of(&logged, handler.as_deref()));
        }
    }
    let listing = Listing { dead_letters };
    let now = session::now();
    session.screen.emit(&listing, |screen| print(screen, &listing.dead_letters, now))?;
    Ok(Code::Ok)
}

fn print(screen: &mut Screen, lines: &[DeadLetter], now: Timestamp) -> io::Result<()> {
    if lines.is_empty() {
        return writeln!(screen, "(none)");
    }
    let mut table = Table::new([
        Column::right("place"),
        Column::new("event", Room::Middle),
        Column::new("topic", Room::Middle),
        Column::new("handler", Room::Middle),
        Column::right("tries"),
        Column::new("failed", Room::Whole),
    ]);
    for line in lines {
        table.row([
            plain(format!("#{}", line.n)),
            (clean(&line.event_id), Tone::Strong),
            plain(clean(&line.topic)),
            plain(clean(&line.handler)),
            plain(line.attempts.to_string()),
            (time::ago(line.since, now), Tone::Faint),
        ]);
        if let Some(fault) = &line.fault {
            table.note(clean(&fault.message), Tone::Bad);
        }
    }
    table.print(screen)
}

/// What is meant, among the dead letters of a store.
fn selection(store: &dyn Store, args: &DeadSelection) -> Result<EventSelection, Failure> {
    let handlers = match &args.handler {
        Some(text) => find::handlers(store, text, DEAD)?,
        None => BTreeSet::new(),
    };
    let ids = find::ids(Some(store), &args.ids)?;
    Ok(EventSelection { ids, topics: args.topics.clone(), handlers, ..EventSelection::default() })
}

/// The state, for reading.
fn store(session: &Session) -> Result<oneiric_store::SqliteStore, Failure> {
    session.store()?.ok_or_else(|| {
        Failure::said(Code::Resolution, "there is no event yet, and no dead letter")
            .help("`--state-dir` names another state folder")
    })
}

fn again(session: &mut Session, args: DeadReplayArgs) -> Result<Code, Failure> {
    let of = selection(&store(session)?, &args.of)?;
    let Pace { rate, dry_run, .. } = args.pace;
    let request = ReplayRequest { of, repeat: Repeat::Dead, triggers: false, rate, dry_run };
    replay::carry_out(session, request, &args.pace)
}

/// `{"dropped":3}`.
#[derive(Serialize)]
struct Dropped {
    dropped: u64,
}

fn give_up(session: &mut Session, args: &DeadDropArgs) -> Result<Code, Failure> {
    let of = selection(&store(session)?, &args.of)?;
    if args.of.ids.is_empty() && !args.yes {
        let message = "dead letters that are not named one by one are given up with `--yes` only";
        let command = session.command("event dead-letters");
        return Err(Failure::said(Code::Configuration, message)
            .help(format!("`{command}` shows them; add `--yes`, or name their events")));
    }
    let dropped = on_workers(async {
        let conductor = Conductor::start(session, async |_| Ok(())).await?;
        match conductor.oneiric().drop_dead_letters(of).await {
            Ok(dropped) => {
                conductor.leave().await;
                Ok(dropped)
            }
            Err(error) => conductor.give_up(error.into()).await,
        }
    })?;
    let letters = if dropped == 1 { "1 dead letter".to_owned() } else { format!("{dropped} dead letters") };
    session.screen.emit(&Dropped { dropped }, |screen| writeln!(screen, "gave up {letters}"))?;
    Ok(Code::Ok)
}

#[cfg(test)]
mod tests {
    use oneiric_core::Fault;
    use oneiric_runtime::json::FaultShape;

    use super::*;
    use crate::output::tests::printed;

    #[test]
    fn dead_letters_fit_the_terminal() {
        let at = Timestamp::from_micros(1_700_000_000_000_000);
        let line = |n, event: &str, handler: &str, attempts, why: &str| DeadLetter {
            n,
            event_id: event.to_owned(),
            topic: "order.paid".to_owned(),
            handler: handler.to_owned(),
            attempts,
            deaths: 0,
            at: time::rfc3339(at),
            fault: Some(FaultShape::from(&Fault::permanent("x", why))),
            since: at,
        };
        let lines = [
            line(412, "019aa9d0-2a3b-7c4d-8e5f-001122334455", "shop.bank:wire", 3, "no route to the bank"),
            line(7, "order-7", "shop.mail:smtp", 1, "the mailbox of ada@example.org is full since Tuesday"),
        ];
        let now = at.after(std::time::Duration::from_secs(190));
        insta::assert_snapshot!("dead_80", printed(80, |screen| print(screen, &lines, now)));
        insta::assert_snapshot!("dead_100", printed(100, |screen| print(screen, &lines, now)));
    }
}

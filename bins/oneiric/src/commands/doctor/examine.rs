//! Looking: rows, processes, files. Creates and changes nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::thread;
use std::time::Duration;

use oneiric_core::{BootId, RunId, Timestamp};
use oneiric_runtime::control;
use oneiric_store::liveness::{self, Violation};
use oneiric_store::{
    BootRecord, BootSeen, DeliveryFilter, RunFilter, RunRecord, RunStatus, SqliteStore, Store,
};

use super::meaning::{self, About};
use super::{Examination, Finding, Hint, Sound};
use crate::failure::Failure;
use crate::output::text::{count, duration};
use crate::session::{self, Session};
use crate::wait::wait;

/// How long a process that serves has to see to what was found. It looks several times in the time of a
/// lease, and at once where it hears the bell; what is left then is stuck.
const SETTLING: Duration = Duration::from_secs(3);

/// How often what was found is looked at again meanwhile.
const GLANCE: Duration = Duration::from_millis(100);

/// Findings that are listed; the rest is counted.
const LISTED: usize = 100;

/// Runs that are looked for because they wait for anybody at all.
const WAITING: usize = 1000;

/// Everything that is to be told.
pub(super) fn examine(session: &Session) -> Result<Examination, Failure> {
    let state_dir = session.state_dir()?;
    let mut found = Examination {
        place: state_dir.display().to_string(),
        liveness: liveness::counts(&[]),
        findings: Vec::new(),
        more: 0,
        hints: Vec::new(),
        store: None,
        fixed: None,
    };
    found.hints.extend(files("socket", &control::stale(&state_dir), session));
    let Some(store) = session.store()? else { return Ok(found) };
    let (violations, boots) = settled(&store)?;
    found.liveness = liveness::counts(&violations);
    let total = violations.len() + boots.iter().filter(|seen| seen.dead).count();
    processes(&mut found, session, &boots);
    rows(&mut found, session, &store, &violations)?;
    found.more = (total - found.findings.len()) as u64;
    found.hints.extend(files("lock file", &wait(store.stale_locks())?, session));
    found.hints.extend(waiting(session, &store, &boots)?);
    let report = wait(store.check())?;
    found.findings.extend(report.problems.iter().map(|problem| Finding {
        kind: "store",
        run: None,
        event: None,
        handler: None,
        node: None,
        pid: None,
        since: None,
        means: problem.clone(),
        cure: "stop what works on it, keep a copy of the whole folder, and go back to a backup".to_owned(),
    }));
    found.store = Some(Sound { checked: report.checked.into_iter().collect(), problems: report.problems });
    Ok(found)
}

/// What is stuck, once whoever serves has had the time to see to it.
pub(super) fn settled(store: &SqliteStore) -> Result<(Vec<Violation>, Vec<BootSeen>), Failure> {
    let mut waited = Duration::ZERO;
    loop {
        let (violations, boots) = (wait(store.violations())?, wait(store.boots())?);
        let served = boots.iter().any(|seen| seen.boot.serves && !seen.dead);
        let clean = violations.is_empty() && !boots.iter().any(|seen| seen.dead);
        if clean || !served || waited >= SETTLING {
            return Ok((violations, boots));
        }
        thread::sleep(GLANCE);
        waited += GLANCE;
    }
}

/// Those that are dead and not buried, and those that look as if they stood still.
fn processes(found: &mut Examination, session: &Session, boots: &[BootSeen]) {
    let now = session::now();
    for seen @ BootSeen { boot, owns, dead, .. } in boots {
        let owned = owned(seen);
        let silence = now.since(boot.beat_at);
        if *dead && found.findings.len() < LISTED {
            found.findings.push(Finding {
                kind: "dead_process",
                run: None,
                event: None,
                handler: None,
                node: None,
                pid: Some(boot.pid),
                since: Some(boot.beat_at),
                means: format!("process {} died without taking leave; it owned {owned}", boot.pid),
                cure: session.command("doctor --fix"),
            });
        } else if !*dead && *owns > 0 && silence > boot.lease() {
            found.hints.push(Hint {
                kind: "silent_process",
                says: format!(
                    "process {} owns {owned} and gave no sign of life for {}, by the wall clock; it may be \
                     stopped, or the clock was set",
                    boot.pid,
                    duration(silence)
                ),
                cure: Some(format!("kill -CONT {pid}, or kill -KILL {pid}", pid = boot.pid)),
            });
        }
    }
}

/// What a process has: `2 runs and 1 event`; runs also where there are none.
pub(super) fn owned(seen: &BootSeen) -> String {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let runs = count(number(seen.owns - seen.deliveries), "run");
    match seen.deliveries {
        0 => runs,
        some => format!("{runs} and {}", count(number(some), "event")),
    }
}

fn rows(
    found: &mut Examination,
    session: &Session,
    store: &SqliteStore,
    violations: &[Violation],
) -> Result<(), Failure> {
    let mut runs: HashMap<RunId, Option<RunRecord>> = HashMap::new();
    let mut owners: HashMap<BootId, Option<BootRecord>> = HashMap::new();
    let room = LISTED.saturating_sub(found.findings.len());
    for violation in violations.iter().take(room) {
        if let Some(Entry::Vacant(entry)) = violation.run.map(|run| runs.entry(run)) {
            let run = wait(store.run(*entry.key()))?;
            entry.insert(run);
        }
        if let Some(Entry::Vacant(entry)) = violation.boot.map(|boot| owners.entry(boot)) {
            let owner = wait(store.boot(*entry.key()))?;
            entry.insert(owner);
        }
        let about = About {
            violation,
            run: violation.run.and_then(|run| runs.get(&run)?.as_ref()),
            owner: violation.boot.and_then(|boot| owners.get(&boot)?.as_ref()),
        };
        found.findings.push(Finding {
            kind: violation.kind.name(),
            run: violation.run.map(|run| run.to_string()),
            event: violation.event.as_ref().map(ToString::to_string),
            handler: violation.handler.clone(),
            node: violation.node.as_ref().map(ToString::to_string),
            pid: about.owner.map(|owner| owner.pid),
            since: since(store, &about)?,
            means: meaning::means(&about),
            cure: meaning::cure(&about, session),
        });
    }
    Ok(())
}

/// Since when it is so: at the latest since the last word of whoever wrote.
fn since(store: &SqliteStore, about: &About<'_>) -> Result<Option<Timestamp>, Failure> {
    use liveness::Kind;
    if let Some((event, handler)) = about.violation.event.as_ref().zip(about.violation.handler.as_ref()) {
        let filter = DeliveryFilter { handler: Some(handler.clone()), ..DeliveryFilter::of(event.clone()) };
        return Ok(match about.violation.kind {
            Kind::OwnerDead => about.owner.map(|owner| owner.beat_at),
            Kind::OwnerEnded => about.owner.and_then(|owner| owner.ended_at),
            _ => wait(store.deliveries(filter))?.first().map(|(_, delivery)| delivery.state.at),
        });
    }
    let Some(run) = about.violation.run else { return Ok(None) };
    Ok(match about.violation.kind {
        Kind::OwnerDead => about.owner.map(|owner| owner.beat_at),
        Kind::OwnerEnded => about.owner.and_then(|owner| owner.ended_at),
        Kind::Leaked | Kind::StaleCommand => about.run.and_then(|run| run.state.ended_at),
        Kind::Unowned | Kind::NoReason => last_word(store, run)?
            .or_else(|| about.run.map(|run| run.state.started_at.unwrap_or(run.created_at))),
        Kind::InFlight | Kind::NoWake => {
            let nodes = wait(store.nodes(run))?;
            let node = nodes.into_iter().find(|node| Some(&node.name) == about.violation.node.as_ref());
            node.and_then(|node| node.ended_at.or(node.started_at))
        }
        Kind::Stranded => None,
    })
}

fn last_word(store: &SqliteStore, run: RunId) -> Result<Option<Timestamp>, Failure> {
    let last = wait(store.last_seq(run))?;
    let entries = wait(store.journal(run, last.saturating_sub(1), 1))?;
    Ok(entries.last().map(|entry| entry.at))
}

/// Runs and events that wait although nobody serves: nothing is wrong with that, and nothing will happen.
fn waiting(session: &Session, store: &SqliteStore, boots: &[BootSeen]) -> Result<Option<Hint>, Failure> {
    if boots.iter().any(|seen| seen.boot.serves && !seen.dead) {
        return Ok(None);
    }
    let statuses = vec![RunStatus::Pending, RunStatus::Running];
    let runs = wait(store.runs(RunFilter { statuses, ..RunFilter::newest(WAITING) }))?;
    let more = if runs.len() == WAITING { " or more" } else { "" };
    let runs = runs.iter().filter(|run| run.state.owner.is_none()).count();
    let handlers = wait(store.waiting())?.len();
    let runs = (runs > 0).then(|| format!("{}{more}", count(runs, "run")));
    let events = (handlers > 0).then(|| format!("events for {}", count(handlers, "handler")));
    let waiting: Vec<String> = runs.into_iter().chain(events).collect();
    if waiting.is_empty() {
        return Ok(None);
    }
    Ok(Some(Hint {
        kind: "nobody_serves",
        says: format!("no process here takes what waits for one: {}", waiting.join(", and ")),
        cure: Some(session.command("orchestrate")),
    }))
}

fn files(what: &str, stale: &[impl AsRef<Path>], session: &Session) -> Option<Hint> {
    let first = stale.first()?.as_ref();
    let more = match stale.len() {
        1 => String::new(),
        many => format!(" and {} more", many - 1),
    };
    Some(Hint {
        kind: "stale_file",
        says: format!("a {what} that a dead process left: {}{more}", first.display()),
        cure: Some(session.command("doctor --fix")),
    })
}

//! `event replay` and `event dead-letters replay`: events once more.

mod human;

use std::collections::BTreeMap;

use oneiric_runtime::{EventSelection, Repeat, ReplayReport, ReplayRequest, Replayed};
use serde::Serialize;

use super::find;
use crate::args::{Pace, ReplayArgs};
use crate::commands::conduct::{Conductor, on_workers};
use crate::exit::Code;
use crate::failure::Failure;
use crate::session::{self, Session};
use human::Progress;

/// What a replay did: the library's report, and what became of it here.
///
/// Shape in JSON: `{"dry_run":false,"events":3,"expired":0,"handlers":{"k:p":{"made":2,"again":0,"there":1,
/// "open":0,"succeeded":2,"failed":0}},"runs":0,"unstarted":0,"left":0,"interrupted":false}`.
#[derive(Debug, Serialize)]
struct Report {
    dry_run: bool,
    events: u64,
    expired: u64,
    handlers: BTreeMap<String, Handler>,
    runs: u64,
    unstarted: u64,
    /// Deliveries that are left to whoever serves, or to a later try.
    left: u64,
    interrupted: bool,
}

#[derive(Debug, Default, Serialize)]
struct Handler {
    #[serde(flatten)]
    replayed: Replayed,
    /// Carried out here: with success, or failed for good.
    succeeded: u64,
    failed: u64,
}

/// Replays what is selected.
pub(in crate::commands) fn replay(session: &mut Session, args: ReplayArgs) -> Result<Code, Failure> {
    let now = session::now();
    if session.manifests.is_empty() {
        let message = "no handler is known: a replay brings events to the handlers of manifests";
        return Err(Failure::said(Code::Resolution, message).help("name one with `--manifest PATH`"));
    }
    let store = session.store()?;
    let of = EventSelection {
        ids: find::ids(session::reading(store.as_ref()), &args.ids)?,
        topics: args.topics,
        since: args.since.map(|when| when.seen_from(now)),
        until: args.until.map(|when| when.seen_from(now)),
        handlers: args.handlers.into_iter().collect(),
    };
    if store.is_none() {
        return Err(Failure::said(Code::Resolution, "there is no event yet")
            .help("`oneiric event emit TOPIC` makes one; `--state-dir` names another state folder"));
    }
    drop(store);
    let repeat = if args.again { Repeat::Over } else { Repeat::Missing };
    let request = ReplayRequest {
        of,
        repeat,
        triggers: args.triggers,
        rate: args.pace.rate,
        dry_run: args.pace.dry_run,
    };
    carry_out(session, request, &args.pace)
}

/// Replays, carries out what comes of it unless that is left to others, and prints what happened.
pub(super) fn carry_out(session: &mut Session, request: ReplayRequest, pace: &Pace) -> Result<Code, Failure> {
    let here = !pace.detach && !pace.dry_run && !session.manifests.is_empty();
    let (report, signal) = on_workers(async {
        let mut conductor = Conductor::start(session, async |_| Ok(())).await?;
        let oneiric = conductor.oneiric().clone();
        let (mut so_far, mut ended) = (ReplayReport::default(), None);
        let mut progress = Progress::open(session);
        let replaying = async {
            let tell = |report: &ReplayReport| {
                so_far.clone_from(report);
                progress.tell(report);
            };
            ended = Some(oneiric.replay(request, tell).await);
        };
        let signal = if here {
            conductor.until(oneiric.carry_out(replaying)).await
        } else {
            conductor.until(replaying).await
        };
        progress.close();
        let replayed = match ended {
            Some(Err(error)) => return conductor.give_up(error.into()).await,
            Some(Ok(replayed)) => replayed,
            None => so_far,
        };
        let served = conductor.is_served().await;
        // What is in hand ends, or is given back.
        conductor.leave().await;
        let report = Report::of(replayed, &oneiric, signal.is_err());
        Ok((Summed { report, served }, signal.err()))
    })?;
    let Summed { report, served } = report;
    session.screen.emit(&report, |screen| human::print(screen, &report))?;
    report.judge(session, here, served, signal)
}

struct Summed {
    report: Report,
    served: bool,
}

impl Report {
    fn of(replayed: ReplayReport, oneiric: &oneiric_runtime::Oneiric, interrupted: bool) -> Self {
        let ReplayReport { dry_run, events, expired, handlers, runs, unstarted } = replayed;
        let mut handlers: BTreeMap<String, Handler> = handlers
            .into_iter()
            .map(|(name, replayed)| (name, Handler { replayed, ..Handler::default() }))
            .collect();
        for (name, counts) in oneiric.dispatcher().counts() {
            let (succeeded, failed) = (counts.succeeded.count, counts.failed.count);
            if succeeded + failed > 0 {
                // What had waited for it before was carried out as well.
                let handler = handlers.entry(name.to_string()).or_default();
                (handler.succeeded, handler.failed) = (succeeded, failed);
            }
        }
        let left = |handler: &Handler| {
            let Replayed { made, again, .. } = handler.replayed;
            (made + again).saturating_sub(handler.succeeded + handler.failed)
        };
        let left = if dry_run { 0 } else { handlers.values().map(left).sum() };
        Self { dry_run, events, expired, handlers, runs, unstarted, left, interrupted }
    }

    fn failed(&self) -> u64 {
        self.handlers.values().map(|handler| handler.failed).sum()
    }

    /// How the process ends with it. What is left to others is said.
    fn judge(
        &self,
        session: &Session,
        here: bool,
        served: bool,
        signal: Option<Code>,
    ) -> Result<Code, Failure> {
        if let Some(code) = signal {
            return Err(Failure::said(
                code,
                "interrupted: what was replayed by then is, and the rest is not",
            )
            .help("repeat it: what is there is not made twice"));
        }
        let (failed, left) = (self.failed(), usize::try_from(self.left).unwrap_or(usize::MAX));
        if failed > 0 {
            let failed = if failed == 1 { "1 delivery".to_owned() } else { format!("{failed} deliveries") };
            let command = session.command("event dead-letters");
            return Err(Failure::said(Code::Execution, format!("{failed} failed for good"))
                .help(format!("`{command}` shows why")));
        }
        if !self.dry_run && !session.for_programs() {
            let runs = if served { 0 } else { usize::try_from(self.runs).unwrap_or(usize::MAX) };
            human::hint(left, runs, (here, served), &session.command_on_manifests("orchestrate"));
        }
        Ok(Code::Ok)
    }
}

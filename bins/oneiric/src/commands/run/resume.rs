//! `run resume`: go on with what was interrupted.

use std::io::Write as _;

use oneiric_core::{RunId, Timestamp};
use oneiric_dag::RunHandle;
use oneiric_runtime::{Ask, Command, Obeyed, Oneiric};
use oneiric_store::{RunRecord, RunStatus};

use super::tell::{Outcome, applied, retrying};
use crate::args::{ResumeArgs, RetryNowArgs};
use crate::commands::conduct::{Conductor, on_workers};
use crate::exit::Code;
use crate::failure::Failure;
use crate::find::{find, short};
use crate::report::before;
use crate::session::{self, Session};

/// Goes on with one run or with all.
pub(in crate::commands) fn resume(session: &mut Session, args: &ResumeArgs) -> Result<Code, Failure> {
    let Some(wanted) = &args.run else { return all(session) };
    let ask = |command| Ask { patience: args.patience.timeout, go_on: !args.detach, ..Ask::new(command) };
    go_on(session, wanted, async |_, _| Ok(ask(Command::Resume { unknown: args.unknown.into() })), "goes on")
}

/// Tries nodes at once, and goes on with a run that nobody has.
pub(in crate::commands) fn retry_now(session: &mut Session, args: &RetryNowArgs) -> Result<Code, Failure> {
    let asking = async |oneiric: &Oneiric, record: &RunRecord| {
        let command = retrying(oneiric, record, &args.nodes).await?;
        Ok(Ask { patience: args.patience.timeout, go_on: !args.detach, ..Ask::new(command) })
    };
    go_on(session, &args.run, asking, "tries them at once")
}

/// Asks for something that lets a run go on: here where nobody has it, and then it is followed.
fn go_on(
    session: &mut Session,
    wanted: &str,
    ask: impl AsyncFnOnce(&Oneiric, &RunRecord) -> Result<Ask, Failure>,
    said: &str,
) -> Result<Code, Failure> {
    let record = find(session::reading(session.store()?.as_ref()), wanted)?;
    let (told, followed) = on_workers(async {
        let since = session::now();
        let conductor = Conductor::start(session, async |_| Ok(())).await?;
        let told = match ask(conductor.oneiric(), &record).await {
            Ok(ask) => {
                conductor.oneiric().tell(record.id, ask).await.map_err(Failure::from).and_then(applied)
            }
            Err(failure) => Err(failure),
        };
        let told = match told {
            Ok(told) => told,
            Err(failure) => return conductor.give_up(failure).await,
        };
        let Some(handle) = told.handle.clone() else {
            if told.record.state.owner.is_none() {
                conductor.hint_at_nobody(session, record.id).await;
            }
            conductor.leave().await;
            return Ok((told, None));
        };
        watch(&conductor, &handle, since);
        let followed = conductor.follow(std::slice::from_ref(&handle)).await?;
        Ok((told, Some((handle, followed))))
    })?;
    match followed {
        Some((handle, followed)) => followed.report(session, &handle, record.parent),
        None => {
            let outcome = Outcome::of(&told.record, &told.obeyed, 0);
            let already = told.obeyed == Obeyed::Already;
            session.screen.emit(&outcome, |screen| match (already, told.record.state.status) {
                (_, RunStatus::Paused) => outcome.say(screen, "is paused"),
                (true, _) => outcome.say(screen, "is under way in another process: nothing was to be done"),
                (false, _) if told.record.state.owner.is_none() => {
                    outcome.say(screen, "is left to whoever serves")
                }
                (false, _) => outcome.say(screen, &format!("{said}, in another process")),
            })?;
            Ok(Code::Ok)
        }
    }
}

fn all(session: &mut Session) -> Result<Code, Failure> {
    if session.store()?.is_none() {
        return nothing(session);
    }
    let (handles, refused, followed) = on_workers(async {
        let since = session::now();
        let conductor = Conductor::start(session, async |_| Ok(())).await?;
        let resumed = match conductor.oneiric().resume_all().await {
            Ok(resumed) => resumed,
            Err(error) => return conductor.give_up(error.into()).await,
        };
        let mut handles: Vec<RunHandle> = Vec::new();
        let mut refused: Vec<(RunId, Failure)> = Vec::new();
        for (run, outcome) in resumed {
            match outcome {
                Ok(handle) => {
                    watch(&conductor, &handle, since);
                    handles.push(handle);
                }
                Err(error) => refused.push((run, error.into())),
            }
        }
        let followed = conductor.follow(&handles).await?;
        Ok((handles, refused, followed))
    })?;
    if handles.is_empty() && refused.is_empty() {
        return nothing(session);
    }
    let reported = followed.report_all(session, &handles);
    let Some((run, first)) = refused.first() else { return reported };
    let others = match refused.len() {
        1 => String::new(),
        many => format!(" (and {} more)", many - 1),
    };
    let code = refused.iter().fold(Code::Ok, |code, (_, failure)| code.worst(failure.code()));
    let code = reported.map_or_else(|failure| code.worst(failure.code()), |other| code.worst(other));
    Err(Failure::said(code, format!("run {} cannot go on{others}: {first}", short(*run)))
        .help(format!("`{}` says more", session.run_command("resume", *run))))
}

/// Shows a run with what it had done before.
fn watch(conductor: &Conductor, handle: &RunHandle, since: Timestamp) {
    conductor.watch(handle, &before(&handle.report(), since));
}

fn nothing(session: &mut Session) -> Result<Code, Failure> {
    let none = serde_json::json!({ "runs": [] });
    session.screen.emit(&none, |screen| writeln!(screen, "no run was interrupted"))?;
    Ok(Code::Ok)
}

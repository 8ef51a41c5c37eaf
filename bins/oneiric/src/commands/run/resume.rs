//! `run resume`: go on with what was interrupted.

use std::io::Write as _;

use oneiric_core::{RunId, Timestamp};
use oneiric_dag::RunHandle;

use crate::args::ResumeArgs;
use crate::commands::conduct::{Conductor, on_workers};
use crate::exit::Code;
use crate::failure::Failure;
use crate::find::{find, short};
use crate::report::before;
use crate::session::{self, Session};

/// Goes on with one run or with all.
pub(in crate::commands) fn resume(session: &mut Session, args: &ResumeArgs) -> Result<Code, Failure> {
    let Some(wanted) = &args.run else { return all(session) };
    let run = find(session::reading(session.store()?.as_ref()), wanted)?.id;
    let (handle, followed) = on_workers(async {
        let since = session::now();
        let conductor = Conductor::start(session, async |_| Ok(())).await?;
        let handle = match conductor.oneiric().resume(run, args.unknown.into()).await {
            Ok(handle) => handle,
            Err(error) => return conductor.give_up(error.into()).await,
        };
        watch(&conductor, &handle, since);
        let followed = conductor.follow(std::slice::from_ref(&handle)).await?;
        Ok((handle, followed))
    })?;
    followed.report(session, &handle)
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

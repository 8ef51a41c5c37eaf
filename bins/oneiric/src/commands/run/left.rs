//! Runs that are left to whoever serves.

use std::io::Write as _;

use oneiric_core::{Key, RunId};
use oneiric_runtime::{Error, Loaded, Oneiric};
use oneiric_store::RunStatus;
use serde::Serialize;

use crate::commands::conduct::{Conductor, on_workers};
use crate::exit::Code;
use crate::failure::Failure;
use crate::session::Session;

/// `{"run_id":"...","workflow":"...","status":"pending"}`. For people it is the id alone, for scripts that
/// ask for nothing else.
#[derive(Serialize)]
struct Submitted<'a> {
    run_id: String,
    workflow: &'a str,
    status: &'static str,
}

/// Has a run accepted, and says which one it is.
pub(in crate::commands) fn leave(
    session: &mut Session,
    workflow: &Key,
    check: impl AsyncFnOnce(&Loaded) -> Result<(), Error>,
    submit: impl AsyncFnOnce(&Oneiric) -> Result<RunId, Error>,
) -> Result<Code, Failure> {
    let run = on_workers(async {
        let conductor = Conductor::start(session, check).await?;
        let run = match submit(conductor.oneiric()).await {
            Ok(run) => run,
            Err(error) => return conductor.give_up(error.into()).await,
        };
        conductor.hint_at_nobody(session, run).await;
        conductor.leave().await;
        Ok(run)
    })?;
    let submitted =
        Submitted { run_id: run.to_string(), workflow: workflow.as_str(), status: RunStatus::Pending.name() };
    session.screen.emit(&submitted, |screen| writeln!(screen, "{run}"))?;
    Ok(Code::Ok)
}

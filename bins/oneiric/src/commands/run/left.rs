//! Runs that are left to whoever serves.

use std::io::Write as _;

use oneiric_core::{Key, RunId};
use oneiric_runtime::json::Submitted;
use oneiric_runtime::{Error, Loaded, Oneiric};
use oneiric_store::RunStatus;

use crate::commands::conduct::{Conductor, on_workers};
use crate::exit::Code;
use crate::failure::Failure;
use crate::session::Session;

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
    let submitted = Submitted::new(run, workflow, RunStatus::Pending);
    session.screen.emit(&submitted, |screen| writeln!(screen, "{run}"))?;
    Ok(Code::Ok)
}

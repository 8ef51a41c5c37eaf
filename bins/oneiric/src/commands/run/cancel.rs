//! `run cancel`: a run that nobody works on is over.

use std::io::Write as _;
use std::time::Duration;

use serde::Serialize;

use crate::args::CancelArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::find::{find, short};
use crate::session::{self, Session};

/// How long writing it down may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// `{"run_id":"...","workflow":"...","status":"cancelled"}`.
#[derive(Serialize)]
struct Cancelled {
    run_id: String,
    workflow: String,
    status: &'static str,
}

/// Cancels it.
pub(in crate::commands) fn cancel(session: &mut Session, args: &CancelArgs) -> Result<Code, Failure> {
    let record = find(session::reading(session.store()?.as_ref()), &args.run)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::said(Code::Execution, format!("cannot start a runtime: {error}")))?;
    runtime.block_on(async {
        let mut builder = session.builder()?.state_dir(session.state_dir()?);
        for path in &session.manifests {
            builder = builder.manifest(path);
        }
        let oneiric = builder.start().await?;
        let cancelled = oneiric.cancel(record.id, &args.reason).await;
        oneiric.shutdown(DEADLINE).await?;
        Ok::<(), Failure>(cancelled?)
    })?;
    let cancelled = Cancelled {
        run_id: record.id.to_string(),
        workflow: record.workflow.to_string(),
        status: "cancelled",
    };
    session.screen.emit(&cancelled, |screen| {
        writeln!(screen, "run {} {} cancelled", short(record.id), cancelled.workflow)
    })?;
    Ok(Code::Ok)
}

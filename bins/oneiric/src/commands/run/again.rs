//! `run rerun` and `run fork`: a run once more, as a new one.

use oneiric_runtime::{Again, Kept};

use super::left::leave;
use crate::args::{ForkArgs, RerunArgs};
use crate::commands::conduct::{Conductor, on_workers};
use crate::context::Given;
use crate::exit::Code;
use crate::failure::Failure;
use crate::find::find;
use crate::session::{self, Session};

/// Repeats it, or what of it is asked for.
pub(in crate::commands) fn rerun(session: &mut Session, args: RerunArgs) -> Result<Code, Failure> {
    let kept = match (args.failed, args.from.is_empty()) {
        (true, _) => Kept::Completed,
        (false, true) => Kept::Nothing,
        (false, false) => Kept::Before(args.from),
    };
    again(session, &args.run, args.detach, Again::new(kept))
}

/// Repeats it with another context.
pub(in crate::commands) fn fork(session: &mut Session, args: &ForkArgs) -> Result<Code, Failure> {
    let input = args.context.as_deref().map(|given| Given::CONTEXT.read(given)).transpose()?;
    again(session, &args.run, args.detach, Again { input, ..Again::new(Kept::SameInput) })
}

fn again(session: &mut Session, run: &str, detach: bool, again: Again) -> Result<Code, Failure> {
    let old = find(session::reading(session.store()?.as_ref()), run)?;
    let again = Again { trigger: "cli".to_owned(), ..again };
    if detach {
        return leave(
            session,
            &old.workflow,
            async |_| Ok(()),
            async |oneiric| oneiric.submit_again(old.id, again).await,
        );
    }
    let (handle, followed) = on_workers(async {
        let conductor = Conductor::start(session, async |_| Ok(())).await?;
        let handle = match conductor.oneiric().again(old.id, again).await {
            Ok(handle) => handle,
            Err(error) => return conductor.give_up(error.into()).await,
        };
        conductor.watch(&handle, &[]);
        let followed = conductor.follow(std::slice::from_ref(&handle)).await?;
        Ok((handle, followed))
    })?;
    followed.report(session, &handle, Some(old.id))
}

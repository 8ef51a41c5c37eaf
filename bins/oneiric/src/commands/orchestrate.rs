//! `orchestrate`: the long-lived process, from its start to its orderly end; and looking at what it would be.

mod dag;
mod events;
mod inspect;
mod plan;
mod port;
mod reload;
mod smoke;
mod start;
mod stop;
mod surface;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use oneiric_adapters::reap_orphans;
use oneiric_runtime::{Phase, SystemClock, SystemEnvironment};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use reload::Reloader;

use super::conduct::on_workers;
use crate::args::OrchestrateArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::logging::serving;
use crate::notify::Notifier;
use crate::output::Screen;
use crate::pidfile::{PidFile, PidFileError};
use crate::session::Session;
use crate::signals::{Hangups, Signals};
use surface::Surface;

/// Why it stops, where a client asked for it.
const SHUTDOWN: &str = "shutdown";

/// Serves the state folder until a signal comes, or does what is wanted instead.
pub(super) fn orchestrate(session: &mut Session, args: &OrchestrateArgs) -> Result<Code, Failure> {
    session.say(args.settings());
    let packaged = session.find_packaged()?;
    if args.looks() {
        return inspect::inspect(session, args);
    }
    if args.trial.dry_run {
        // The plan borrows from the session while it is printed.
        let mut screen = Screen::stdout(session.screen.format);
        return plan::dry_run(session, &mut screen);
    }
    if args.trial.smoke {
        return smoke::smoke(session, args);
    }
    serving::begin(session.settings()?, session.said_level(), args.log_format.as_deref())?;
    packaged.tell();
    serve(session, args)
}

fn serve(session: &Session, args: &OrchestrateArgs) -> Result<Code, Failure> {
    let state_dir = state_dir(session)?;
    let _held = args.pid_file.as_deref().map(hold).transpose()?;
    on_workers(async {
        // Caught before anything is opened: from the first effect on, the end is an orderly one.
        let cannot = |error| Failure::said(Code::Execution, format!("cannot catch signals: {error}"));
        let mut signals = Signals::catch().map_err(cannot)?;
        let mut reloader = Reloader::new(Hangups::catch().map_err(cannot)?);
        let options = port::options(session)?;
        let notifier = Notifier::of(&SystemEnvironment);
        let oneiric = start::start(session, state_dir.as_deref(), args.health_path.as_deref()).await?;
        let surface = match Surface::open(&oneiric, options, args.grace).await {
            Ok(surface) => surface,
            Err(failure) => {
                oneiric.shutdown(Duration::ZERO).await?;
                return Err(failure);
            }
        };
        let clock = SystemClock::default();
        let alive = async {
            oneiric.reached(Phase::Serving).await;
            // It may be told to stop before it takes work.
            if oneiric.phase() == Phase::Serving {
                notifier.ready();
            }
            notifier.watchdog(&clock).await;
        };
        tokio::pin!(alive);
        // As the first process of a container it has the orphans of everybody. The task ends with this function.
        let _reaping =
            AbortOnDropHandle::new(tokio::spawn(reap_orphans(Arc::new(clock), CancellationToken::new())));
        let (reason, code) = tokio::select! {
            code = signals.next() => (code.name(), Code::Ok),
            () = surface.asked_to_stop() => (SHUTDOWN, Code::Ok),
            gone = oneiric.services_gone() => {
                tracing::error!(service = %gone.key, reason = gone.reason, "a critical service was given up");
                ("a critical service was given up", Code::Execution)
            }
            // What has not been swapped when the end comes stays as it is.
            never = reloader.run(&oneiric, &notifier) => match never {},
            () = &mut alive => ("the watchdog ended", Code::Execution),
        };
        notifier.stopping();
        let stopping = stop::stop(&oneiric, surface, args.grace, &mut signals, reason, code);
        tokio::select! {
            code = stopping => Ok(code),
            () = &mut alive => Ok(Code::Execution),
        }
    })
}

/// Where the state is; `None` where it is kept in memory.
fn state_dir(session: &Session) -> Result<Option<PathBuf>, Failure> {
    let kept = session.settings()?.settings.runtime_paths.workflow_checkpoints_enabled;
    Ok(if kept { Some(session.state_dir()?) } else { None })
}

fn hold(path: &Path) -> Result<PidFile, Failure> {
    PidFile::hold(path).map_err(|error| match error {
        PidFileError::Held { .. } => {
            Failure::said(Code::Execution, error.to_string()).help("`oneiric stop` stops it")
        }
        PidFileError::Io { .. } => Failure::said(Code::Configuration, error.to_string()),
    })
}

//! `orchestrate`: the long-lived process, from its start to its orderly end.

mod events;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub(super) use events::events;
use oneiric_runtime::{Alteration, Oneiric, SystemClock, read_manifest};
use oneiric_server::{Options, Server};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::conduct::on_workers;
use crate::args::OrchestrateArgs;
use crate::exit::Code;
use crate::failure::Failure;
use crate::session::{self, Session};
use crate::signals::{Hangups, Signals};

/// Serves the state folder until a signal comes.
pub(super) fn orchestrate(session: &mut Session, args: &OrchestrateArgs) -> Result<Code, Failure> {
    session.say(args.http.settings());
    let session = &*session;
    on_workers(async {
        // Caught before anything is opened: from the first effect on, the end is an orderly one.
        let cannot = |error| Failure::said(Code::Execution, format!("cannot catch signals: {error}"));
        let mut signals = Signals::catch().map_err(cannot)?;
        let mut hangups = Hangups::catch().map_err(cannot)?;
        let state_dir = session.state_dir()?;
        let options = Options::of(&session.settings()?.settings, false)
            .map_err(|error| Failure::said(Code::Configuration, error.to_string()))?;
        let oneiric = start(session, &state_dir, args.health_path.as_deref()).await?;
        let surface = match Surface::open(&oneiric, options, args.grace).await {
            Ok(surface) => surface,
            Err(failure) => {
                oneiric.shutdown(Duration::ZERO).await?;
                return Err(failure);
            }
        };
        let reason = loop {
            let reloading = async {
                hangups.next().await;
                reload(session, &oneiric).await;
            };
            // What has not been swapped when the end comes stays as it is.
            tokio::select! {
                code = signals.next() => break code,
                () = reloading => {}
            }
        };
        Ok(stop(&oneiric, surface, args.grace, &mut signals, reason).await)
    })
}

/// The port, where there is one, and the task that answers on it.
struct Surface {
    stop: CancellationToken,
    serving: Option<AbortOnDropHandle<()>>,
}

impl Surface {
    async fn open(oneiric: &Oneiric, options: Option<Options>, grace: Duration) -> Result<Self, Failure> {
        let stop = CancellationToken::new();
        let Some(options) = options else { return Ok(Self { stop, serving: None }) };
        let server = Server::bind(oneiric.clone(), options).await;
        let server = server.map_err(|error| Failure::said(Code::Configuration, error.to_string()))?;
        tracing::info!(address = %server.address(), "listening");
        let clock = Arc::new(SystemClock::default());
        let serving = tokio::spawn(server.serve(stop.clone(), grace, clock));
        Ok(Self { stop, serving: Some(AbortOnDropHandle::new(serving)) })
    }

    /// Answers nobody any more.
    async fn close(self) {
        self.stop.cancel();
        if let Some(serving) = self.serving {
            // It has panicked, or is over; either way nobody is answered.
            let _ = serving.await;
        }
    }
}

async fn start(session: &Session, state_dir: &Path, health: Option<&Path>) -> Result<Oneiric, Failure> {
    let mut builder = session.builder()?.serve(true).state_dir(state_dir);
    for path in &session.manifests {
        builder = builder.manifest(path);
    }
    if let Some(path) = health {
        builder = builder.health_path(path);
    }
    let loaded = builder.load()?;
    session::warn_of_unmet(loaded.catalog().registry());
    let oneiric = loaded.start().await?;
    let execution = &oneiric.settings().execution;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        state_dir = %state_dir.display(),
        manifests = session.manifests.len(),
        lease_seconds = execution.lease_seconds.duration().as_secs_f64(),
        max_parallel = execution.max_parallel,
        "orchestrator started"
    );
    Ok(oneiric)
}

/// Reads the manifests again. What is wrong with them changes nothing.
async fn reload(session: &Session, oneiric: &Oneiric) {
    let files = session.manifests.iter().map(|path| read_manifest(path)).collect::<Result<Vec<_>, _>>();
    let reloaded = match files {
        Ok(files) => oneiric.reload(files).await,
        Err(error) => Err(error),
    };
    let reloaded = match reloaded {
        Ok(reloaded) => reloaded,
        Err(error) => {
            tracing::error!(%error, "the manifests cannot be read again; those that were read before count");
            return;
        }
    };
    let names = |alteration| reloaded.names(alteration).collect::<Vec<_>>().join(", ");
    tracing::info!(
        manifests = session.manifests.len(),
        added = names(Alteration::Added),
        removed = names(Alteration::Removed),
        changed = names(Alteration::Changed),
        "the manifests were read again"
    );
    for (domain, key, swapped) in &reloaded.swapped {
        if let Err(error) = swapped {
            tracing::warn!(%domain, %key, %error, "a component did not come up; the one before goes on serving");
        }
    }
    session::warn_of_unmet(oneiric.lifecycle().registry().as_ref());
}

/// The first signal has come: what runs gets its time, unless a second one comes.
async fn stop(
    oneiric: &Oneiric,
    surface: Surface,
    grace: Duration,
    signals: &mut Signals,
    reason: Code,
) -> Code {
    tracing::info!(
        reason = reason.name(),
        grace_seconds = grace.as_secs_f64(),
        "orchestrator is stopping; a second signal leaves at once"
    );
    let clock = SystemClock::default();
    let going_down = async {
        // Whoever asks is told that it goes down, until the last moment.
        let all_ended = oneiric.drain(grace).await;
        surface.close().await;
        oneiric.close().await.map(|()| all_ended)
    };
    let down = tokio::select! {
        down = going_down => down,
        again = signals.again(&clock) => {
            // The death of this process frees its runs as well as taking leave would.
            tracing::warn!("orchestrator left at once; the next one goes on with its runs");
            return again;
        }
    };
    match down {
        Ok(true) => tracing::info!("orchestrator stopped"),
        Ok(false) => tracing::warn!("orchestrator stopped; something did not end in time and was dropped"),
        Err(error) => tracing::error!(%error, "orchestrator stopped; the store was not closed cleanly"),
    }
    Code::Ok
}

//! The beginning: the state is opened, and whatever waits is taken up.

use std::path::Path;
use std::sync::Arc;

use oneiric_runtime::Oneiric;

use super::reload::Files;
use crate::failure::Failure;
use crate::session::{self, Session};

/// Opens the state folder and begins to serve it. Without one, state is in memory and ends with the process.
pub(super) async fn start(
    session: &Session,
    state_dir: Option<&Path>,
    health_path: Option<&Path>,
) -> Result<Oneiric, Failure> {
    let mut builder = session.builder()?.serve(true).services(true).sources(Arc::new(Files::of(session)));
    if let Some(path) = state_dir {
        builder = builder.state_dir(path);
    }
    if let Some(path) = health_path {
        builder = builder.health_path(path);
    }
    for path in &session.manifests {
        builder = builder.manifest(path);
    }
    let loaded = builder.load()?;
    session::warn_of_unmet(loaded.catalog().registry());
    let oneiric = loaded.start().await?;
    let settings = oneiric.settings();
    let execution = &settings.execution;
    let state_dir = state_dir.map_or_else(|| "memory".to_owned(), |path| path.display().to_string());
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        state_dir,
        profile = settings.profile.name,
        manifests = session.manifests.len(),
        lease_seconds = execution.lease_seconds.duration().as_secs_f64(),
        max_parallel = execution.max_parallel,
        "orchestrator started"
    );
    Ok(oneiric)
}

//! Orphans of a container: where this process is its first, the kernel makes them children of it, and somebody has
//! to take their status, or they stay as zombies.
//!
//! Waiting for any child would steal the status of those that were started here. So the dead ones are looked up, and
//! only those are reaped that nobody here started ([`super::children`]).

use std::sync::Arc;
use std::time::Duration;

use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use oneiric_core::Clock;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::children;
use super::stat::Stat;

/// How long after the end of a child the dead are looked for: those that end together are found together, and a
/// zombie costs nothing for a second.
const GATHER: Duration = Duration::from_secs(1);

/// Reaps the orphans of a container until `stop` is cancelled. Returns at once in a process that is not the first
/// of its container. One task of a process is enough; at rest it waits for a signal.
///
/// Dropping the future loses nothing: the next one finds what is left.
pub async fn reap_orphans(clock: Arc<dyn Clock>, stop: CancellationToken) {
    if !children::adopts() {
        return;
    }
    let mut ended = match signal(SignalKind::child()) {
        Ok(ended) => ended,
        Err(error) => {
            tracing::warn!(%error, "cannot hear of ended children; orphans stay as zombies");
            return;
        }
    };
    loop {
        // An error means that the runtime goes down.
        let Ok(reaped) = tokio::task::spawn_blocking(reap).await else { return };
        if reaped > 0 {
            tracing::debug!(reaped, "orphans reaped");
        }
        let next = async {
            ended.recv().await;
            clock.sleep(GATHER).await;
        };
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = next => {}
        }
    }
}

/// Reaps the dead children that nobody here started; returns how many there were.
fn reap() -> usize {
    let Ok(me) = i32::try_from(std::process::id()) else { return 0 };
    // Nothing is started meanwhile, so that what is not known now is an orphan.
    let started = children::started();
    let orphans =
        Stat::all().filter(|child| child.state == 'Z' && child.parent == me && !started.contains(&child.pid));
    let ended = orphans.map(|orphan| waitpid(Pid::from_raw(orphan.pid), Some(WaitPidFlag::WNOHANG)));
    ended.filter(|ended| ended.is_ok_and(|status| status != WaitStatus::StillAlive)).count()
}

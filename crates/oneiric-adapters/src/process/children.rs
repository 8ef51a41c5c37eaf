//! Which children this process started itself, where it has to know: as the first process of a container.
//!
//! There every orphan of the container becomes a child of it, and is to be reaped by [`super::orphans`]. Those that
//! are not orphans are tokio's, who needs their status. Anywhere else nothing is kept here.

use std::collections::BTreeSet;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// A process has one set of children, so that this is a static and not a part of anything.
static STARTED: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Whether orphans become children of this process.
pub(crate) fn adopts() -> bool {
    std::process::id() == 1
}

/// Starts the command.
///
/// # Errors
/// Whatever starting it met.
pub(crate) fn spawn(command: &mut Command) -> io::Result<Child> {
    if !adopts() {
        return command.spawn();
    }
    // Held over the start: a child that ends at once is known before anybody takes it for an orphan.
    let mut started = started();
    let child = command.spawn()?;
    started.extend(child.id().and_then(|id| i32::try_from(id).ok()));
    Ok(child)
}

/// Forgets a child whose status was taken.
pub(crate) fn reaped(pid: Pid) {
    if adopts() {
        started().remove(&pid.as_raw());
    }
}

/// The children that were started here and whose status was not taken. None is started while this is held.
pub(crate) fn started() -> MutexGuard<'static, BTreeSet<i32>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

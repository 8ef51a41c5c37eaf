//! Waits for killed processes whose call is gone, so that none stays as a zombie.

use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::unistd::Pid;
use tokio::process::Child;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::children;

/// The owner of the short waits that dropped calls leave behind; one per component.
///
/// tokio's own queue of orphans is not enough: it looks at them when the next SIGCHLD or event wakes
/// the I/O driver, which in an idle process can be a minute away.
#[derive(Debug, Default)]
pub(crate) struct Reaper {
    waits: Mutex<JoinSet<()>>,
}

impl Reaper {
    /// Takes a child that was sent SIGKILL. Outside of a tokio runtime it is left to tokio's queue.
    pub(crate) fn adopt(&self, mut child: Child) {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        self.own(async move {
            // An error means that somebody else reaped it, which is as good.
            let _ = child.wait().await;
            if let Some(id) = id {
                children::reaped(Pid::from_raw(id));
            }
        });
    }

    /// Takes other short work that a dropped call leaves behind. Outside of a tokio runtime it is dropped.
    pub(crate) fn own(&self, work: impl Future<Output = ()> + Send + 'static) {
        let Ok(runtime) = Handle::try_current() else { return };
        let mut waits = self.waits();
        while waits.try_join_next().is_some() {}
        waits.spawn_on(work, &runtime);
    }

    /// Returns when every adopted child is reaped, and the other work done.
    pub(crate) async fn settle(&self) {
        let mut waits = std::mem::take(&mut *self.waits());
        while waits.join_next().await.is_some() {}
    }

    fn waits(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Who keeps the services of a state folder up.

use std::fs::{File, TryLockError};
use std::future::Future;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use crate::oneiric::{Inner, Oneiric};
use crate::phase::Phase;

/// The file in the state folder; whoever has its lock keeps services up.
const LOCK: &str = "services.lock";

/// How often a process looks whether the one that keeps services up has left without ringing: it was killed.
const LOOK: Duration = Duration::from_secs(60);

/// Who keeps services up, as far as a process knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// This process does.
    Here,
    /// Another one on the same state folder does; `None` where its number is not known.
    Elsewhere(Option<u32>),
    /// Nobody that is known, or nobody any more.
    Nobody,
    /// This process was not told to: it is no `orchestrate`.
    NotAsked,
    /// The settings say that there is no supervisor.
    Off,
}

impl Keeper {
    /// Why services do not run here, for people; `None` where they do.
    pub fn reason(self) -> Option<String> {
        match self {
            Keeper::Here => None,
            Keeper::Elsewhere(Some(pid)) => Some(format!("process {pid} keeps the services up")),
            Keeper::Elsewhere(None) => Some("another process keeps the services up".to_owned()),
            Keeper::Nobody => Some("nobody keeps the services up".to_owned()),
            Keeper::NotAsked => {
                Some("this process does not keep services up; `oneiric orchestrate` does".to_owned())
            }
            Keeper::Off => {
                Some("the supervisor is off: `runtime_supervisor.enabled` or the profile says so".to_owned())
            }
        }
    }
}

/// The right to keep services up, for as long as this is held.
#[derive(Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "held for its lock")] File);

impl Place {
    /// Takes the place in a state folder; otherwise who has it.
    fn take(state_dir: &Path) -> io::Result<Result<Self, Option<u32>>> {
        let path = state_dir.join(LOCK);
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {
                // For people: who waits says for whom.
                file.set_len(0)?;
                file.rewind()?;
                file.write_all(std::process::id().to_string().as_bytes())?;
                Ok(Ok(Self(file)))
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let _ = file.take(32).read_to_string(&mut text);
                Ok(Err(text.trim().parse().ok()))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Oneiric {
    /// Keeps services up from now on, where that is wanted of this process and no other one does. The process
    /// serves once the critical ones are ready.
    pub(crate) fn keep_services(&self, asked: bool) {
        let keeper = if !asked {
            Keeper::NotAsked
        } else if self.settings().supervisor_enabled() {
            Keeper::Nobody
        } else {
            Keeper::Off
        };
        *self.keeper_lock() = keeper;
        if keeper == Keeper::Nobody && !self.0.services.supervisor.statuses().is_empty() {
            self.begin_services();
        } else {
            self.0.phases.enter(Phase::Serving);
        }
    }

    pub(super) fn begin_services(&self) {
        if *self.keeper_lock() != Keeper::Nobody || self.has_begun() {
            return;
        }
        let place = self.state_dir_of_services();
        self.0.presence.spawn(keep(Arc::downgrade(&self.0), place));
    }

    #[cfg(feature = "sqlite")]
    fn state_dir_of_services(&self) -> Option<PathBuf> {
        self.state_dir()
    }

    #[cfg(not(feature = "sqlite"))]
    #[expect(clippy::unused_self, reason = "with a state folder there are others")]
    fn state_dir_of_services(&self) -> Option<PathBuf> {
        None
    }
}

/// Waits for the place, and starts. Runs until the process serves, or this is dropped.
async fn keep(inner: Weak<Inner>, state_dir: Option<PathBuf>) {
    if let Some(state_dir) = state_dir {
        let Some(place) = waited(&inner, &state_dir).await else { return };
        let Some(inner) = inner.upgrade() else { return };
        *inner.services.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }
    let supervisor = {
        let Some(inner) = inner.upgrade() else { return };
        let oneiric = Oneiric(inner);
        *oneiric.keeper_lock() = Keeper::Here;
        oneiric.0.services.supervisor.start();
        oneiric.0.services.supervisor.clone()
    };
    supervisor.up().await;
    if let Some(inner) = inner.upgrade() {
        inner.phases.enter(Phase::Serving);
    }
}

/// The place, once it is free. `None` where the orchestrator is gone.
async fn waited(inner: &Weak<Inner>, state_dir: &Path) -> Option<Place> {
    loop {
        let waiting: Pin<Box<dyn Future<Output = ()> + Send>> = {
            let inner = inner.upgrade()?;
            let oneiric = Oneiric(inner);
            match Place::take(state_dir) {
                Ok(Ok(place)) => return Some(place),
                Ok(Err(pid)) => {
                    let told = std::mem::replace(&mut *oneiric.keeper_lock(), Keeper::Elsewhere(pid));
                    if told != Keeper::Elsewhere(pid) {
                        tracing::info!(pid, "another process keeps the services up; this one waits");
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "cannot see who keeps services up; none are started here");
                }
            }
            // Whoever waits takes work meanwhile.
            oneiric.0.phases.enter(Phase::Serving);
            let bell = Arc::clone(&oneiric.0.services.bell);
            let look = oneiric.executor().parts().clock.sleep(LOOK);
            Box::pin(async move {
                tokio::select! {
                    () = bell.notified() => {}
                    () = look => {}
                }
            })
        };
        waiting.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_place_and_the_next_one_knows_who() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::take(folder.path()).unwrap().unwrap();
        assert_eq!(Place::take(folder.path()).unwrap().unwrap_err(), Some(std::process::id()));
        drop(place);
        assert!(Place::take(folder.path()).unwrap().is_ok());
    }
}

//! Whoever says what components take: a live orchestrator, or a command beside it.

use std::fmt;
use std::sync::Arc;

use oneiric_core::{BootId, Clock, Domain, Key};
use oneiric_store::{ActivityRecord, Batch, CommitError, Op, Refusal, Require, Store};
use oneiric_supervisor::activity::MAX_NOTE;
use oneiric_supervisor::{Change, Wish};

use crate::error::Error;
use crate::oneiric::Oneiric;

/// How often somebody else may get ahead before this is given up: people do not type that fast.
const TRIES: u32 = 64;

/// Changes and watches what components take, on one store. Work that is in flight is asked for in the
/// processes that have it.
#[derive(Clone)]
pub struct Operator {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) here: Option<Here>,
    #[cfg(feature = "sqlite")]
    pub(super) state_dir: Option<std::path::PathBuf>,
}

/// The process in which the operator is, where it works itself.
#[derive(Clone)]
pub(super) struct Here {
    pub(super) boot: BootId,
    pub(super) oneiric: Oneiric,
}

impl Operator {
    /// Beside the processes that work on the store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            here: None,
            #[cfg(feature = "sqlite")]
            state_dir: None,
        }
    }

    /// Where the processes listen.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn at(mut self, state_dir: impl Into<std::path::PathBuf>) -> Self {
        self.state_dir = Some(state_dir.into());
        self
    }

    pub(super) fn here(mut self, here: Here) -> Self {
        #[cfg(feature = "sqlite")]
        {
            self.state_dir = here.oneiric.state_dir();
        }
        self.here = Some(here);
        self
    }

    /// What operators said of a component.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn said(&self, domain: &Domain, key: &Key) -> Result<ActivityRecord, Error> {
        let said = self.store.activities().await?.into_iter();
        let mut said = said.filter(|record| record.domain == *domain && record.key == *key);
        let none = || ActivityRecord::accepting(domain.clone(), key.clone(), self.clock.now());
        Ok(said.next().unwrap_or_else(none))
    }

    /// Changes it, and tells the live processes. Returns what is true now. Two operators at the same time
    /// lose nothing of what either said. Where nothing changes, nothing is written.
    ///
    /// # Errors
    /// [`Error::Setting`] for a note of more than 1000 bytes, [`Error::Store`].
    pub async fn change(&self, domain: &Domain, key: &Key, change: &Change) -> Result<ActivityRecord, Error> {
        if let Some(note) = &change.note
            && note.len() > MAX_NOTE
        {
            let reason = format!("it has {} bytes, at most {MAX_NOTE} are kept", note.len());
            return Err(Error::Setting { what: "note".to_owned(), reason });
        }
        let mut tries = 0;
        let now = loop {
            tries += 1;
            let before = self.said(domain, key).await?;
            let after = change.apply(before.clone(), self.clock.now());
            if after == before || (after.is_default() && before.is_default()) {
                break after;
            }
            let batch = Batch::of([Op::SetActivity(after.clone())]).require(Require::Activity(before));
            match self.store.commit(batch).await {
                Ok(()) => {
                    let note = after.note.as_deref();
                    tracing::info!(%domain, %key, note, "{}", event(change.wish));
                    break after;
                }
                Err(CommitError::Refused(Refusal::ActivityChanged { .. })) if tries < TRIES => {}
                Err(error) => return Err(error.into()),
            }
        };
        // Also where nothing changed: somebody may not have been told then.
        if let Some(here) = &self.here {
            here.oneiric.reread_activity().await?;
        }
        self.ring().await;
        Ok(now)
    }

    /// Has every other process read what was said.
    #[cfg(feature = "sqlite")]
    async fn ring(&self) {
        if let Some(here) = &self.here {
            return here.oneiric.ring_others().await;
        }
        let Some(state_dir) = self.state_dir.clone() else { return };
        // It was cancelled with the runtime, or nobody is there.
        let _ = tokio::task::spawn_blocking(move || crate::control::ring(&state_dir, None)).await;
    }

    #[cfg(not(feature = "sqlite"))]
    #[expect(clippy::unused_async, reason = "with a state folder there are others to be told")]
    async fn ring(&self) {}
}

/// Upstream's names.
fn event(wish: Wish) -> &'static str {
    match wish {
        Wish::Pause => "domain-paused",
        Wish::Drain => "domain-draining",
        Wish::Undrain => "domain-drain-cleared",
        Wish::Unpause | Wish::Accept => "domain-resumed",
    }
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let here = self.here.as_ref().map(|here| here.boot);
        f.debug_struct("Operator").field("here", &here).finish_non_exhaustive()
    }
}

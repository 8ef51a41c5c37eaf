//! One reload at a time, from the sources of the process; what is told of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oneiric_core::settings::Settings;
use oneiric_core::{Domain, Key, Lifecycle};
use tokio::sync::Notify;

use super::sources::Sources;
use super::{Alteration, Cause, LastReload, Reload, ReloadFailure, Reloaded, Reloads, Watching};
use crate::error::Error;
use crate::oneiric::Oneiric;

/// The reloads of a process.
#[derive(Debug, Default)]
pub(crate) struct Reloading {
    sources: Option<Arc<dyn Sources>>,
    /// The builder said how long steps may take, so that settings do not.
    fixed_timeouts: bool,
    /// How often a reload was asked for.
    asked: AtomicU64,
    turn: tokio::sync::Mutex<Turn>,
    told: Mutex<Told>,
    /// Something is held back.
    pub(crate) news: Arc<Notify>,
}

/// Held by the one reload that is under way.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// How many of those who asked have been served, and with what.
    served: u64,
    outcome: Option<Result<Reloaded, Arc<Error>>>,
}

#[derive(Debug, Default)]
struct Told {
    watching: Watching,
    last: Option<LastReload>,
    needs_restart: Vec<String>,
    held: Vec<(Domain, Key)>,
    failure: Option<ReloadFailure>,
}

impl Reloading {
    pub(crate) fn new(sources: Option<Arc<dyn Sources>>, fixed_timeouts: bool) -> Self {
        Self { sources, fixed_timeouts, ..Self::default() }
    }

    pub(crate) fn sources(&self) -> Option<&Arc<dyn Sources>> {
        self.sources.as_ref()
    }

    /// Waits for the reload that is under way.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, Turn> {
        self.turn.lock().await
    }

    pub(super) fn needs_restart(&self) -> Vec<String> {
        self.told().needs_restart.clone()
    }

    pub(super) fn held(&self) -> Vec<(Domain, Key)> {
        self.told().held.clone()
    }

    pub(super) fn hold(&self, held: Vec<(Domain, Key)>) {
        self.told().held = held;
        self.news.notify_one();
    }

    /// How files are watched from now on.
    #[cfg(feature = "watch")]
    pub(crate) fn watched(&self, watching: Watching) {
        self.told().watching = watching;
    }

    /// The bounds of the settings, unless the builder set them.
    pub(super) fn bound(&self, lifecycle: &Lifecycle, settings: &Settings) {
        if !self.fixed_timeouts {
            lifecycle.bound(settings.lifecycle.timeouts());
        }
    }

    // Nothing under the lock can panic half way.
    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Oneiric {
    /// How the reloads of this process stand.
    pub fn reloads(&self) -> Reloads {
        let held = self.held();
        let edition = self.0.edition.load();
        let told = self.0.reloads.told();
        Reloads {
            generation: edition.number,
            since: edition.since,
            digest: edition.digest,
            watching: told.watching.clone(),
            last: told.last.clone(),
            needs_restart: told.needs_restart.clone(),
            held,
            last_error: told.failure.clone(),
        }
    }

    /// Reads manifests and settings again, from the sources that the builder was given, and does what
    /// [`Oneiric::reload`] does. Those who ask while one is under way share the one that comes after it. What is
    /// wrong changes nothing, and [`Oneiric::reloads`] tells it until it is better.
    ///
    /// # Errors
    /// [`Error::NoReload`] where there is nothing to read again, or the profile keeps the process as it began;
    /// [`Error::Settings`] and those of [`Oneiric::reload`].
    pub async fn reread(&self, cause: Cause) -> Result<Reloaded, Arc<Error>> {
        let outcome = self.try_reread(cause).await;
        if let Err(error) = &outcome {
            self.note_failure(cause, error);
        }
        outcome
    }

    /// As [`Oneiric::reread`]; nobody is told of a failure yet.
    pub(crate) async fn try_reread(&self, cause: Cause) -> Result<Reloaded, Arc<Error>> {
        let reloads = &self.0.reloads;
        let sources = self.rereadable().map_err(Arc::new)?;
        let number = reloads.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut turn = reloads.turn().await;
        if turn.served >= number
            && let Some(outcome) = &turn.outcome
        {
            return outcome.clone();
        }
        // Whoever has asked by now is served by what is read from here on.
        let serves = reloads.asked.load(Ordering::SeqCst);
        let outcome = match read(sources).await {
            Ok(reload) => self.adopt(reload).await,
            Err(error) => Err(error),
        };
        let outcome = outcome.inspect(|reloaded| self.note_reload(cause, reloaded)).map_err(Arc::new);
        (turn.served, turn.outcome) = (serves, Some(outcome.clone()));
        outcome
    }

    /// The sources, where they may be read again.
    fn rereadable(&self) -> Result<Arc<dyn Sources>, Error> {
        let refuse = |reason: &str, help: &str| {
            Err(Error::NoReload { reason: reason.to_owned(), help: help.to_owned() })
        };
        let profile = &self.settings().profile;
        if !profile.watchers_enabled && profile.inline_manifest_only {
            return refuse(
                "hot reload is off: the profile keeps the process to the manifest that it began with",
                "start it anew; `profile.watchers_enabled` allows hot reload",
            );
        }
        match self.0.reloads.sources() {
            Some(sources) => Ok(Arc::clone(sources)),
            None => refuse("the process knows no files to read again", "only `oneiric orchestrate` does"),
        }
    }

    /// A reload was done.
    pub(super) fn note_reload(&self, cause: Cause, reloaded: &Reloaded) {
        let at = self.executor().parts().clock.now();
        let last = LastReload::of(at, cause, reloaded);
        let LastReload { added, removed, changed, swapped, .. } = &last;
        let idle = [added, removed, changed, swapped].iter().all(|names| names.is_empty());
        let settings = self.settings();
        if let Some(sources) = self.0.reloads.sources() {
            sources.adopted(&settings);
        }
        let was_wrong = {
            let mut told = self.0.reloads.told();
            told.needs_restart.clone_from(&reloaded.needs_restart);
            told.last = Some(last.clone());
            told.failure.take().is_some()
        };
        if !(idle && cause == Cause::File) || was_wrong {
            tracing::info!(
                generation = reloaded.generation,
                %cause,
                added = added.join(", "),
                removed = removed.join(", "),
                changed = changed.join(", "),
                swapped = swapped.join(", "),
                "manifests and settings were read again"
            );
        }
        for (domain, key, swapped) in &reloaded.swapped {
            if let Err(error) = swapped {
                tracing::warn!(%domain, %key, %error, "a component did not come up; the one before goes on serving");
            }
        }
        for (domain, key) in &reloaded.held {
            tracing::info!(%domain, %key, "a swap is held back until the component may be swapped");
        }
        if !reloaded.needs_restart.is_empty() {
            let keys = reloaded.needs_restart.join(", ");
            tracing::warn!(keys, "these settings count after a restart only");
        }
    }

    /// A reload was not done.
    pub(crate) fn note_failure(&self, cause: Cause, error: &Error) {
        let (message, at) = (error.to_string(), self.executor().parts().clock.now());
        if matches!(error, Error::NoReload { .. }) {
            // Nothing is wrong with the files.
            tracing::warn!(%cause, reason = message, "nothing is read again");
            return;
        }
        let mut told = self.0.reloads.told();
        let since = told.failure.as_ref().map_or(at, |failure| failure.since);
        let file = error.file().map(str::to_owned);
        let known = told.failure.replace(ReloadFailure { message, file, since, at, cause });
        let again =
            known.is_some_and(|known| told.failure.as_ref().is_some_and(|now| now.message == known.message));
        drop(told);
        if !again || cause != Cause::File {
            tracing::error!(%cause, %error, "a reload failed; what was read before counts");
        }
    }
}

/// Reads on a thread that may wait for a disk.
async fn read(sources: Arc<dyn Sources>) -> Result<Reload, Error> {
    let reading = tokio::task::spawn_blocking(move || sources.read()).await;
    reading.unwrap_or_else(|error| {
        let reason = format!("reading was cut short: {error}");
        Err(Error::NoReload { reason, help: "the process is going down, or there is a bug in it".to_owned() })
    })
}

impl LastReload {
    fn of(at: oneiric_core::Timestamp, cause: Cause, reloaded: &Reloaded) -> Self {
        let (mut swapped, mut failed) = (Vec::new(), Vec::new());
        for (domain, key, done) in &reloaded.swapped {
            match done {
                Ok(provider) => swapped.push(format!("{domain} {key}:{provider}")),
                Err(error) => failed.push(error.to_string()),
            }
        }
        let names = |alteration| reloaded.names(alteration).collect();
        Self {
            at,
            cause,
            added: names(Alteration::Added),
            removed: names(Alteration::Removed),
            changed: names(Alteration::Changed),
            swapped,
            failed,
        }
    }
}

//! The files of an orchestrator, read again while it lives: when they change, on SIGHUP, and by `oneiric reload`.

use std::convert::Infallible;
use std::path::PathBuf;

use oneiric_core::settings::{Loader, Settings};
use oneiric_runtime::{Cause, Error, Oneiric, Reload, Sources, read_manifest};

use crate::logging::Control;
use crate::notify::Notifier;
use crate::session::{self, Session};
use crate::signals::Hangups;

/// The manifests and settings that the command line names.
#[derive(Debug)]
pub(super) struct Files {
    loader: Loader<'static>,
    manifests: Vec<PathBuf>,
    /// The log's level, where the settings decide it.
    log: Option<Control>,
}

impl Files {
    pub(super) fn of(session: &Session) -> Self {
        Self {
            loader: session.loader(),
            manifests: session.manifests.clone(),
            log: session.log_of_settings(),
        }
    }
}

impl Sources for Files {
    fn read(&self) -> Result<Reload, Error> {
        let settings = self.loader.load().map_err(Error::Settings)?.settings;
        let manifests = self.manifests.iter().map(|path| read_manifest(path)).collect::<Result<_, _>>()?;
        Ok(Reload { manifests, settings: Some(settings) })
    }

    fn places(&self) -> Vec<PathBuf> {
        self.loader.places().into_iter().chain(self.manifests.iter().cloned()).collect()
    }

    fn adopted(&self, settings: &Settings) {
        if let Some(log) = &self.log {
            log.level(settings.logging.level);
        }
    }
}

/// Has an orchestrator read its files again whenever SIGHUP comes.
#[derive(Debug)]
pub(super) struct Reloader {
    hangups: Hangups,
}

impl Reloader {
    pub(super) fn new(hangups: Hangups) -> Self {
        Self { hangups }
    }

    /// Never returns. What has not been swapped when it is dropped stays as it is.
    pub(super) async fn run(&mut self, oneiric: &Oneiric, notifier: &Notifier) -> Infallible {
        loop {
            self.hangups.next().await;
            notifier.reloading();
            // What is wrong is told by whoever found it.
            if oneiric.reread(Cause::Signal).await.is_ok() {
                session::warn_of_unmet(oneiric.lifecycle().registry().as_ref());
            }
            notifier.ready();
        }
    }
}

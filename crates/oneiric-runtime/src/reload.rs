//! Other manifests and settings in a live process: all of them from one moment on, or none.

mod adopt;
mod held;
mod merge;
mod reread;
mod sources;
mod told;

use std::sync::Arc;

use oneiric_core::lifecycle::LifecycleError;
use oneiric_core::settings::Settings;
use oneiric_core::{Domain, Key, Provider};

use crate::bundle::{Bundle, ManifestFile};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::oneiric::{Edition, Oneiric};
pub(crate) use adopt::Adopted;
pub(crate) use held::bring_in_held;
pub(crate) use reread::Reloading;
pub use sources::Sources;
pub use told::{Cause, Held, LastReload, ReloadFailure, Reloads, Watching};

/// What is to count from now on.
#[derive(Debug, Clone, Default)]
pub struct Reload {
    /// The manifests: all of them, not only those that changed.
    pub manifests: Vec<ManifestFile>,
    /// The settings; those that count stay where this is `None`.
    pub settings: Option<Settings>,
}

impl From<Vec<ManifestFile>> for Reload {
    fn from(manifests: Vec<ManifestFile>) -> Self {
        Self { manifests, settings: None }
    }
}

/// What a reload changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Reloaded {
    /// The number of the generation that counts now: another one where anything changed.
    pub generation: u64,
    /// Entries that came, left, or say something else now, by domain, key and provider.
    pub altered: Vec<Altered>,
    /// Components whose instance was to be replaced: whose serves now, or why the old one goes on.
    pub swapped: Vec<Brought>,
    /// Components that an operator paused or drains: theirs are replaced once they may be.
    pub held: Vec<(Domain, Key)>,
    /// Settings that say something else than what counts, and need a restart: `http.port`.
    pub needs_restart: Vec<String>,
}

/// A component whose instance was to be replaced: whose serves now, or why the old one goes on.
pub type Brought = (Domain, Key, Result<Provider, LifecycleError>);

/// An entry that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Altered {
    /// Its domain.
    pub domain: Domain,
    /// Its key.
    pub key: Key,
    /// Who offers it.
    pub provider: Provider,
    /// What became of it.
    pub alteration: Alteration,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alteration {
    /// It is new.
    Added,
    /// It has left.
    Removed,
    /// It says something else.
    Changed,
}

impl Reloaded {
    /// The entries of which something became: `event audit:shop`.
    pub fn names(&self, alteration: Alteration) -> impl Iterator<Item = String> {
        let of = self.altered.iter().filter(move |altered| altered.alteration == alteration);
        of.map(|Altered { domain, key, provider, .. }| format!("{domain} {key}:{provider}"))
    }
}

impl Oneiric {
    /// Replaces manifests and settings under a live process: the candidates, the workflows of new runs, the
    /// subscriptions, selections and what providers are built with. What was linked in or made in code stays,
    /// and so do subscriptions of [`Oneiric::subscribe`], what was registered in [`Oneiric::lifecycle`], and
    /// selections of swaps, but for those of which the settings now say something else.
    ///
    /// Everything is read and checked before anything changes. Then the candidates change, and after them
    /// workflows and subscriptions in one moment: an event meets all old ones or all new ones, with the workflows
    /// that belong to them. Those under way end on the table that they began on; a stored event whose handler has
    /// left waits until it is back. Runs keep to the manifests that they were planned from. Settings that only a
    /// restart can apply stay as they were, and are told. What the builder was told itself stays.
    ///
    /// When this returns, instances that were built from something else are replaced as in
    /// [`Lifecycle::refresh`](oneiric_core::Lifecycle::refresh); one that does not come up leaves the old one
    /// serving and is in the report, and one that is paused or busy draining is replaced when that is over. A
    /// handler that only wants other events keeps its instance. One reload at a time: others wait. Dropping the
    /// future leaves components that were not swapped yet as they are.
    ///
    /// # Errors
    /// [`Error::Manifest`], [`Error::UnknownWorkflow`], [`Error::Subscription`]; then nothing has changed.
    pub async fn reload(&self, reload: impl Into<Reload>) -> Result<Reloaded, Error> {
        let reload = reload.into();
        let _one = self.0.reloads.turn().await;
        self.adopt(reload).await.inspect(|reloaded| self.note_reload(Cause::Call, reloaded))
    }

    /// The generation that a reload makes, and then the instances. The caller has the turn.
    async fn adopt(&self, Reload { mut manifests, settings }: Reload) -> Result<Reloaded, Error> {
        manifests.extend(self.own().code.iter().cloned());
        let running = self.settings();
        let adopted = match settings {
            Some(wanted) => Adopted::of(&running, &wanted),
            None => {
                Adopted { settings: Settings::clone(&running), needs_restart: self.0.reloads.needs_restart() }
            }
        };
        let mut catalog = Catalog::load_beside(self.own(), Bundle { files: manifests })?;
        catalog.check_triggers()?;
        catalog.select(&adopted.settings);
        let now = self.executor().parts().clock.now();
        let old = self.0.edition.load_full();
        let mut new = Edition::of(catalog, now);
        new.number = old.number;
        let altered = if new.digest == old.digest && adopted.settings == *running {
            Vec::new()
        } else {
            new.number += 1;
            self.replace(&old, Arc::new(new), Arc::new(adopted.settings))?
        };
        // Whoever is free again, or back, takes what waits.
        self.0.courier.reconsider();
        let (swapped, held) = self.bring_in().await;
        let generation = self.0.edition.load().number;
        Ok(Reloaded { generation, altered, swapped, held, needs_restart: adopted.needs_restart })
    }

    fn replace(
        &self,
        old: &Edition,
        new: Arc<Edition>,
        settings: Arc<Settings>,
    ) -> Result<Vec<Altered>, Error> {
        let _one = self.rebuilding();
        let declared = self.lifecycle().register(|registry| {
            let merged = merge::merged(registry, old.catalog.registry(), new.catalog.registry());
            let declared = self.declared(&merged, &settings)?;
            // In front of the candidates: whoever builds one of the new ones builds it with the new settings.
            self.secrecy().replace(Arc::clone(&settings));
            *registry = merged;
            Ok::<_, Error>(declared)
        })?;
        self.0.reloads.bound(self.lifecycle(), &settings);
        // Runs of the old ones may come to be resumed.
        self.shelf().put(old.digest, &old.catalog);
        self.0.edition.store(Arc::clone(&new));
        let origin = Arc::clone(&new.catalog);
        self.0.dispatcher.declare_of(declared, origin);
        Ok(merge::altered(&old.catalog, &new.catalog))
    }
}

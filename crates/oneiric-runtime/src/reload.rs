//! Other manifests in a live process: all of them from one moment on, or none.

use std::collections::BTreeMap;
use std::sync::Arc;

use oneiric_core::lifecycle::LifecycleError;
use oneiric_core::{Candidate, Descriptor, Domain, Key, Provider, Registry, Source};

use crate::bundle::{Bundle, ManifestFile};
use crate::catalog::Catalog;
use crate::error::Error;
use crate::oneiric::{Edition, Oneiric};
use crate::services::{Keeper, roster};

/// What a reload changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Reloaded {
    /// Entries that came, left, or say something else now, by domain, key and provider.
    pub altered: Vec<Altered>,
    /// Components whose instance was to be replaced: whose serves now, or why the old one goes on.
    pub swapped: Vec<(Domain, Key, Result<Provider, LifecycleError>)>,
}

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
    /// Replaces the manifests under a live process: the candidates, the workflows of new runs and the
    /// subscriptions. What was linked in or made in code stays, and so do subscriptions of
    /// [`Oneiric::subscribe`], what was registered in [`Oneiric::lifecycle`], and selections of swaps.
    ///
    /// Everything is read and checked before anything changes. Then the candidates change, and after them
    /// workflows and subscriptions in one moment: an event meets all old ones or all new ones, with the workflows
    /// that belong to them. Those under way end on the table that they began on; a stored event whose handler has
    /// left waits until it is back. Runs keep to the manifests that they were planned from.
    ///
    /// When this returns, instances that were built from something else are replaced as in
    /// [`Lifecycle::refresh`](oneiric_core::Lifecycle::refresh); one that does not come up leaves the old one
    /// serving and is in the report. A handler that only wants other events keeps its instance. Services that
    /// left are stopped, those that came are started, and those that changed are restarted, each with those that
    /// need it; [`Oneiric::services`] tells how far that is. Dropping the future leaves components that were not
    /// swapped yet, and services, as they are.
    ///
    /// # Errors
    /// [`Error::Manifest`], [`Error::UnknownWorkflow`], [`Error::Services`], [`Error::Service`],
    /// [`Error::Subscription`]; then nothing has changed.
    pub async fn reload(&self, mut files: Vec<ManifestFile>) -> Result<Reloaded, Error> {
        files.extend(self.own().code.iter().cloned());
        let mut catalog = Catalog::load_beside(self.own(), Bundle { files })?;
        catalog.check_triggers()?;
        catalog.check_services()?;
        if self.keeper() != Keeper::NotAsked {
            catalog.check_probes(self.0.services.prober())?;
        }
        catalog.select(self.settings());
        let before = self.lifecycle().registry();
        let edition = Arc::new(Edition::of(catalog));
        let altered = self.replace(edition)?;
        // Whoever is free again, or back, takes what waits.
        self.0.courier.reconsider();
        // Their instances are replaced when nobody works on them.
        let _held = self.0.services.supervisor().hold(self.changed_services(&before)).await;
        let swapped = self.lifecycle().refresh().await;
        self.adopt_services(&before).await?;
        let swapped = swapped
            .into_iter()
            .map(|(domain, key, swapped)| (domain, key, swapped.map(|swapped| swapped.provider)))
            .collect();
        Ok(Reloaded { altered, swapped })
    }

    fn replace(&self, new: Arc<Edition>) -> Result<Vec<Altered>, Error> {
        let _one = self.rebuilding();
        let old = self.0.edition.load_full();
        let declared = self.lifecycle().register(|registry| {
            let merged = merged(registry, old.catalog.registry(), new.catalog.registry());
            let declared = self.declared(&merged)?;
            roster(&merged)?;
            *registry = merged;
            Ok::<_, Error>(declared)
        })?;
        // Runs of the old ones may come to be resumed.
        self.shelf().put(old.digest, &old.catalog);
        self.0.edition.store(Arc::clone(&new));
        let origin = Arc::clone(&new.catalog);
        self.0.dispatcher.declare_of(declared, origin);
        Ok(altered(&old.catalog, &new.catalog))
    }
}

/// The candidates of a live process after its manifests have changed: those of the new ones, what the program
/// registered by itself, and the selections that were made meanwhile.
fn merged(live: &Registry, old: &Registry, new: &Registry) -> Registry {
    let mut merged = new.clone();
    let is_old = |candidate: &&Candidate| {
        let Descriptor { domain, key, .. } = &**candidate.descriptor();
        old.candidates(domain, key).iter().any(|known| known.descriptor() == candidate.descriptor())
    };
    let mut own: Vec<&Candidate> = all(live).filter(|candidate| !is_old(candidate)).collect();
    own.sort_by_key(|candidate| candidate.sequence());
    for candidate in own {
        merged.register(Descriptor::clone(candidate.descriptor()));
    }
    for candidate in all(live) {
        let Descriptor { domain, key, .. } = &**candidate.descriptor();
        if let Some(provider) = live.selection(domain, key) {
            merged.select(domain, key, provider.clone());
        }
    }
    for unmet in live.unmet_selections() {
        merged.select(unmet.domain, unmet.key, unmet.provider.clone());
    }
    merged
}

fn all(registry: &Registry) -> impl Iterator<Item = &Candidate> {
    registry.domains().flat_map(|domain| registry.active(domain).chain(registry.shadowed(domain)))
}

/// The entries that came, left or changed. An entry that only moved to another line or file has not changed.
fn altered(old: &Catalog, new: &Catalog) -> Vec<Altered> {
    let (before, after) = (entries(old), entries(new));
    let same = |one: &Descriptor, other: &Descriptor| {
        let graphs = (old.graph_of(one), new.graph_of(other));
        *one == Descriptor { source: one.source.clone(), ..other.clone() }
            && graphs.0.map(|workflow| workflow.dag()) == graphs.1.map(|workflow| workflow.dag())
    };
    let gone = before.keys().filter(|id| !after.contains_key(*id)).map(|id| (id, Alteration::Removed));
    let come = after.iter().filter_map(|(id, entry)| match before.get(id) {
        None => Some((id, Alteration::Added)),
        Some(was) => (!same(was, entry)).then_some((id, Alteration::Changed)),
    });
    let altered = |((domain, key, provider), alteration): (&Id, Alteration)| Altered {
        domain: domain.clone(),
        key: key.clone(),
        provider: provider.clone(),
        alteration,
    };
    let mut altered: Vec<_> = gone.chain(come).map(altered).collect();
    let by_name = |one: &Altered| (one.domain.clone(), one.key.clone(), one.provider.clone());
    altered.sort_by_key(by_name);
    altered
}

type Id = (Domain, Key, Provider);

/// What stands in manifests; of two of one name the one that counts.
fn entries(catalog: &Catalog) -> BTreeMap<Id, &Descriptor> {
    let of_manifest =
        |candidate: &&Candidate| matches!(candidate.descriptor().source, Source::LocalManifest(_));
    let mut entries = BTreeMap::new();
    for candidate in all(catalog.registry()).filter(of_manifest) {
        let descriptor = &**candidate.descriptor();
        let id = (descriptor.domain.clone(), descriptor.key.clone(), descriptor.provider.clone());
        entries.entry(id).or_insert(descriptor);
    }
    entries
}

//! What becomes of candidates and selections, and what has changed: pure.

use std::collections::BTreeMap;

use oneiric_core::{Candidate, Descriptor, Domain, Key, Provider, Registry, Source};

use super::{Alteration, Altered};
use crate::catalog::Catalog;

/// The candidates of a live process after its manifests have changed: those of the new ones, what the program
/// registered by itself, and the selections that swaps have made meanwhile. A selection of settings that has
/// changed goes before that of a swap: it is the later word.
pub(super) fn merged(live: &Registry, old: &Registry, new: &Registry) -> Registry {
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
    for (domain, key) in selected(live).chain(selected(old)) {
        let (now, before) = (live.selection(domain, key), old.selection(domain, key));
        let settings_changed = before != new.selection(domain, key);
        match now {
            _ if now == before || settings_changed => {}
            Some(provider) => merged.select(domain, key, provider.clone()),
            None => merged.deselect(domain, key),
        }
    }
    merged
}

/// The keys of which a selection speaks, met or not.
fn selected(registry: &Registry) -> impl Iterator<Item = (&Domain, &Key)> {
    let met = all(registry).map(|candidate| (&candidate.descriptor().domain, &candidate.descriptor().key));
    let met = met.filter(|(domain, key)| registry.selection(domain, key).is_some());
    met.chain(registry.unmet_selections().map(|unmet| (unmet.domain, unmet.key)))
}

fn all(registry: &Registry) -> impl Iterator<Item = &Candidate> {
    registry.domains().flat_map(|domain| registry.active(domain).chain(registry.shadowed(domain)))
}

/// The entries that came, left or changed. An entry that only moved to another line or file has not changed.
pub(super) fn altered(old: &Catalog, new: &Catalog) -> Vec<Altered> {
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

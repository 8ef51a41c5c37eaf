//! Which candidate a key means, and why.
//!
//! A [`Registry`] holds every candidate under its domain and key, ranked when it is registered, so
//! that the common question is a map look-up. The order is stated once, in [`rank`]. Building what
//! was found is a [`crate::ComponentRuntime`]'s work; whether it may be built is
//! [`crate::trust`]'s.

mod candidate;
mod error;
mod explain;
mod order;
mod slot;
mod stack_order;

use std::collections::{BTreeMap, BTreeSet};

pub use candidate::Candidate;
pub use error::ResolveError;
pub use explain::{Excluded, Explanation, Ranked};
pub use order::{Criterion, Exclusion, Query, Rank, rank};
use slot::Slot;
pub use stack_order::{StackOrder, StackOrderError};

use crate::nearest::nearest;
use crate::{Descriptor, Domain, Key, Provider, Source};

/// Every candidate that is known, with the operator's selections.
///
/// A plain value: share it behind an `Arc` and replace the whole to change it under readers. A clone
/// shares the descriptors.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    // Ordered maps: listings are sorted by key for free, and a look-up compares a handful of short
    // names. Both levels are looked up by reference, without building a key.
    domains: BTreeMap<Domain, BTreeMap<Key, Slot>>,
    sequence: u64,
}

/// What [`Registry::replace_source`] did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replaced {
    /// Domains and keys whose candidates changed: a live instance may have to be swapped.
    pub changed: BTreeSet<(Domain, Key)>,
    /// Candidates that are new or differ from what the source said before.
    pub registered: usize,
    /// Candidates that stayed as they were, with their place in the order of registration.
    pub unchanged: usize,
    /// Candidates that the source no longer names.
    pub removed: usize,
}

/// A selection that no candidate meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmetSelection<'a> {
    /// The domain.
    pub domain: &'a Domain,
    /// The key.
    pub key: &'a Key,
    /// The provider that was selected and is not there.
    pub provider: &'a Provider,
    /// The providers that are, best first; empty where the key itself is unknown.
    pub known: Vec<&'a Provider>,
}

impl Registry {
    /// A registry without candidates.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a candidate, or replaces the one of the same domain, key and provider from the same
    /// source. Either way it is now the latest registration.
    pub fn register(&mut self, descriptor: Descriptor) {
        self.sequence += 1;
        let slot = self
            .domains
            .entry(descriptor.domain.clone())
            .or_default()
            .entry(descriptor.key.clone())
            .or_default();
        slot.insert(Candidate::new(descriptor, self.sequence));
    }

    /// Makes `descriptors` all that `source` says: what it no longer names leaves, what is new or
    /// different is registered in the order given, what is equal stays untouched. So reading an
    /// unchanged manifest again changes no winner.
    ///
    /// The `source` field of each descriptor is set to `source`; of two with one domain, key and
    /// provider the later counts.
    pub fn replace_source(&mut self, source: &Source, descriptors: Vec<Descriptor>) -> Replaced {
        let mut wanted = BTreeMap::new();
        for (place, mut descriptor) in descriptors.into_iter().enumerate() {
            descriptor.source = source.clone();
            let id = (descriptor.domain.clone(), descriptor.key.clone(), descriptor.provider.clone());
            wanted.insert(id, (place, descriptor));
        }
        let mut done = Replaced::default();
        self.retain(|candidate| {
            let has = candidate.descriptor();
            if has.source != *source {
                return true;
            }
            let id = (has.domain.clone(), has.key.clone(), has.provider.clone());
            if wanted.get(&id).is_some_and(|(_, new)| new == has.as_ref()) {
                wanted.remove(&id);
                done.unchanged += 1;
                return true;
            }
            done.removed += usize::from(!wanted.contains_key(&id));
            done.changed.insert((id.0, id.1));
            false
        });
        let mut new: Vec<_> = wanted.into_values().collect();
        new.sort_by_key(|(place, _)| *place);
        done.registered = new.len();
        for (_, descriptor) in new {
            done.changed.insert((descriptor.domain.clone(), descriptor.key.clone()));
            self.register(descriptor);
        }
        done
    }

    fn retain(&mut self, mut keep: impl FnMut(&Candidate) -> bool) {
        for keys in self.domains.values_mut() {
            keys.retain(|_, slot| {
                slot.retain(&mut keep);
                !slot.is_unused()
            });
        }
        self.domains.retain(|_, keys| !keys.is_empty());
    }

    /// Prefers a provider for a key from now on. It need not be registered yet; while it is not, the
    /// ranking decides and [`Registry::unmet_selections`] lists it.
    pub fn select(&mut self, domain: &Domain, key: &Key, provider: Provider) {
        self.domains
            .entry(domain.clone())
            .or_default()
            .entry(key.clone())
            .or_default()
            .select(Some(provider));
    }

    /// Takes a selection back; the ranking decides again.
    pub fn deselect(&mut self, domain: &Domain, key: &Key) {
        let Some(keys) = self.domains.get_mut(domain) else { return };
        let Some(slot) = keys.get_mut(key) else { return };
        slot.select(None);
        if slot.is_unused() {
            keys.remove(key);
        }
        if keys.is_empty() {
            self.domains.remove(domain);
        }
    }

    /// The provider selected for a key, met or not.
    pub fn selection(&self, domain: &Domain, key: &Key) -> Option<&Provider> {
        self.slot(domain, key)?.selection()
    }

    /// The selections that no candidate meets, by domain and key.
    pub fn unmet_selections(&self) -> impl Iterator<Item = UnmetSelection<'_>> {
        self.domains.iter().flat_map(|(domain, keys)| {
            keys.iter().filter_map(move |(key, slot)| {
                let provider = slot.unmet_selection()?;
                Some(UnmetSelection { domain, key, provider, known: slot.providers() })
            })
        })
    }

    /// The candidate that a key means.
    ///
    /// Does not allocate. Without an explicit provider or capabilities it is a look-up; otherwise the
    /// candidates of the key are walked, to the first that will do or, where any of several
    /// capabilities will, once to the end.
    ///
    /// # Errors
    /// [`ResolveError`] says which part of the question has no answer, and what comes nearest.
    pub fn resolve(&self, domain: &Domain, key: &Key, query: &Query<'_>) -> Result<&Candidate, ResolveError> {
        let slot = self
            .slot(domain, key)
            .filter(|slot| !slot.ranked().is_empty())
            .ok_or_else(|| self.unknown(domain, key))?;
        slot.best(query).ok_or_else(|| error::unanswered(domain, key, slot.ranked(), query))
    }

    /// Every candidate of a key in the order of the question, with the reasons. An unknown key has
    /// an empty order.
    pub fn explain(&self, domain: &Domain, key: &Key, query: &Query<'_>) -> Explanation {
        static NOTHING: Slot = Slot::EMPTY;
        explain::explain(domain, key, self.slot(domain, key).unwrap_or(&NOTHING), query)
    }

    /// The candidates of a key, best first.
    pub fn candidates(&self, domain: &Domain, key: &Key) -> &[Candidate] {
        self.slot(domain, key).map_or(&[], Slot::ranked)
    }

    /// The candidate that each key of a domain means, by key.
    pub fn active(&self, domain: &Domain) -> impl Iterator<Item = &Candidate> {
        self.slots(domain).filter_map(|slot| slot.ranked().first())
    }

    /// The candidates of a domain that something better hides, by key, best first.
    pub fn shadowed(&self, domain: &Domain) -> impl Iterator<Item = &Candidate> {
        self.slots(domain).flat_map(|slot| slot.ranked().iter().skip(1))
    }

    /// The domains that have candidates or selections, by name.
    pub fn domains(&self) -> impl Iterator<Item = &Domain> {
        self.domains.keys()
    }

    /// How many candidates there are.
    pub fn len(&self) -> usize {
        self.domains.values().flat_map(BTreeMap::values).map(|slot| slot.ranked().len()).sum()
    }

    /// Whether there is no candidate at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slot(&self, domain: &Domain, key: &Key) -> Option<&Slot> {
        self.domains.get(domain)?.get(key)
    }

    fn slots(&self, domain: &Domain) -> impl Iterator<Item = &Slot> {
        self.domains.get(domain).into_iter().flat_map(BTreeMap::values)
    }

    fn unknown(&self, domain: &Domain, key: &Key) -> ResolveError {
        if self.active(domain).next().is_none() {
            let known = self.domains.keys().filter(|known| self.active(known).next().is_some());
            let nearest = nearest(domain.name(), known.map(Domain::name)).map(str::to_owned);
            return ResolveError::UnknownDomain { domain: domain.clone(), key: key.clone(), nearest };
        }
        let known = self.active(domain).map(|candidate| candidate.descriptor().key.as_str());
        let nearest = nearest(key.as_str(), known).map(str::to_owned);
        ResolveError::UnknownKey { domain: domain.clone(), key: key.clone(), nearest }
    }
}

#[cfg(test)]
mod tests;

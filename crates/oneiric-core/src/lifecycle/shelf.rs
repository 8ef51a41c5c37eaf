//! Where slots are found.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, PoisonError, RwLock};

use crate::{Domain, Key};

use super::slot::{Pin, Slot, SlotId};

/// Every slot of a lifecycle, by key and domain.
#[derive(Debug, Default)]
pub(super) struct Shelves(RwLock<Map>);

// By key first: few keys are in more than one domain, and a key is found in one step.
type Map = HashMap<Key, Vec<Shelf>, BuildHasherDefault<Words>>;

/// The slots of one key of one domain: what everybody means, and what was asked for more exactly.
#[derive(Debug)]
struct Shelf {
    domain: Domain,
    follow: Option<Arc<Slot>>,
    pinned: Vec<Arc<Slot>>,
}

impl Shelf {
    fn new(domain: Domain) -> Self {
        Self { domain, follow: None, pinned: Vec::new() }
    }

    fn find(&self, pin: &Pin) -> Option<&Arc<Slot>> {
        match pin {
            Pin::Follow => self.follow.as_ref(),
            Pin::Provider { .. } | Pin::Exact(_) => self.pinned.iter().find(|slot| slot.id.pin == *pin),
        }
    }

    fn slots(&self) -> impl Iterator<Item = &Arc<Slot>> {
        self.follow.iter().chain(&self.pinned)
    }
}

impl Shelves {
    /// What `look` says of what everybody means by a key, if it was ever asked for. Does not allocate.
    #[inline]
    pub(super) fn followed<T>(
        &self,
        domain: &Domain,
        key: &Key,
        look: impl FnOnce(&Arc<Slot>) -> Option<T>,
    ) -> Option<T> {
        let shelves = self.0.read().unwrap_or_else(PoisonError::into_inner);
        look(find(&shelves, domain, key)?.follow.as_ref()?)
    }

    /// The slot, made where it is not there yet.
    pub(super) fn slot(&self, domain: &Domain, key: &Key, pin: &Pin) -> Arc<Slot> {
        let known = {
            let shelves = self.0.read().unwrap_or_else(PoisonError::into_inner);
            find(&shelves, domain, key).and_then(|shelf| shelf.find(pin)).cloned()
        };
        if let Some(slot) = known {
            return slot;
        }
        let mut shelves = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let domains = shelves.entry(key.clone()).or_default();
        let place = domains.iter().position(|shelf| shelf.domain == *domain).unwrap_or_else(|| {
            // Exactly as many as there are: most keys are in one domain.
            domains.reserve_exact(1);
            domains.push(Shelf::new(domain.clone()));
            domains.len() - 1
        });
        let shelf = &mut domains[place];
        if let Some(slot) = shelf.find(pin) {
            return Arc::clone(slot);
        }
        let id = SlotId { domain: domain.clone(), key: key.clone(), pin: pin.clone() };
        let slot = Arc::new(Slot::new(id));
        match pin {
            Pin::Follow => shelf.follow = Some(Arc::clone(&slot)),
            Pin::Provider { .. } | Pin::Exact(_) => shelf.pinned.push(Arc::clone(&slot)),
        }
        slot
    }

    /// Takes out the slots that nobody holds: no handle was given out that is still there, and nobody
    /// brings anything up in them.
    pub(super) fn remove_unheld(&self, unwanted: impl Fn(&Slot) -> bool) -> Vec<Arc<Slot>> {
        let mut removed = Vec::new();
        let mut shelves = self.0.write().unwrap_or_else(PoisonError::into_inner);
        shelves.retain(|_, domains| {
            domains.retain_mut(|shelf| {
                // New holders come through this map only, and it is locked.
                let goes = |slot: &mut Arc<Slot>| Arc::strong_count(slot) == 1 && unwanted(slot);
                removed.extend(shelf.follow.take_if(goes));
                removed.extend(shelf.pinned.extract_if(.., goes));
                shelf.follow.is_some() || !shelf.pinned.is_empty()
            });
            !domains.is_empty()
        });
        removed
    }

    /// Every slot, by domain and key.
    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        let shelves = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = shelves.values().flatten().flat_map(Shelf::slots).cloned().collect();
        drop(shelves);
        all.sort_by(|a, b| (&a.id.domain, &a.id.key).cmp(&(&b.id.domain, &b.id.key)));
        all
    }
}

#[inline]
fn find<'a>(shelves: &'a Map, domain: &Domain, key: &Key) -> Option<&'a Shelf> {
    shelves.get(key)?.iter().find(|shelf| shelf.domain == *domain)
}

/// Hashes a short text eight bytes at a time, several times faster than the standard library's hasher,
/// which is made for keys that an attacker chooses. Slots are made for keys that a registered
/// candidate has: whoever may register candidates has no need to slow down a look-up.
#[derive(Debug, Default)]
struct Words(u64);

impl Words {
    // The golden ratio in 64 bits (Knuth, The Art of Computer Programming 6.4): odd, and its bits are
    // evenly spread.
    const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

    #[inline]
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(Self::FACTOR);
    }
}

impl Hasher for Words {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.mix(u64::from_le_bytes(*word)));
        let rest = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        self.mix(rest | (bytes.len() as u64) << 56);
    }

    #[inline]
    fn write_u8(&mut self, _: u8) {
        // The end mark of a text; its length is in the hash already.
    }

    #[inline]
    fn finish(&self) -> u64 {
        // A product is best in its upper half, and the map looks at both ends.
        self.0 ^ (self.0 >> 32)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::{BuildHasher as _, BuildHasherDefault};

    use super::*;

    #[test]
    fn names_that_differ_a_little_hash_apart() {
        let hasher = BuildHasherDefault::<Words>::default();
        let names: Vec<String> = (0..4_096)
            .flat_map(|n| {
                [format!("k{n}"), format!("shop.tasks.charge.{n}"), format!("{n}.shop.tasks.charge")]
            })
            .collect();
        let hash = |name: &String| hasher.hash_one(Key::new(name).unwrap());
        // As the map takes them: the lower bits choose the place, the upper seven are compared first.
        let low: HashSet<u64> = names.iter().map(|name| hash(name) & 0xFFFF).collect();
        let high: HashSet<u64> = names.iter().map(|name| hash(name) >> 57).collect();
        // 12,288 names thrown on 65,536 places hit about 11,200 of them.
        assert!(low.len() > 10_500, "{}", low.len());
        assert_eq!(high.len(), 128);
    }
}

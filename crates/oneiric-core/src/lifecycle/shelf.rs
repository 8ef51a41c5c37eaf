//! Where slots are found.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use crate::{Domain, Key};

use super::slot::{Pin, Slot, SlotId};

/// Every slot of a lifecycle, by domain and key.
#[derive(Debug, Default)]
pub(super) struct Shelves(RwLock<BTreeMap<Domain, HashMap<Key, Shelf>>>);

/// The slots of one key: what everybody means, and what was asked for more exactly.
#[derive(Debug, Default)]
struct Shelf {
    follow: Option<Arc<Slot>>,
    pinned: Vec<Arc<Slot>>,
}

impl Shelf {
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
    /// What everybody means by a key, if it was ever asked for. Does not allocate.
    #[inline]
    pub(super) fn followed(&self, domain: &Domain, key: &Key) -> Option<Arc<Slot>> {
        self.find(domain, key, &Pin::Follow)
    }

    fn find(&self, domain: &Domain, key: &Key, pin: &Pin) -> Option<Arc<Slot>> {
        let shelves = self.0.read().unwrap_or_else(PoisonError::into_inner);
        shelves.get(domain)?.get(key)?.find(pin).cloned()
    }

    /// The slot, made where it is not there yet.
    pub(super) fn slot(&self, domain: &Domain, key: &Key, pin: &Pin) -> Arc<Slot> {
        if let Some(slot) = self.find(domain, key, pin) {
            return slot;
        }
        let mut shelves = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves.entry(domain.clone()).or_default().entry(key.clone()).or_default();
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
        for keys in shelves.values_mut() {
            keys.retain(|_, shelf| {
                // New holders come through this map only, and it is locked.
                let goes = |slot: &mut Arc<Slot>| Arc::strong_count(slot) == 1 && unwanted(slot);
                removed.extend(shelf.follow.take_if(goes));
                removed.extend(shelf.pinned.extract_if(.., goes));
                shelf.follow.is_some() || !shelf.pinned.is_empty()
            });
        }
        shelves.retain(|_, keys| !keys.is_empty());
        removed
    }

    /// Every slot, by domain and key.
    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        let shelves = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> =
            shelves.values().flat_map(HashMap::values).flat_map(Shelf::slots).cloned().collect();
        drop(shelves);
        all.sort_by(|a, b| (&a.id.domain, &a.id.key).cmp(&(&b.id.domain, &b.id.key)));
        all
    }
}

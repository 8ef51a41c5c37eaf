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
            Pin::Provider(_) | Pin::Exact(_) => self.pinned.iter().find(|slot| slot.id.pin == *pin),
        }
    }
}

impl Shelves {
    /// What everybody means by a key, if it was ever asked for. Does not allocate.
    pub(super) fn followed(&self, domain: &Domain, key: &Key) -> Option<Arc<Slot>> {
        let shelves = self.0.read().unwrap_or_else(PoisonError::into_inner);
        shelves.get(domain)?.get(key)?.follow.clone()
    }

    /// The slot, made where it is not there yet.
    pub(super) fn slot(&self, domain: &Domain, key: &Key, pin: Pin) -> Arc<Slot> {
        let mut shelves = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let shelf = shelves.entry(domain.clone()).or_default().entry(key.clone()).or_default();
        if let Some(slot) = shelf.find(&pin) {
            return Arc::clone(slot);
        }
        let follows = pin == Pin::Follow;
        let slot = Arc::new(Slot::new(SlotId { domain: domain.clone(), key: key.clone(), pin }));
        if follows {
            shelf.follow = Some(Arc::clone(&slot));
        } else {
            shelf.pinned.push(Arc::clone(&slot));
        }
        slot
    }

    /// Every slot, by domain and key.
    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        let shelves = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = shelves
            .values()
            .flat_map(HashMap::values)
            .flat_map(|shelf| shelf.follow.iter().chain(&shelf.pinned))
            .cloned()
            .collect();
        all.sort_by(|a, b| (&a.id.domain, &a.id.key).cmp(&(&b.id.domain, &b.id.key)));
        all
    }
}

//! Where slots are found.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Domain, Key};

use super::slot::{Pin, Slot, SlotId};
use super::trie::Trie;

/// Every slot of a lifecycle.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    /// What everybody means by a key. Stays when it is empty: there are as many as keys were ever
    /// asked for, and finding one is the path of every look-up.
    followed: Trie,
    /// What was asked for more exactly.
    pinned: Mutex<Pinned>,
}

type Pinned = BTreeMap<(Domain, Key), Vec<Arc<Slot>>>;

impl Shelves {
    fn pinned(&self) -> MutexGuard<'_, Pinned> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What everybody means by a key, if it was ever asked for. Takes no lock.
    #[inline]
    pub(super) fn followed(&self, domain: &Domain, key: &Key) -> Option<&Arc<Slot>> {
        self.followed.find(domain, key)
    }

    /// The slot, made where it is not there yet.
    pub(super) fn slot(&self, domain: &Domain, key: &Key, pin: &Pin) -> Arc<Slot> {
        let make = || {
            let id = SlotId { domain: domain.clone(), key: key.clone(), pin: pin.clone() };
            Arc::new(Slot::new(id))
        };
        if *pin == Pin::Follow {
            return Arc::clone(self.followed.find_or_insert(domain, key, make));
        }
        let mut pinned = self.pinned();
        let slots = pinned.entry((domain.clone(), key.clone())).or_default();
        if let Some(slot) = slots.iter().find(|slot| slot.id.pin == *pin) {
            return Arc::clone(slot);
        }
        let slot = make();
        slots.push(Arc::clone(&slot));
        slot
    }

    /// The slots that are not wanted and that nobody holds: no handle was given out that is still
    /// there, and nobody brings anything up in them. Those that were pinned are taken out.
    pub(super) fn unheld(&self, is_unwanted: impl Fn(&Slot) -> bool) -> Vec<Arc<Slot>> {
        let goes = |slot: &Arc<Slot>| Arc::strong_count(slot) == 1 && is_unwanted(slot);
        let mut unheld: Vec<_> = self.followed.iter().filter(|slot| goes(slot)).cloned().collect();
        self.pinned().retain(|_, slots| {
            // New holders come through this map only, and it is locked.
            unheld.extend(slots.extract_if(.., |slot| goes(slot)));
            !slots.is_empty()
        });
        unheld
    }

    /// Every slot, by domain and key.
    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        let mut all: Vec<_> = self.followed.iter().cloned().collect();
        all.extend(self.pinned().values().flatten().cloned());
        all.sort_by(|a, b| (&a.id.domain, &a.id.key).cmp(&(&b.id.domain, &b.id.key)));
        all
    }
}

//! Catalogs that were read back from the store, kept for the next run of the same manifests: whoever takes
//! over ten thousand runs reads their manifests once.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oneiric_core::Digest;

use crate::catalog::Catalog;

/// How many are kept. A state folder has runs of a few versions of a few manifests at a time; a catalog is
/// some kilobytes for each entry.
const KEPT: usize = 16;

/// The catalogs last used, by the digest of their bundle.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    last: Mutex<VecDeque<(Digest, Arc<Catalog>)>>,
}

impl Shelf {
    /// One that was used lately.
    pub(crate) fn find(&self, bundle: Digest) -> Option<Arc<Catalog>> {
        let mut last = self.last();
        let place = last.iter().position(|(digest, _)| *digest == bundle)?;
        let found = last.remove(place)?;
        let catalog = Arc::clone(&found.1);
        last.push_front(found);
        Some(catalog)
    }

    /// Keeps one; what was used longest ago goes.
    pub(crate) fn put(&self, bundle: Digest, catalog: &Arc<Catalog>) {
        let mut last = self.last();
        last.retain(|(digest, _)| *digest != bundle);
        last.push_front((bundle, Arc::clone(catalog)));
        last.truncate(KEPT);
    }

    fn last(&self) -> MutexGuard<'_, VecDeque<(Digest, Arc<Catalog>)>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_longest_ago_goes() {
        let shelf = Shelf::default();
        let digest = |n: usize| Digest::of(&n.to_be_bytes());
        for n in 0..KEPT {
            shelf.put(digest(n), &Arc::default());
        }
        assert!(shelf.find(digest(0)).is_some());
        shelf.put(digest(KEPT), &Arc::default());
        assert!(shelf.find(digest(0)).is_some() && shelf.find(digest(1)).is_none());
    }
}

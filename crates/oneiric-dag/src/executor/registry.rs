//! Which runs are under way in this process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use oneiric_core::RunId;

use super::run::Run;

/// The runs under way, by id and so by age. A run that has ended here is not in it.
#[derive(Debug, Default)]
pub(super) struct Registry(Mutex<BTreeMap<RunId, Weak<Run>>>);

impl Registry {
    /// Returns how many there are now.
    pub(super) fn add(&self, run: &Arc<Run>) -> usize {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.insert(run.id, Arc::downgrade(run));
        runs.len()
    }

    pub(super) fn remove(&self, run: RunId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }

    pub(super) fn get(&self, run: RunId) -> Option<Arc<Run>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&run).and_then(Weak::upgrade)
    }

    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn all(&self) -> Vec<Arc<Run>> {
        let runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runs.values().filter_map(Weak::upgrade).collect()
    }
}

//! Whether components take work, and how much of it is in flight in this process.
//!
//! [`Activity`] is a check of the gate: it is asked for every start, counts what it admits, and the permit
//! that it gives uncounts it. What operators said comes from the store, through whoever owns this; work that
//! is in flight in other processes is counted there.

mod cell;
mod change;
mod rule;
mod turns;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use oneiric_core::gate::{Admission, Check, No, Permit, Step};
use oneiric_core::metrics::Family;
use oneiric_core::{Domain, Key};
use oneiric_store::ActivityRecord;
use serde::{Deserialize, Serialize};

use cell::Cell;
pub use change::{Change, MAX_NOTE, Wish};
pub use rule::{Answer, Marks, decide};
use turns::Turns;

/// How much work of a component is in flight in a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// The domain of the component.
    pub domain: Domain,
    /// Its key.
    pub key: Key,
    /// Runs, tries and calls; at least 1 in lists.
    pub count: u64,
}

/// Whether the components of a process take work, and how much of it is in flight. A clone is the same one.
#[derive(Clone, Default)]
pub struct Activity(Arc<Inner>);

#[derive(Default)]
struct Inner {
    cells: RwLock<HashMap<Domain, HashMap<Key, Arc<Cell>>>>,
    /// What operators said, by domain and key.
    records: Mutex<Arc<[ActivityRecord]>>,
    turns: Turns,
}

/// Work in flight, until it is dropped.
struct Working(Arc<Cell>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Activity {
    /// Replaces all that operators said. When this returns, nothing more is accepted by what they closed, and
    /// [`Activity::in_flight`] has everything that was. Whether any mark changed.
    ///
    /// Two calls must not race: the later one is to have the newer records.
    pub fn set(&self, records: Vec<ActivityRecord>) -> bool {
        let mut cells = self.0.cells.write().unwrap_or_else(PoisonError::into_inner);
        for record in &records {
            cells.entry(record.domain.clone()).or_default().entry(record.key.clone()).or_default();
        }
        let marks: HashMap<_, _> =
            records.iter().map(|record| ((&record.domain, &record.key), Marks::from(record))).collect();
        let mut changed = false;
        for (domain, keys) in cells.iter_mut() {
            keys.retain(|key, cell| {
                let said = marks.get(&(domain, key));
                let (before, now) = (cell.marks(), said.copied().unwrap_or_default());
                self.0.turns.count(domain, before, now);
                changed |= cell.mark(now);
                // Whoever is about to ask a cell holds it already, and others find it under the lock only.
                said.is_some() || Arc::strong_count(cell) > 1
            });
        }
        *self.0.records.lock().unwrap_or_else(PoisonError::into_inner) = records.into();
        changed
    }

    /// How often components were paused and drained, and took work again, as this process came to know of it.
    pub fn metrics(&self) -> Vec<Family> {
        self.0.turns.families()
    }

    /// What operators said, by domain and key; the default has no record.
    pub fn records(&self) -> Arc<[ActivityRecord]> {
        Arc::clone(&self.0.records.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What they said of one component.
    pub fn marks(&self, domain: &Domain, key: &Key) -> Marks {
        self.known(domain, key).map(|cell| cell.marks()).unwrap_or_default()
    }

    /// How much work of a component is in flight here.
    pub fn in_flight(&self, domain: &Domain, key: &Key) -> u64 {
        self.known(domain, key).map_or(0, |cell| cell.count())
    }

    /// Everything that is in flight here, by domain and key.
    pub fn all_in_flight(&self) -> Vec<InFlight> {
        let cells = self.0.cells.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> = cells
            .iter()
            .flat_map(|(domain, keys)| keys.iter().map(move |(key, cell)| (domain, key, cell.count())))
            .filter(|(.., count)| *count > 0)
            .map(|(domain, key, count)| InFlight { domain: domain.clone(), key: key.clone(), count })
            .collect();
        found.sort_unstable_by(|a, b| (&a.domain, &a.key).cmp(&(&b.domain, &b.key)));
        found
    }

    /// Waits until a component that is paused or draining has another amount in flight than `count`, or
    /// other marks than these. Nothing is lost where the future is dropped.
    pub async fn changed(&self, domain: &Domain, key: &Key, count: u64, marks: Marks) {
        self.cell(domain, key).changed(count, marks).await;
    }

    fn known(&self, domain: &Domain, key: &Key) -> Option<Arc<Cell>> {
        let cells = self.0.cells.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(cells.get(domain)?.get(key)?))
    }

    fn cell(&self, domain: &Domain, key: &Key) -> Arc<Cell> {
        self.known(domain, key).unwrap_or_else(|| {
            let mut cells = self.0.cells.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(domain.clone()).or_default().entry(key.clone()).or_default())
        })
    }
}

impl Check for Activity {
    fn step(&self) -> Step {
        Step::Activity
    }

    fn ask(&self, admission: &Admission<'_>) -> Result<Permit, No> {
        let Admission { purpose, domain, key, .. } = *admission;
        let cell = self.cell(domain, key);
        let (answer, marks) = cell.ask(|marks, busy| decide(purpose, marks, busy));
        let reason = || format!("{domain}:{key} is {marks}");
        match answer {
            Answer::Counted => Ok(Permit::holding(Working(cell))),
            Answer::Passed => Ok(Permit::none()),
            Answer::NotNow => Err(No::until_change(reason())),
            Answer::No => Err(No::never(reason())),
        }
    }
}

impl fmt::Debug for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Activity")
            .field("records", &self.records().len())
            .field("in_flight", &self.all_in_flight().len())
            .finish()
    }
}

#[cfg(test)]
mod tests;

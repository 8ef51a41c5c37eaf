//! Counts by their labels, of which there are never too many.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};

use super::MAX_SAMPLES;

/// Counts by their labels. Whoever comes when there are as many as may be is counted under the labels that stand
/// for all others, and stays there: no counter ever falls because another one came.
#[derive(Debug)]
pub struct Series<L, C> {
    other: L,
    most: usize,
    counts: RwLock<HashMap<L, Arc<C>>>,
}

impl<L: Eq + Hash + Clone + Ord, C: Default> Series<L, C> {
    /// No counts; `other` are the labels of what there is no room for, at most [`MAX_SAMPLES`].
    pub fn new(other: L) -> Self {
        Self::of(other, MAX_SAMPLES)
    }

    /// The same with another bound, at least 1.
    pub fn of(other: L, most: usize) -> Self {
        Self { other, most: most.max(1), counts: RwLock::default() }
    }

    /// The counts of some labels. Keep them where they are needed often.
    pub fn at(&self, labels: &L) -> Arc<C> {
        {
            let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = counts.get(labels) {
                return Arc::clone(known);
            }
        }
        let mut counts = self.counts.write().unwrap_or_else(PoisonError::into_inner);
        let labels =
            if counts.len() + 1 < self.most || counts.contains_key(labels) { labels } else { &self.other };
        Arc::clone(counts.entry(labels.clone()).or_default())
    }

    /// All of them, by their labels.
    pub fn all(&self) -> Vec<(L, Arc<C>)> {
        let counts = self.counts.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> =
            counts.iter().map(|(labels, count)| (labels.clone(), Arc::clone(count))).collect();
        drop(counts);
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn those_who_come_late_share_the_last_place() {
        let series: Series<String, AtomicU64> = Series::of("other".to_owned(), 3);
        for name in ["a", "b", "c", "d", "a", "c"] {
            series.at(&name.to_owned()).fetch_add(1, Ordering::Relaxed);
        }
        let all: Vec<_> =
            series.all().into_iter().map(|(name, count)| (name, count.load(Ordering::Relaxed))).collect();
        assert_eq!(all, [("a".to_owned(), 2), ("b".to_owned(), 1), ("other".to_owned(), 3)]);
    }
}

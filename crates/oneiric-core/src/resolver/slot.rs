//! The candidates of one key, kept in order.

use crate::Provider;

use super::{Candidate, Query, Rank, rank};

/// Candidates best first for a question without provider and capabilities, and the selection that
/// this order honours.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    ranked: Vec<Candidate>,
    selection: Option<Provider>,
}

impl Slot {
    pub(super) const EMPTY: Slot = Slot { ranked: Vec::new(), selection: None };

    pub(super) fn ranked(&self) -> &[Candidate] {
        &self.ranked
    }

    pub(super) fn selection(&self) -> Option<&Provider> {
        self.selection.as_ref()
    }

    /// Neither candidates nor a selection: nothing is lost when it goes.
    pub(super) fn is_unused(&self) -> bool {
        self.ranked.is_empty() && self.selection.is_none()
    }

    pub(super) fn unmet_selection(&self) -> Option<&Provider> {
        self.selection.as_ref().filter(|wanted| self.ranked.iter().all(|has| has.provider() != *wanted))
    }

    /// Each provider once, best first.
    pub(super) fn providers(&self) -> Vec<&Provider> {
        let mut providers: Vec<&Provider> = Vec::new();
        for candidate in &self.ranked {
            if !providers.contains(&candidate.provider()) {
                providers.push(candidate.provider());
            }
        }
        providers
    }

    pub(super) fn insert(&mut self, candidate: Candidate) {
        let new = candidate.descriptor();
        self.ranked.retain(|old| {
            let old = old.descriptor();
            old.provider != new.provider || old.source != new.source
        });
        let place = self.plain_rank(&candidate);
        let at = self.ranked.partition_point(|old| self.plain_rank(old) > place);
        self.ranked.insert(at, candidate);
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(&Candidate) -> bool) {
        self.ranked.retain(keep);
    }

    pub(super) fn select(&mut self, provider: Option<Provider>) {
        self.selection = provider;
        let Self { ranked, selection } = self;
        ranked.sort_by_key(|candidate| {
            std::cmp::Reverse(rank(candidate, selection.as_ref(), &Query::default()).ok())
        });
    }

    pub(super) fn best(&self, query: &Query<'_>) -> Option<&Candidate> {
        let mut eligible = self.ranked.iter().filter_map(|candidate| {
            rank(candidate, self.selection(), query).ok().map(|rank| (rank, candidate))
        });
        let best = if query.reorders() { eligible.max_by_key(|(rank, _)| *rank) } else { eligible.next() };
        best.map(|(_, candidate)| candidate)
    }

    fn plain_rank(&self, candidate: &Candidate) -> Option<Rank> {
        rank(candidate, self.selection(), &Query::default()).ok()
    }
}

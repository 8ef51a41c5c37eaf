//! What must hold once everything has come to rest.

use oneiric_core::{Digest, RunId};
use oneiric_store::liveness::Violation;
use oneiric_store::{
    DeliveryRecord, IntegrityReport, JournalEntry, NodeRecord, NodeStatus, RunRecord, RunStatus,
};

use super::account::{Account, link};
use super::{Auditor, Broken, Invariant, short};
use crate::sim::workflow::Ends;

/// What the store says at the end.
pub(in crate::sim) struct Rest {
    pub(in crate::sim) runs: Vec<Kept>,
    pub(in crate::sim) deliveries: Vec<DeliveryRecord>,
    pub(in crate::sim) violations: Vec<Violation>,
    pub(in crate::sim) integrity: IntegrityReport,
}

/// One run of it.
pub(in crate::sim) struct Kept {
    pub(in crate::sim) record: RunRecord,
    pub(in crate::sim) rows: Vec<NodeRecord>,
    pub(in crate::sim) journal: Vec<JournalEntry>,
}

impl Auditor {
    /// The dust has settled.
    pub(in crate::sim) fn end(&mut self, rest: &Rest) {
        if self.broken.is_some() {
            return;
        }
        let verdict = self.judge_rest(rest);
        self.judge(verdict);
    }

    fn judge_rest(&self, rest: &Rest) -> Result<(), Broken> {
        let broken = |invariant, what: String| Err(Broken { invariant, what });
        let kept = |run: &RunId| rest.runs.iter().find(|kept| kept.record.id == *run);
        if let Some(lost) = self.acknowledged.iter().find(|run| kept(run).is_none()) {
            return broken(Invariant::NothingAcknowledgedIsLost, format!("{} is gone", short(*lost)));
        }
        for run in &self.cancelled {
            let status = self.runs.get(run).map(Account::status);
            if status != Some(RunStatus::Cancelled) {
                let what = format!("{} was to be cancelled and is {status:?}", short(*run));
                return broken(Invariant::NothingAcknowledgedIsLost, what);
            }
        }
        if let Some(open) = self.open().next() {
            return broken(Invariant::NothingIsStuck, format!("{} does not end", short(open)));
        }
        if !rest.violations.is_empty() {
            return broken(Invariant::NothingIsStuck, format!("{:?}", rest.violations));
        }
        if !rest.integrity.problems.is_empty() {
            return broken(Invariant::StoreIsSound, format!("{:?}", rest.integrity.problems));
        }
        self.heard.judge(&rest.deliveries)?;
        for (run, account) in &self.runs {
            let Some(kept) = kept(run) else {
                return broken(Invariant::NothingAcknowledgedIsLost, format!("{} is gone", short(*run)));
            };
            account.same(kept)?;
            account.chain(kept)?;
            account.nodes(*run, &self.ledger)?;
        }
        Ok(())
    }
}

impl Account {
    /// The rows are what the journal's replay gave.
    fn same(&self, kept: &Kept) -> Result<(), Broken> {
        if self.record.state == kept.record.state && self.rows.values().eq(&kept.rows) {
            return Ok(());
        }
        let what = format!("the rows of {} are not what was written", short(kept.record.id));
        Err(Broken { invariant: Invariant::ReplayGivesRows, what })
    }

    fn chain(&self, kept: &Kept) -> Result<(), Broken> {
        let mut links: Vec<Digest> = Vec::with_capacity(kept.journal.len());
        for entry in &kept.journal {
            links.push(link(entry, links.last()));
        }
        let told = self.acknowledged as usize;
        if links.get(..told) == self.links.get(..told) && links == self.links {
            return Ok(());
        }
        let what = format!("the chain of {} broke in {} entries", short(kept.record.id), links.len());
        Err(Broken { invariant: Invariant::ChainHolds, what })
    }

    fn nodes(&self, run: RunId, ledger: &std::collections::BTreeSet<String>) -> Result<(), Broken> {
        let ends = Ends { rows: &self.rows, outputs: &self.outputs };
        for row in self.rows.values().filter(|row| row.status == NodeStatus::Completed) {
            let node = format!("{}/{}", short(run), row.name);
            let (Some(hash), Some(output)) = (row.input_hash, ends.output(row.node)) else {
                return Err(Broken {
                    invariant: Invariant::CheckpointsHold,
                    what: format!("{node} is completed without an output"),
                });
            };
            if self.carried.contains(&(row.node, hash)) {
                continue;
            }
            let key = format!("{run}.{}.{}", row.name, &hash.to_string()[..16]);
            if !ledger.contains(&key) {
                let what = format!("{node} is completed, its effect never happened");
                return Err(Broken { invariant: Invariant::EffectsOnce, what });
            }
            if !self.given.get(&(row.node, hash)).is_some_and(|given| given.contains(output)) {
                let what = format!("{node} is said to have given {output:?}, no try of it did");
                return Err(Broken { invariant: Invariant::OutputsAreRight, what });
            }
        }
        self.reference(run, &ends)
    }

    /// Where nothing can fail and nothing is left to chance, the outputs are known beforehand.
    fn reference(&self, run: RunId, ends: &Ends<'_>) -> Result<(), Broken> {
        if !self.workflow.is_clean() || self.status() != RunStatus::Completed {
            return Ok(());
        }
        for (place, expected) in (0u32..).zip(self.workflow.reference(self.seed)) {
            let found = ends.output(place).and_then(|output| output.value()["v"].as_u64());
            if found != expected {
                let what = format!("{}/n{place} gave {found:?}, {expected:?} was right", short(run));
                return Err(Broken { invariant: Invariant::OutputsAreRight, what });
            }
        }
        Ok(())
    }
}

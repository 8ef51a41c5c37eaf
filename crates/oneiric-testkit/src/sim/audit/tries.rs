//! Tries: what may start, and what they leave in the world.

use oneiric_core::roles::TaskContext;
use oneiric_core::{Digest, Payload, RunId};
use oneiric_store::NodeStatus;

use super::account::Account;
use super::{Broken, Invariant, Who, short};

/// A try under way.
#[derive(Debug, Clone)]
pub(in crate::sim) struct Try {
    pub(in crate::sim) who: Who,
    pub(in crate::sim) run: RunId,
    pub(in crate::sim) place: u32,
    pub(in crate::sim) input_hash: Digest,
    pub(in crate::sim) epoch: u64,
}

impl Account {
    /// A process is about to do the work of a node. Returns the fence under which it does so.
    pub(super) fn start(&mut self, who: Who, place: u32, cx: &TaskContext<'_>) -> Result<u64, Broken> {
        let node = format!("{}/{} try {}", short(cx.run), cx.node, cx.attempt);
        let broken = |invariant, what: String| Err(Broken { invariant, what });
        if self.holder != Some(who.boot) {
            let what = format!("p{} starts {node}, {:?} holds the run", who.number, self.holder);
            return broken(Invariant::OneOwner, what);
        }
        if self.outputs.contains_key(&(place, cx.input_hash)) {
            return broken(
                Invariant::CheckpointsHold,
                format!("p{} starts {node}: it is checkpointed", who.number),
            );
        }
        let durable = self.rows.get(&place).is_some_and(|row| {
            (row.status, row.attempt, row.input_hash)
                == (NodeStatus::Running, cx.attempt, Some(cx.input_hash))
        });
        if !durable {
            let row = self.rows.get(&place).map(|row| (row.status.name(), row.attempt));
            let what = format!("p{} starts {node}, the store knows {row:?}", who.number);
            return broken(Invariant::CheckpointsHold, what);
        }
        let unsafe_to_repeat = self.workflow.plan().idempotent(place) == Some(false);
        let open = self.unresolved.insert(place, cx.attempt);
        if let Some(before) = open.filter(|_| unsafe_to_repeat) {
            let what = format!("p{} starts {node}, nobody knows how try {before} ended", who.number);
            return broken(Invariant::UnsafeWaits, what);
        }
        let epoch = self.record.state.epoch;
        let flying = self.flying.entry(epoch).or_default();
        *flying += 1;
        let most = self.workflow.plan().limits().max_parallel;
        if *flying > most {
            let what = format!("{} has {flying} tries under way, {most} are allowed", short(cx.run));
            return broken(Invariant::LimitsHold, what);
        }
        Ok(epoch)
    }

    pub(super) fn over(&mut self, of: &Try) {
        if let Some(flying) = self.flying.get_mut(&of.epoch) {
            *flying -= 1;
        }
    }

    pub(super) fn effect(&mut self, of: &Try, key: String) -> Result<(), Broken> {
        let keys = self.keys.entry(of.place).or_default();
        keys.insert(key);
        if keys.len() > 1 {
            let what = format!("{}/n{} has an effect under each of {keys:?}", short(of.run), of.place);
            return Err(Broken { invariant: Invariant::EffectsOnce, what });
        }
        Ok(())
    }

    pub(super) fn gives(&mut self, of: &Try, output: &Payload) {
        let given = self.given.entry((of.place, of.input_hash)).or_default();
        if !given.contains(output) {
            given.push(output.clone());
        }
    }
}

//! One run, as the auditor accounts for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use oneiric_core::{BootId, Class, Digest, Payload, RunId};
use oneiric_dag::{Effects, State};
use oneiric_store::{
    Batch, Checkpoint, Event, JournalEntry, NodeRecord, NodeStatus, Op, RunRecord, RunState, RunStatus,
    UnknownNodes,
};

use super::{Broken, Invariant, Who, run_of, short};
use crate::sim::workflow::{Ends, Workflow};

/// One run, from what the disk accepted of it.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) workflow: Arc<Workflow>,
    pub(super) seed: u64,
    pub(super) record: RunRecord,
    /// Who took it last, under the fence that stands; nobody once it was taken from them.
    pub(super) holder: Option<BootId>,
    pub(super) rows: BTreeMap<u32, NodeRecord>,
    pub(super) outputs: BTreeMap<(u32, Digest), Payload>,
    /// Outputs that came with it when it was forked.
    pub(super) carried: BTreeSet<(u32, Digest)>,
    pub(super) links: Vec<Digest>,
    pub(super) acknowledged: u64,
    /// What tries have given, by node and input.
    pub(super) given: HashMap<(u32, Digest), Vec<Payload>>,
    /// The keys of a node's effects.
    pub(super) keys: BTreeMap<u32, BTreeSet<String>>,
    /// Nodes with a try that began and of whose end nothing is durable.
    pub(super) unresolved: BTreeMap<u32, u32>,
    /// Tries under way, by the fence under which they began.
    pub(super) flying: BTreeMap<u64, u32>,
    shadow: Option<State>,
}

impl Account {
    pub(super) fn new(workflow: Arc<Workflow>, seed: u64, record: &RunRecord) -> Self {
        let shadow = record.state.owner.map(|_| State::fresh(workflow.plan(), record));
        Self {
            workflow,
            seed,
            record: record.clone(),
            holder: record.state.owner,
            rows: BTreeMap::new(),
            outputs: BTreeMap::new(),
            carried: BTreeSet::new(),
            links: Vec::new(),
            acknowledged: 0,
            given: HashMap::new(),
            keys: BTreeMap::new(),
            unresolved: BTreeMap::new(),
            flying: BTreeMap::new(),
            shadow,
        }
    }

    pub(super) fn status(&self) -> RunStatus {
        self.record.state.status
    }

    pub(super) fn harvest(&self) -> Vec<(u32, Digest, Payload)> {
        self.outputs.iter().map(|((node, hash), output)| (*node, *hash, output.clone())).collect()
    }

    pub(super) fn acknowledge(&mut self, seq: u64) {
        self.acknowledged = self.acknowledged.max(seq);
    }

    /// A batch that says something about this run.
    pub(super) fn commit(&mut self, who: Who, run: RunId, batch: &Batch) -> Result<(), Broken> {
        let ops: Vec<&Op> = batch.ops.iter().filter(|op| run_of(op) == Some(run)).collect();
        let inserted = ops.iter().any(|op| matches!(op, Op::InsertRun(_)));
        if !inserted && self.holder != Some(who.boot) {
            let what = format!("p{} wrote to {} which {:?} holds", who.number, short(run), self.holder);
            return Err(Broken { invariant: Invariant::OneOwner, what });
        }
        let mut ours: Vec<&Op> = ops.into_iter().filter(|op| !matches!(op, Op::InsertRun(_))).collect();
        if inserted {
            self.carry(&mut ours);
        }
        self.replay(run, &ours)?;
        for op in ours {
            match op {
                Op::SetRun { state, .. } => self.set_run(run, state)?,
                Op::SetNode(row) => self.set_node(run, row)?,
                Op::PutCheckpoint(checkpoint) => self.put_checkpoint(checkpoint),
                Op::Append(entry) => self.append(entry)?,
                Op::Release(_) => self.release(),
                _ => {}
            }
        }
        let running = self.rows.values().filter(|row| row.status == NodeStatus::Running).count();
        let most = self.workflow.plan().limits().max_parallel;
        if running > most as usize {
            let what = format!("{} has {running} nodes running, {most} are allowed", short(run));
            return Err(Broken { invariant: Invariant::LimitsHold, what });
        }
        Ok(())
    }

    /// Takes what the run begins with from the front of its first batch.
    fn carry(&mut self, ops: &mut Vec<&Op>) {
        let mut carried = Vec::new();
        ops.retain(|op| match op {
            Op::PutCheckpoint(checkpoint) => {
                carried.push(checkpoint.clone());
                false
            }
            _ => true,
        });
        for checkpoint in &carried {
            self.put_checkpoint(checkpoint);
            self.carried.insert((checkpoint.node, checkpoint.input_hash));
        }
        if self.shadow.is_some() {
            self.shadow = Some(State::carrying(self.workflow.plan(), &self.record, carried));
        }
    }

    /// Puts the batch's events to a machine of our own, which must decide what the batch says.
    fn replay(&mut self, run: RunId, ops: &[&Op]) -> Result<(), Broken> {
        let entries: Vec<&JournalEntry> = ops
            .iter()
            .filter_map(|op| match op {
                Op::Append(entry) => Some(entry),
                _ => None,
            })
            .collect();
        if entries.is_empty() {
            // A run that is given back: whoever takes it next reads it again.
            self.shadow = None;
            return Ok(());
        }
        let broken = |what: String| Broken { invariant: Invariant::ReplayGivesRows, what };
        let mut state = match self.shadow.take() {
            Some(state) => state,
            None => self.restore().map_err(|error| broken(format!("{}: {error}", short(run))))?,
        };
        let mut fx = Effects::default();
        for entry in entries {
            state
                .step(self.workflow.plan(), entry.at, entry.event.clone(), &mut fx)
                .map_err(|illegal| broken(format!("{} #{}: {illegal}", short(run), entry.seq)))?;
        }
        // Behind the events, a run may be given back.
        let (said, after) = ops.split_at(fx.ops.len().min(ops.len()));
        let given_back = after.iter().all(|op| matches!(op, Op::SetRun { .. }));
        if !given_back || !fx.ops.iter().eq(said.iter().copied()) {
            let differs = fx.ops.iter().zip(said).find(|(machine, batch)| machine != *batch);
            let (machine, batch) = (fx.ops.len(), ops.len());
            return Err(broken(format!(
                "{}: of {machine} and {batch} operations the machine and the batch differ in {differs:?}",
                short(run)
            )));
        }
        self.shadow = Some(state).filter(|_| after.is_empty());
        Ok(())
    }

    fn restore(&self) -> Result<State, oneiric_dag::RestoreError> {
        let run = self.record.id;
        let at = self.record.created_at;
        let checkpoints = self.outputs.iter();
        let checkpoints = checkpoints.map(|((node, input_hash), output)| Checkpoint {
            run,
            node: *node,
            input_hash: *input_hash,
            output: output.clone(),
            at,
        });
        let rows = self.rows.values().cloned().collect();
        let seq = self.links.len() as u64;
        // One that was given back and not taken yet is still its last owner's, as far as fences go.
        let mut record = self.record.clone();
        record.state.owner = self.holder;
        State::restore(self.workflow.plan(), &record, seq, rows, checkpoints.collect())
    }

    /// It was given back: nobody holds it, and the fence has risen.
    fn release(&mut self) {
        self.record.state.owner = None;
        self.record.state.epoch += 1;
        self.holder = None;
        self.shadow = None;
    }

    fn set_run(&mut self, run: RunId, state: &RunState) -> Result<(), Broken> {
        let before = self.record.state.status;
        if before.is_terminal() && state.status != before {
            let what = format!("{} was {before} and is {}", short(run), state.status);
            return Err(Broken { invariant: Invariant::TerminalStays, what });
        }
        let epoch = self.record.state.epoch;
        self.record.state = RunState { epoch, ..state.clone() };
        Ok(())
    }

    fn set_node(&mut self, run: RunId, row: &NodeRecord) -> Result<(), Broken> {
        let before = self.rows.insert(row.node, row.clone());
        if let Some(before) = before
            && before.status.is_terminal()
            && (before.status, before.input_hash) != (row.status, row.input_hash)
        {
            let what = format!(
                "{}/{} was {} and is {}",
                short(run),
                row.name,
                before.status.name(),
                row.status.name()
            );
            return Err(Broken { invariant: Invariant::TerminalStays, what });
        }
        if row.status == NodeStatus::Completed {
            return self.completes(run, row);
        }
        Ok(())
    }

    /// Its input must be what its dependencies gave.
    fn completes(&self, run: RunId, row: &NodeRecord) -> Result<(), Broken> {
        let ends = Ends { rows: &self.rows, outputs: &self.outputs };
        let expected = self.workflow.input(row.node, self.seed, &ends);
        if row.input_hash != Some(expected) {
            let what =
                format!("{}/{} completed on {:?}, not {expected}", short(run), row.name, row.input_hash);
            return Err(Broken { invariant: Invariant::OutputsAreRight, what });
        }
        Ok(())
    }

    fn put_checkpoint(&mut self, checkpoint: &Checkpoint) {
        let key = (checkpoint.node, checkpoint.input_hash);
        self.outputs.entry(key).or_insert_with(|| checkpoint.output.clone());
    }

    fn append(&mut self, entry: &JournalEntry) -> Result<(), Broken> {
        let (run, seq) = (short(entry.run), entry.seq);
        if entry.epoch != self.record.state.epoch {
            let stands = self.record.state.epoch;
            let what = format!("{run} #{seq} was written under fence {}, {stands} stands", entry.epoch);
            return Err(Broken { invariant: Invariant::OneOwner, what });
        }
        if seq != self.links.len() as u64 + 1 {
            let what = format!("{run} #{seq} follows #{}", self.links.len());
            return Err(Broken { invariant: Invariant::ChainHolds, what });
        }
        self.links.push(link(entry, self.links.last()));
        self.resolve(&entry.event);
        Ok(())
    }

    /// What an event says of tries that were under way.
    fn resolve(&mut self, event: &Event) {
        match event {
            // Nobody knows, and the journal says so.
            Event::Failed { fault, .. } if fault.class == Class::UnknownOutcome => {}
            Event::Succeeded { node, .. }
            | Event::Failed { node, .. }
            | Event::Held { node, .. }
            | Event::Reconciled { node, .. } => {
                self.unresolved.remove(node);
            }
            // A person has looked.
            Event::Retried { nodes, .. } => self.unresolved.retain(|node, _| !nodes.contains(node)),
            Event::Resumed { unknown: UnknownNodes::Retry, .. } => {
                let rows = &self.rows;
                // The batch of this event has changed the rows already: what was unknown is open again.
                self.unresolved.retain(|node, _| {
                    rows.get(node)
                        .is_some_and(|row| matches!(row.status, NodeStatus::Unknown | NodeStatus::Parked))
                });
            }
            Event::Started { .. }
            | Event::Resumed { .. }
            | Event::Due { .. }
            | Event::Granted { .. }
            | Event::Released { .. }
            | Event::PauseRequested { .. }
            | Event::PauseWithdrawn { .. }
            | Event::Extended { .. }
            | Event::CancelRequested { .. }
            | Event::TimedOut => {}
        }
    }

    /// Its row after somebody claimed, buried or left.
    pub(super) fn moved(
        &mut self,
        from: &BTreeSet<BootId>,
        to: Option<BootId>,
        row: &RunRecord,
    ) -> Result<(), Broken> {
        let (before, now) = (&self.record.state, &row.state);
        if (before.owner, before.epoch) == (now.owner, now.epoch) {
            return Ok(());
        }
        let run = short(row.id);
        let broken = |what: String| Err(Broken { invariant: Invariant::OneOwner, what });
        if now.epoch <= before.epoch {
            return broken(format!("{run} changed hands under fence {} after {}", now.epoch, before.epoch));
        }
        if let Some(owner) = before.owner.filter(|owner| !from.contains(owner)) {
            return broken(format!("{run} was taken from {owner}, which held it"));
        }
        if now.owner.is_some() && now.owner != to {
            return broken(format!("{run} went to {:?}, which did not ask", now.owner));
        }
        if now.status != before.status {
            return broken(format!("{run} was {} and is {}, by a claim", before.status, now.status));
        }
        self.holder = now.owner;
        self.record.state = now.clone();
        self.shadow = None;
        Ok(())
    }
}

/// The link of a journal's chain.
pub(super) fn link(entry: &JournalEntry, before: Option<&Digest>) -> Digest {
    let event = serde_json::to_string(&entry.event).unwrap_or_default();
    entry.link(before, &event)
}

//! The rows of one run, in memory.

use crate::record::checkpoint::Checkpoint;
use crate::record::journal::JournalEntry;
use crate::record::node::NodeRecord;
use crate::record::run::RunRecord;

/// One run with all that belongs to it. Nodes are places in a plan, so they are places in a vector.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) record: RunRecord,
    slots: Vec<Slot>,
    pub(super) journal: Vec<JournalEntry>,
}

#[derive(Debug, Default)]
struct Slot {
    row: Option<NodeRecord>,
    // Nearly always one; a second input of the same node is a fork or a rerun.
    checkpoint: Option<Checkpoint>,
    further: Vec<Checkpoint>,
}

impl Run {
    pub(super) fn new(record: RunRecord) -> Self {
        Self { record, slots: Vec::new(), journal: Vec::new() }
    }

    fn slot(&mut self, node: u32) -> &mut Slot {
        let place = node as usize;
        if self.slots.len() <= place {
            self.slots.resize_with(place + 1, Slot::default);
        }
        &mut self.slots[place]
    }

    pub(super) fn set_node(&mut self, row: NodeRecord) {
        let node = row.node;
        self.slot(node).row = Some(row);
    }

    pub(super) fn put_checkpoint(&mut self, checkpoint: Checkpoint) {
        let slot = self.slot(checkpoint.node);
        if slot.checkpoint.is_none() {
            slot.checkpoint = Some(checkpoint);
        } else if slot.checkpoints().all(|known| known.input_hash != checkpoint.input_hash) {
            slot.further.push(checkpoint);
        }
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &NodeRecord> {
        self.slots.iter().filter_map(|slot| slot.row.as_ref())
    }

    pub(super) fn checkpoints(&self) -> impl Iterator<Item = &Checkpoint> {
        self.slots.iter().flat_map(Slot::checkpoints)
    }
}

impl Slot {
    fn checkpoints(&self) -> impl Iterator<Item = &Checkpoint> {
        self.checkpoint.iter().chain(&self.further)
    }
}

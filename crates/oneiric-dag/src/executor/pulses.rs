//! How far the tries of a run are, in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use oneiric_core::roles::{Progress, Pulse, Said};
use oneiric_core::{NodeId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::state::Start;

/// The pulses of the tries that are under way, by place. A try that ended is not in it.
#[derive(Debug, Default)]
pub struct Pulses(Mutex<BTreeMap<u32, (u32, Pulse)>>);

/// How far one node is.
///
/// Shape: `{"node":"build","attempt":1,"fraction":0.4,"text":"page 2 of 5","at":1763719852123456}`, `at` in
/// microseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeProgress {
    /// The node.
    pub node: NodeId,
    /// Which try.
    pub attempt: u32,
    /// What it said last.
    #[serde(flatten)]
    pub progress: Progress,
    /// When it last gave a sign of life.
    pub at: Timestamp,
}

impl Pulses {
    /// What the try of a node at a place said last.
    pub fn said(&self, place: u32) -> Option<Said> {
        self.lock().get(&place)?.1.said()
    }

    pub(super) fn progress(&self, plan: &Plan) -> Vec<NodeProgress> {
        let under_way = self.lock();
        let said = under_way.iter().filter_map(|(place, (attempt, pulse))| {
            let Said { progress, at } = pulse.said()?;
            let node = plan.graph().node(*place).id.clone();
            Some(NodeProgress { node, attempt: *attempt, progress, at })
        });
        said.collect()
    }

    /// Keeps a pulse until what is returned is dropped.
    pub(super) fn feel(&self, start: &Start, pulse: &Pulse) -> Felt<'_> {
        self.lock().insert(start.node, (start.attempt, pulse.clone()));
        Felt { pulses: self, place: start.node, attempt: start.attempt }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, (u32, Pulse)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A try that is under way.
pub(super) struct Felt<'a> {
    pulses: &'a Pulses,
    place: u32,
    attempt: u32,
}

impl Drop for Felt<'_> {
    fn drop(&mut self) {
        let mut pulses = self.pulses.lock();
        if pulses.get(&self.place).is_some_and(|(attempt, _)| *attempt == self.attempt) {
            pulses.remove(&self.place);
        }
    }
}

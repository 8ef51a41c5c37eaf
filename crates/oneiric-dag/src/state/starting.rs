//! How nodes become ready and start.

use oneiric_core::{Digest, Fault, Payload, Timestamp};
use oneiric_store::{NodeStatus, SkipReason};

use super::{Effects, Start, State, scope};
use crate::graph::Input;
use crate::plan::Plan;

/// What became of a node that its inputs have reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// Its successors go on waiting.
    Held,
    /// It has ended well enough for its successors.
    Ended,
}

impl State {
    /// Tells the successors of `place` that it has ended well enough for them.
    ///
    /// Iterative, because a chain of skipped nodes may be as long as the graph; without a skip it
    /// allocates nothing.
    pub(super) fn release_successors(&mut self, plan: &Plan, at: Timestamp, place: u32, fx: &mut Effects) {
        let mut ended = Some(place);
        let mut further = Vec::new();
        while let Some(place) = ended.take().or_else(|| further.pop()) {
            for successor in plan.graph().successors(place) {
                let node = &mut self.nodes[*successor as usize];
                // An owner that was overtaken may have read rows of the next one: its batch will be refused.
                node.remaining = node.remaining.saturating_sub(1);
                let reached = node.remaining == 0 && node.status == NodeStatus::Pending;
                if reached && self.reach(plan, at, *successor, fx) == Reached::Ended {
                    further.push(*successor);
                }
            }
        }
    }

    /// Releases the nodes that wait for nothing.
    pub(super) fn release_entries(&mut self, plan: &Plan, at: Timestamp, fx: &mut Effects) {
        for place in plan.graph().entries() {
            if self.reach(plan, at, place, fx) == Reached::Ended {
                self.release_successors(plan, at, place, fx);
            }
        }
    }

    /// The inputs of `place` are there: it waits for a slot, or its condition decides otherwise.
    fn reach(&mut self, plan: &Plan, at: Timestamp, place: u32, fx: &mut Effects) -> Reached {
        if self.stopping.is_some() {
            return Reached::Held;
        }
        let holds = match &plan.graph().node(place).when {
            None => Ok(true),
            Some(when) => scope::holds(self, plan, when),
        };
        match holds {
            Ok(true) => {
                self.ready.push_back(place);
                Reached::Held
            }
            Ok(false) => {
                let node = &mut self.nodes[place as usize];
                node.status = NodeStatus::Skipped;
                node.ended_at = Some(at);
                node.detail().skip = Some(SkipReason::Condition);
                self.set_node(plan, place, fx);
                Reached::Ended
            }
            Err(error) => {
                let fault = Fault::permanent("expression", format!("when: {error}"));
                self.fail_for_good(plan, at, place, fault, fx)
            }
        }
    }

    /// Starts ready nodes, as many as there are slots and as the run's own limit allows.
    pub(super) fn start_ready(&mut self, plan: &Plan, at: Timestamp, slots: u32, fx: &mut Effects) {
        let mut left = slots;
        while left > 0 && self.running < self.limit && self.stopping.is_none() && self.pausing.is_none() {
            let Some(place) = self.ready.pop_front() else { break };
            match self.input(plan, place) {
                Ok((_, input_hash)) if self.known.contains_key(&(place, input_hash)) => {
                    self.take_over(plan, at, place, input_hash, fx);
                }
                Ok((input, input_hash)) => {
                    let node = &mut self.nodes[place as usize];
                    node.status = NodeStatus::Running;
                    node.attempt += 1;
                    node.started_at = Some(at);
                    node.ended_at = None;
                    node.wake_at = None;
                    node.input_hash = Some(input_hash);
                    let attempt = node.attempt;
                    self.running += 1;
                    left -= 1;
                    self.set_node(plan, place, fx);
                    fx.start.push(Start { node: place, attempt, input, input_hash });
                }
                Err(fault) => {
                    if self.fail_for_good(plan, at, place, fault, fx) == Reached::Ended {
                        self.release_successors(plan, at, place, fx);
                    }
                }
            }
        }
        fx.returned += left;
    }

    /// The node has an output on this input already: it is not executed.
    fn take_over(&mut self, plan: &Plan, at: Timestamp, place: u32, input_hash: Digest, fx: &mut Effects) {
        let Some(output) = self.known.remove(&(place, input_hash)) else { return };
        let node = &mut self.nodes[place as usize];
        node.status = NodeStatus::Completed;
        node.input_hash = Some(input_hash);
        node.started_at = Some(at);
        node.ended_at = Some(at);
        self.outputs[place as usize] = output;
        self.set_node(plan, place, fx);
        self.release_successors(plan, at, place, fx);
    }

    pub(super) fn input(&self, plan: &Plan, place: u32) -> Result<(Payload, Digest), Fault> {
        match &plan.graph().node(place).input {
            Input::Context => Ok((self.context.clone(), self.context_hash)),
            Input::Literal(payload, digest) => Ok((payload.clone(), *digest)),
            Input::Template(template) => {
                let value = scope::render(self, plan, template)
                    .map_err(|error| Fault::permanent("expression", format!("payload: {error}")))?;
                let payload = Payload::from(value);
                let digest = payload.digest();
                Ok((payload, digest))
            }
        }
    }
}

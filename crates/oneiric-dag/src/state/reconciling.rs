//! Tries whose outcome is unknown: who is asked, and what follows from the answer.

use oneiric_core::{Payload, Timestamp};
use oneiric_store::{Found, NodeStatus};

use super::{Ask, Effects, State};
use crate::plan::Plan;

impl State {
    /// The outcome of a try is unknown: whoever can find out is asked, and until then the run does not
    /// pause for a person.
    pub(super) fn ask(&mut self, plan: &Plan, place: u32, fx: &mut Effects) {
        let node = &self.nodes[place as usize];
        let may = node.status == NodeStatus::Unknown && node.attempt < plan.most_reconciled(place);
        if !may || self.stopping.is_some() || plan.reconcile(place).is_none() {
            return;
        }
        // The same as when it was tried: all that it depends on has ended since before then.
        let Ok((input, input_hash)) = self.input(plan, place) else { return };
        let node = &mut self.nodes[place as usize];
        if node.input_hash != Some(input_hash) || std::mem::replace(&mut node.detail().asking, true) {
            return;
        }
        self.asking += 1;
        let attempt = self.nodes[place as usize].attempt;
        fx.ask.push(Ask { node: place, attempt, input, input_hash });
    }

    /// The node is not unknown any more; whoever is still asked about it asks for nothing.
    pub(super) fn leave_unknown(&mut self, place: u32) {
        self.unknown -= 1;
        self.stop_asking(place);
    }

    fn stop_asking(&mut self, place: u32) {
        let node = &mut self.nodes[place as usize];
        if node.detail.as_deref_mut().is_some_and(|detail| std::mem::take(&mut detail.asking)) {
            self.asking -= 1;
        }
    }

    /// Somebody has found out what became of a try, or could not.
    pub(super) fn reconcile(
        &mut self,
        plan: &Plan,
        at: Timestamp,
        place: u32,
        found: Found,
        output: &Payload,
        fx: &mut Effects,
    ) {
        match found {
            Found::NotDone => self.wake(plan, place, fx),
            Found::Done => {
                self.leave_unknown(place);
                // What follows is the same as for a try that has just succeeded.
                self.running += 1;
                self.succeed(plan, at, place, output.clone(), fx);
            }
            Found::Unknown => self.stop_asking(place),
        }
    }
}

//! How nodes fail, are skipped and are stopped.

use oneiric_core::{Class, Fault, Timestamp, retry};
use oneiric_store::{NodeStatus, RunStatus, SkipReason};

use super::starting::Reached;
use super::{Effects, State, Stop, Timer};
use crate::graph::OnFailure;
use crate::plan::Plan;

impl State {
    /// A try has failed: again, later, or never.
    pub(super) fn fail(
        &mut self,
        plan: &Plan,
        at: Timestamp,
        place: u32,
        fault: &Fault,
        chance: u64,
        fx: &mut Effects,
    ) {
        self.running -= 1;
        let node = &mut self.nodes[place as usize];
        node.ended_at = Some(at);
        node.detail().fault = Some(fault.clone());
        let attempt = node.attempt;
        if self.stopping.is_some() {
            // It was asked to stop; whatever it answers, it did.
            self.nodes[place as usize].status = NodeStatus::Cancelled;
            self.set_node(plan, place, fx);
            return;
        }
        if fault.class == Class::UnknownOutcome {
            self.nodes[place as usize].status = NodeStatus::Unknown;
            self.unknown += 1;
            self.set_node(plan, place, fx);
            self.ask(plan, place, fx);
            return;
        }
        match retry::decide(fault, plan.idempotent(place), plan.retry(place), attempt, chance) {
            Some(delay) if delay.is_zero() => {
                self.nodes[place as usize].status = NodeStatus::Pending;
                self.ready.push_back(place);
                self.set_node(plan, place, fx);
            }
            Some(delay) => {
                let wake_at = at.after(delay);
                let node = &mut self.nodes[place as usize];
                node.status = NodeStatus::Waiting;
                node.wake_at = Some(wake_at);
                self.waiting += 1;
                self.set_node(plan, place, fx);
                fx.timers.push(Timer { node: place, attempt, at: wake_at, wait: delay });
            }
            None if fault.class == Class::Transient && plan.parks(place) => self.park(plan, place, fx),
            None => {
                if self.fail_for_good(plan, at, place, fault.clone(), fx) == Reached::Ended {
                    self.release_successors(plan, at, place, fx);
                }
            }
        }
    }

    /// The node waits for a person.
    pub(super) fn park(&mut self, plan: &Plan, place: u32, fx: &mut Effects) {
        self.nodes[place as usize].status = NodeStatus::Parked;
        self.parked += 1;
        self.set_node(plan, place, fx);
    }

    /// The gate let a try wait: as if it had not been begun.
    pub(super) fn hold(
        &mut self,
        plan: &Plan,
        at: Timestamp,
        place: u32,
        until: Option<Timestamp>,
        fault: &Fault,
        fx: &mut Effects,
    ) {
        self.running -= 1;
        let stopping = self.stopping.is_some();
        let node = &mut self.nodes[place as usize];
        node.attempt -= 1;
        node.ended_at = Some(at);
        node.detail().fault = Some(fault.clone());
        let attempt = node.attempt;
        if stopping {
            node.status = NodeStatus::Cancelled;
        } else {
            node.status = NodeStatus::Held;
            node.wake_at = until;
            self.held += 1;
            fx.timers.extend(until.map(|until| Timer {
                node: place,
                attempt,
                at: until,
                wait: until.since(at),
            }));
        }
        self.set_node(plan, place, fx);
    }

    /// A node that waits is tried at once.
    pub(super) fn wake(&mut self, plan: &Plan, place: u32, fx: &mut Effects) {
        // A person may name a node that the plan does not have.
        let Some(node) = self.nodes.get_mut(place as usize) else { return };
        match node.status {
            NodeStatus::Waiting => self.waiting -= 1,
            NodeStatus::Held => self.held -= 1,
            NodeStatus::Unknown => self.leave_unknown(place),
            NodeStatus::Parked => {
                // Its deaths are forgiven. Its tries count on: whoever wants it again wants one more.
                node.deaths = 0;
                self.parked -= 1;
            }
            NodeStatus::Pending
            | NodeStatus::Running
            | NodeStatus::Completed
            | NodeStatus::Failed
            | NodeStatus::Skipped
            | NodeStatus::Cancelled => return,
        }
        let node = &mut self.nodes[place as usize];
        node.status = NodeStatus::Pending;
        node.wake_at = None;
        self.ready.push_back(place);
        self.set_node(plan, place, fx);
    }

    /// The node will not be tried again; what that means for the rest is the graph's `on_failure`.
    #[must_use]
    pub(super) fn fail_for_good(
        &mut self,
        plan: &Plan,
        at: Timestamp,
        place: u32,
        fault: Fault,
        fx: &mut Effects,
    ) -> Reached {
        let node = &mut self.nodes[place as usize];
        node.status = NodeStatus::Failed;
        node.ended_at = Some(at);
        node.detail().fault = Some(fault);
        self.failed += 1;
        self.first_failure.get_or_insert(place);
        self.set_node(plan, place, fx);
        match self.on_failure {
            OnFailure::FinishIndependent => self.skip_downstream(plan, at, place, fx),
            OnFailure::FailFast => self.stop(plan, at, Stop::FailFast, fx),
            OnFailure::Continue => return Reached::Ended,
        }
        Reached::Held
    }

    fn skip_downstream(&mut self, plan: &Plan, at: Timestamp, place: u32, fx: &mut Effects) {
        let mut open = plan.graph().successors(place).to_vec();
        while let Some(place) = open.pop() {
            let node = &mut self.nodes[place as usize];
            if node.status != NodeStatus::Pending {
                continue;
            }
            node.status = NodeStatus::Skipped;
            node.ended_at = Some(at);
            node.detail().skip = Some(SkipReason::Upstream);
            self.set_node(plan, place, fx);
            open.extend(plan.graph().successors(place));
        }
    }

    /// Nothing further starts, what runs is asked to stop, what waits is cancelled.
    ///
    /// Nodes that were not reached keep no row: a graph of a million nodes is stopped as quickly as
    /// one of ten.
    pub(super) fn stop(&mut self, plan: &Plan, at: Timestamp, why: Stop, fx: &mut Effects) {
        // A person's cancel outranks what the machine decided on its own.
        if self.stopping.is_none() || matches!(why, Stop::Cancelled(_)) {
            self.stopping = Some(why);
        }
        self.ready.clear();
        if self.waiting + self.held + self.unknown + self.parked + self.interrupted > 0 {
            for place in 0..self.nodes.len() as u32 {
                let node = &mut self.nodes[place as usize];
                match node.status {
                    NodeStatus::Waiting => self.waiting -= 1,
                    NodeStatus::Held => self.held -= 1,
                    NodeStatus::Unknown => self.unknown -= 1,
                    NodeStatus::Parked => self.parked -= 1,
                    NodeStatus::Running if self.interrupted > 0 => self.interrupted -= 1,
                    _ => continue,
                }
                node.status = NodeStatus::Cancelled;
                node.ended_at = Some(at);
                node.wake_at = None;
                if let Some(detail) = &mut node.detail {
                    detail.asking = false;
                }
                self.set_node(plan, place, fx);
            }
        }
        self.pausing = None;
        fx.cancel = self.running + std::mem::take(&mut self.asking) > 0;
        // A run that nobody has begun, or that is paused, is stopped like one that runs. The row says
        // so before anything has stopped: a crash now must not forget it.
        self.progress.status = RunStatus::Running;
        self.set_run(fx);
    }
}

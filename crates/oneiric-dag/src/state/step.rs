//! The transition function.

use oneiric_core::{Fault, Payload, Timestamp};
use oneiric_store::{Event, JournalEntry, NodeStatus, Op, RunStatus, UnknownNodes};

use super::starting::Reached;
use super::{Effects, State, Stop};
use crate::plan::Plan;

/// An event that does not belong to the state: a late answer, a timer of a node that no longer waits.
///
/// Nothing was changed. The executor drops such events; in a replay they are a damaged journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{event}` does not belong to a run that is {status}{}", node.map(|n| format!(" (node {n})")).unwrap_or_default())]
pub struct Illegal {
    /// The event's name.
    pub event: &'static str,
    /// Where the run stood.
    pub status: RunStatus,
    /// The node's place, where the event has one.
    pub node: Option<u32>,
}

impl State {
    /// Puts one event to the machine.
    ///
    /// The effects are appended to `fx`, which the caller may have used before.
    ///
    /// # Errors
    /// [`Illegal`] where the event does not belong to the state; then nothing was changed.
    pub fn step(
        &mut self,
        plan: &Plan,
        at: Timestamp,
        event: Event,
        fx: &mut Effects,
    ) -> Result<(), Illegal> {
        self.allows(&event)?;
        let slots = match &event {
            Event::Started { slots } => {
                self.begin(plan, at, fx);
                *slots
            }
            Event::Resumed { unknown, slots } => {
                self.resume(plan, at, *unknown, fx);
                *slots
            }
            Event::Succeeded { node, output, slots, .. } => {
                self.succeed(plan, at, *node, output.clone(), fx);
                *slots
            }
            Event::Failed { node, fault, chance, slots, .. } => {
                self.fail(plan, at, *node, fault, *chance, fx);
                *slots
            }
            Event::Due { node, slots } => {
                self.waiting -= 1;
                let state = &mut self.nodes[*node as usize];
                state.status = NodeStatus::Pending;
                state.wake_at = None;
                self.ready.push_back(*node);
                self.set_node(plan, *node, fx);
                *slots
            }
            Event::Granted { slots } => *slots,
            Event::CancelRequested { reason } => {
                self.stop(plan, at, Stop::Cancelled(reason.clone()), fx);
                0
            }
            Event::TimedOut => {
                self.stop(plan, at, Stop::TimedOut, fx);
                0
            }
        };
        self.start_ready(plan, at, slots, fx);
        self.settle(at, fx);
        self.seq += 1;
        fx.ops.push(Op::Append(JournalEntry { run: self.run, seq: self.seq, at, epoch: self.epoch, event }));
        Ok(())
    }

    fn allows(&self, event: &Event) -> Result<(), Illegal> {
        let status = self.progress.status;
        let is = |place: &u32, wanted| self.nodes.get(*place as usize).is_some_and(|n| n.status == wanted);
        let (node, legal) = match event {
            Event::Started { .. } => (None, status == RunStatus::Pending),
            Event::Resumed { .. } => {
                (None, matches!(status, RunStatus::Running | RunStatus::Paused) && self.running == 0)
            }
            Event::Succeeded { node, attempt, .. } | Event::Failed { node, attempt, .. } => {
                let current = is(node, NodeStatus::Running) && self.nodes[*node as usize].attempt == *attempt;
                (Some(*node), current)
            }
            Event::Due { node, .. } => {
                (Some(*node), is(node, NodeStatus::Waiting) && self.stopping.is_none())
            }
            Event::Granted { .. } => (None, status == RunStatus::Running),
            Event::CancelRequested { .. } => {
                (None, !status.is_terminal() && !matches!(self.stopping, Some(Stop::Cancelled(_))))
            }
            Event::TimedOut => (None, status == RunStatus::Running && self.stopping.is_none()),
        };
        if legal { Ok(()) } else { Err(Illegal { event: event.name(), status, node }) }
    }

    fn begin(&mut self, plan: &Plan, at: Timestamp, fx: &mut Effects) {
        self.progress.status = RunStatus::Running;
        self.progress.started_at = Some(at);
        self.set_run(fx);
        self.release_entries(plan, at, fx);
    }

    /// Decides what was in flight when the last owner died, and what a person said of the unknown.
    fn resume(&mut self, plan: &Plan, at: Timestamp, unknown: UnknownNodes, fx: &mut Effects) {
        self.progress.status = RunStatus::Running;
        self.set_run(fx);
        for place in 0..self.nodes.len() as u32 {
            let node = &mut self.nodes[place as usize];
            match (node.status, unknown) {
                (NodeStatus::Running, _) if self.stopping.is_some() => {
                    node.status = NodeStatus::Cancelled;
                    node.ended_at = Some(at);
                    self.set_node(plan, place, fx);
                }
                (NodeStatus::Running, _) if plan.idempotent(place) == Some(false) => {
                    node.status = NodeStatus::Unknown;
                    node.ended_at = Some(at);
                    node.detail().fault = Some(Fault::unknown_outcome(
                        "interrupted",
                        format!("try {} was under way when its process ended", node.attempt),
                    ));
                    self.unknown += 1;
                    self.set_node(plan, place, fx);
                }
                (NodeStatus::Running, _) => {
                    node.status = NodeStatus::Pending;
                    self.ready.push_back(place);
                    self.set_node(plan, place, fx);
                }
                (NodeStatus::Waiting, _) => {
                    let at = node.wake_at.unwrap_or(at);
                    fx.timers.push(super::Timer { node: place, at });
                }
                (NodeStatus::Unknown, UnknownNodes::Retry) => {
                    node.status = NodeStatus::Pending;
                    self.unknown -= 1;
                    self.ready.push_back(place);
                    self.set_node(plan, place, fx);
                }
                (NodeStatus::Unknown, UnknownNodes::Fail) => {
                    self.unknown -= 1;
                    let fault = Fault::unknown_outcome("unknown-outcome", "counted as failed by a person");
                    if self.fail_for_good(plan, at, place, fault, fx) == Reached::Ended {
                        self.release_successors(plan, at, place, fx);
                    }
                }
                (NodeStatus::Unknown, UnknownNodes::Keep) => {}
                (
                    NodeStatus::Pending
                    | NodeStatus::Completed
                    | NodeStatus::Failed
                    | NodeStatus::Skipped
                    | NodeStatus::Cancelled,
                    _,
                ) => {}
            }
        }
        // A restored queue has lost its order; by place is an order that a replay finds again.
        self.ready.make_contiguous().sort_unstable();
    }

    fn succeed(&mut self, plan: &Plan, at: Timestamp, place: u32, output: Payload, fx: &mut Effects) {
        self.running -= 1;
        let node = &mut self.nodes[place as usize];
        node.status = NodeStatus::Completed;
        node.ended_at = Some(at);
        node.detail = None;
        self.outputs[place as usize] = output;
        self.set_node(plan, place, fx);
        self.put_checkpoint(place, at, fx);
        self.release_successors(plan, at, place, fx);
    }

    /// Ends or pauses the run where nothing of it moves any more.
    fn settle(&mut self, at: Timestamp, fx: &mut Effects) {
        let still =
            self.running == 0 && self.waiting == 0 && (self.ready.is_empty() || self.stopping.is_some());
        if !still || self.progress.status != RunStatus::Running {
            return;
        }
        let status = match &self.stopping {
            Some(Stop::Cancelled(_)) => RunStatus::Cancelled,
            Some(Stop::FailFast | Stop::TimedOut) => RunStatus::Failed,
            None if self.unknown > 0 => RunStatus::Paused,
            None if self.failed > 0 => RunStatus::Failed,
            None => RunStatus::Completed,
        };
        self.progress.status = status;
        self.progress.ended_at = status.is_terminal().then_some(at);
        self.set_run(fx);
        fx.ended = Some(status);
    }
}

//! The transition function.

use oneiric_core::{Fault, Payload, Timestamp, retry};
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
            Event::Resumed { unknown, deaths, slots } => {
                self.resume(plan, at, *unknown, *deaths > 0, fx);
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
            Event::Due { node, slots, .. } => {
                self.wake(plan, *node, fx);
                *slots
            }
            Event::Granted { slots } => *slots,
            Event::Held { node, until, fault, slots, .. } => {
                self.hold(plan, at, *node, *until, fault, fx);
                *slots
            }
            Event::Released { nodes, slots } => {
                nodes.iter().for_each(|node| self.wake(plan, *node, fx));
                *slots
            }
            Event::Retried { nodes, slots } => {
                if self.progress.status == RunStatus::Paused {
                    // Whoever wants a node of it tried wants the run to go on.
                    self.resume(plan, at, UnknownNodes::Keep, false, fx);
                }
                nodes.iter().for_each(|node| self.wake(plan, *node, fx));
                *slots
            }
            Event::Reconciled { node, found, output, slots } => {
                self.reconcile(plan, at, *node, *found, output, fx);
                *slots
            }
            Event::PauseRequested { reason } => {
                self.pausing = Some(reason.clone());
                // A run that nobody has begun is paused like one that runs. The row says so before
                // anything has finished: a crash now must not forget it.
                self.progress.status = RunStatus::Running;
                self.set_run(fx);
                0
            }
            Event::PauseWithdrawn { slots } => {
                self.pausing = None;
                self.set_run(fx);
                *slots
            }
            Event::Extended { deadline } => {
                self.deadline = Some(*deadline);
                self.set_run(fx);
                0
            }
            Event::CancelRequested { reason, hard } => {
                self.stop(plan, at, Stop::Cancelled(reason.clone()), fx);
                self.aborted |= *hard;
                fx.abort = *hard && self.running > 0;
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
            Event::Held { node, attempt, .. } => {
                let current = is(node, NodeStatus::Running) && self.nodes[*node as usize].attempt == *attempt;
                (Some(*node), current)
            }
            Event::Due { node, attempt, .. } => {
                let waits = is(node, NodeStatus::Waiting) || is(node, NodeStatus::Held);
                let current =
                    waits && attempt.is_none_or(|attempt| attempt == self.nodes[*node as usize].attempt);
                (Some(*node), current && status == RunStatus::Running && self.stopping.is_none())
            }
            Event::Granted { .. } => (None, status == RunStatus::Running),
            Event::Released { nodes, .. } => {
                let held = nodes.iter().any(|node| is(node, NodeStatus::Held));
                (None, held && status == RunStatus::Running)
            }
            Event::Retried { nodes, .. } => {
                let waits = |node| {
                    [NodeStatus::Waiting, NodeStatus::Held, NodeStatus::Unknown, NodeStatus::Parked]
                        .into_iter()
                        .any(|status| is(node, status))
                };
                let open = matches!(status, RunStatus::Running | RunStatus::Paused);
                (None, nodes.iter().any(waits) && open && self.stopping.is_none())
            }
            Event::Reconciled { node, .. } => {
                (Some(*node), is(node, NodeStatus::Unknown) && status == RunStatus::Running)
            }
            Event::PauseRequested { .. } => {
                let open = matches!(status, RunStatus::Pending | RunStatus::Running);
                (None, open && self.stopping.is_none() && self.pausing.is_none())
            }
            Event::PauseWithdrawn { .. } => (None, status == RunStatus::Running && self.pausing.is_some()),
            Event::Extended { deadline } => {
                (None, !status.is_terminal() && self.stopping.is_none() && self.deadline != Some(*deadline))
            }
            Event::CancelRequested { hard, .. } => {
                let anew = !matches!(self.stopping, Some(Stop::Cancelled(_))) || (*hard && !self.aborted);
                (None, !status.is_terminal() && anew)
            }
            Event::TimedOut => (None, status == RunStatus::Running && self.stopping.is_none()),
        };
        if legal { Ok(()) } else { Err(Illegal { event: event.name(), status, node }) }
    }

    fn begin(&mut self, plan: &Plan, at: Timestamp, fx: &mut Effects) {
        self.progress.status = RunStatus::Running;
        self.progress.started_at = Some(at);
        self.deaths = 0;
        self.set_run(fx);
        self.release_entries(plan, at, fx);
    }

    /// Decides what was in flight when the last owner died, and what a person said of the unknown.
    fn resume(&mut self, plan: &Plan, at: Timestamp, unknown: UnknownNodes, died: bool, fx: &mut Effects) {
        if self.progress.status == RunStatus::Paused {
            // Whoever resumes takes the pause back; a new owner after a crash does not.
            self.pausing = None;
        }
        self.paused = None;
        self.progress.status = RunStatus::Running;
        self.deaths = 0;
        if self.progress.started_at.is_none() {
            // It was paused before anybody had begun it.
            self.progress.started_at = Some(at);
            self.set_run(fx);
            self.release_entries(plan, at, fx);
            return;
        }
        self.set_run(fx);
        for place in 0..self.nodes.len() as u32 {
            let node = &mut self.nodes[place as usize];
            self.interrupted -= u32::from(node.status == NodeStatus::Running);
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
                    self.ask(plan, place, fx);
                }
                (NodeStatus::Running, _) => {
                    node.deaths += u32::from(died);
                    node.ended_at = Some(at);
                    if node.deaths >= plan.limits().max_deliveries {
                        let deaths = node.deaths;
                        node.detail().fault = Some(Fault::transient(
                            "process-died",
                            format!("its process ended {deaths} times while it ran"),
                        ));
                        self.park(plan, place, fx);
                    } else {
                        node.status = NodeStatus::Pending;
                        self.ready.push_back(place);
                        self.set_node(plan, place, fx);
                    }
                }
                (NodeStatus::Waiting, _) => {
                    let attempt = node.attempt;
                    let due = remaining(node, at);
                    fx.timers.push(super::Timer { node: place, attempt, at: due, wait: due.since(at) });
                }
                // The gate is asked again.
                (NodeStatus::Held, _) | (NodeStatus::Unknown | NodeStatus::Parked, UnknownNodes::Retry) => {
                    self.wake(plan, place, fx);
                }
                (NodeStatus::Unknown, UnknownNodes::Fail) => {
                    self.leave_unknown(place);
                    let fault = Fault::unknown_outcome("unknown-outcome", "counted as failed by a person");
                    if self.fail_for_good(plan, at, place, fault, fx) == Reached::Ended {
                        self.release_successors(plan, at, place, fx);
                    }
                }
                (NodeStatus::Parked, UnknownNodes::Fail) => {
                    self.parked -= 1;
                    let fault = node.detail().fault.clone();
                    let fault =
                        fault.unwrap_or_else(|| Fault::transient("parked", "counted as failed by a person"));
                    if self.fail_for_good(plan, at, place, fault, fx) == Reached::Ended {
                        self.release_successors(plan, at, place, fx);
                    }
                }
                // Its asker died with the last owner, or had no answer then.
                (NodeStatus::Unknown, UnknownNodes::Keep) => self.ask(plan, place, fx),
                (NodeStatus::Parked, UnknownNodes::Keep) => {}
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

    pub(super) fn succeed(
        &mut self,
        plan: &Plan,
        at: Timestamp,
        place: u32,
        output: Payload,
        fx: &mut Effects,
    ) {
        self.running -= 1;
        let node = &mut self.nodes[place as usize];
        node.status = NodeStatus::Completed;
        node.ended_at = Some(at);
        node.deaths = 0;
        node.detail = None;
        self.outputs[place as usize] = output;
        self.set_node(plan, place, fx);
        self.put_checkpoint(place, at, fx);
        self.release_successors(plan, at, place, fx);
    }

    /// Ends or pauses the run where nothing of it moves any more.
    fn settle(&mut self, at: Timestamp, fx: &mut Effects) {
        let idle = self.waiting == 0 && self.held == 0 && self.ready.is_empty();
        let under_way = self.running + self.interrupted + self.asking;
        let still = under_way == 0 && (idle || self.stopping.is_some() || self.pausing.is_some());
        if !still || self.progress.status != RunStatus::Running {
            return;
        }
        let status = match &self.stopping {
            Some(Stop::Cancelled(_)) => RunStatus::Cancelled,
            Some(Stop::FailFast | Stop::TimedOut) => RunStatus::Failed,
            None if self.pausing.is_some() && !self.is_done() => RunStatus::Paused,
            None if self.unknown + self.parked > 0 => RunStatus::Paused,
            None if self.failed > 0 => RunStatus::Failed,
            None => RunStatus::Completed,
        };
        self.progress.status = status;
        self.progress.ended_at = status.is_terminal().then_some(at);
        self.set_run(fx);
        fx.ended = Some(status);
    }

    /// Whether nothing is left that a resume could do.
    fn is_done(&self) -> bool {
        self.waiting + self.held + self.unknown + self.parked == 0
            && self.ready.is_empty()
            && self.progress.started_at.is_some()
    }
}

/// When a node that waits is due after an interruption: at the time it was told, and not later than the
/// wait that was meant, however the clock was set meanwhile.
fn remaining(node: &super::NodeState, at: Timestamp) -> Timestamp {
    let Some(wake_at) = node.wake_at else { return at };
    let meant = node.ended_at.map_or(retry::MAX_DELAY, |failed_at| wake_at.since(failed_at));
    wake_at.min(at.after(meant))
}

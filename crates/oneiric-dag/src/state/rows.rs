//! What the machine decided, as rows.

use oneiric_core::{Fault, Timestamp};
use oneiric_store::{Checkpoint, NodeRecord, Op, RunState, RunStatus};

use super::{Effects, State, Stop};
use crate::plan::Plan;

impl State {
    pub(super) fn set_node(&self, plan: &Plan, place: u32, fx: &mut Effects) {
        let node = &self.nodes[place as usize];
        let detail = node.detail.as_deref();
        fx.ops.push(Op::SetNode(NodeRecord {
            run: self.run,
            node: place,
            name: plan.graph().node(place).id.clone(),
            status: node.status,
            attempt: node.attempt,
            deaths: node.deaths,
            input_hash: node.input_hash,
            started_at: node.started_at,
            ended_at: node.ended_at,
            wake_at: node.wake_at,
            skip: detail.and_then(|detail| detail.skip),
            fault: detail.and_then(|detail| detail.fault.clone()).map(Box::new),
        }));
    }

    pub(super) fn put_checkpoint(&self, place: u32, at: Timestamp, fx: &mut Effects) {
        let input_hash = self.nodes[place as usize].input_hash.expect("a node that ran had an input");
        fx.ops.push(Op::PutCheckpoint(Checkpoint {
            run: self.run,
            node: place,
            input_hash,
            output: self.outputs[place as usize].clone(),
            at,
        }));
    }

    pub(super) fn set_run(&self, fx: &mut Effects) {
        fx.ops.push(Op::SetRun { run: self.run, state: Box::new(self.row()) });
    }

    /// The run's row. The owner is left to the claim: an ended or paused run has none.
    pub(crate) fn row(&self) -> RunState {
        let status = self.progress.status;
        RunState {
            status,
            owner: self.owner.filter(|_| status == RunStatus::Running),
            epoch: self.epoch,
            wake_at: None,
            deadline: self.deadline,
            deaths: self.deaths,
            started_at: self.progress.started_at,
            ended_at: self.progress.ended_at,
            fault: run_fault(self),
        }
    }
}

/// The run's own fault, from what stopped it; [`stop_of`] reads it back after a crash.
pub(super) fn run_fault(state: &State) -> Option<Fault> {
    match (&state.stopping, state.progress.status) {
        (_, RunStatus::Completed) => None,
        (Some(Stop::Cancelled(reason)), _) => Some(Fault::permanent(CANCELLED, reason)),
        (Some(Stop::TimedOut), _) => Some(Fault::permanent(TIMED_OUT, "the run's time was up")),
        (Some(Stop::FailFast), RunStatus::Running) => {
            // Not the node's own fault, whose words are its task's: they may be any of these.
            Some(Fault::permanent(FAIL_FAST, "a node has failed; what still runs is asked to stop"))
        }
        (None, RunStatus::Running | RunStatus::Paused) if state.pausing.is_some() => {
            state.pausing.as_ref().map(|reason| Fault::denied(PAUSED, reason))
        }
        (None, RunStatus::Paused) if state.paused.is_some() => state.paused.clone(),
        (None, RunStatus::Paused) if state.unknown > 0 => {
            let count = state.unknown;
            Some(Fault::unknown_outcome(
                "unknown-nodes",
                format!("the outcome of {count} node(s) is unknown"),
            ))
        }
        (None, RunStatus::Paused) => {
            let count = state.parked;
            Some(Fault::transient("parked-nodes", format!("{count} node(s) were tried often enough")))
        }
        (Some(Stop::FailFast), _) | (None, RunStatus::Failed) => {
            let node = &state.nodes[state.first_failure? as usize];
            node.detail.as_deref().and_then(|detail| detail.fault.clone())
        }
        (None, RunStatus::Pending | RunStatus::Running | RunStatus::Cancelled) => None,
    }
}

/// The code of the fault of a run that somebody paused.
pub(super) const PAUSED: &str = "paused";
const CANCELLED: &str = "cancelled";
const TIMED_OUT: &str = "run-timeout";
const FAIL_FAST: &str = "fail-fast";

/// Why a run that was still running when its process died had been asked to pause.
pub(super) fn pause_of(row: &RunState) -> Option<String> {
    let running = row.status == RunStatus::Running;
    row.fault.as_ref().filter(|fault| running && fault.code == PAUSED).map(|fault| fault.message.clone())
}

/// Why a run that was still running when its process died had been asked to stop.
pub(super) fn stop_of(row: &RunState) -> Option<Stop> {
    let fault = row.fault.as_ref().filter(|_| row.status == RunStatus::Running)?;
    Some(match fault.code.as_str() {
        PAUSED => return None,
        CANCELLED => Stop::Cancelled(fault.message.clone()),
        TIMED_OUT => Stop::TimedOut,
        // Of this code; an early release wrote the node's own.
        _ => Stop::FailFast,
    })
}

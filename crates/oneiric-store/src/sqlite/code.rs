//! The numbers under which statuses stand in the file. They never change their meaning: a number
//! that is no longer written is not given away again.

use crate::record::node::{NodeStatus, SkipReason};
use crate::record::run::RunStatus;

pub(super) const fn run(status: RunStatus) -> i64 {
    match status {
        RunStatus::Pending => 0,
        RunStatus::Running => 1,
        RunStatus::Paused => 2,
        RunStatus::Completed => 3,
        RunStatus::Failed => 4,
        RunStatus::Cancelled => 5,
    }
}

pub(super) const fn node(status: NodeStatus) -> i64 {
    match status {
        NodeStatus::Pending => 0,
        NodeStatus::Running => 1,
        NodeStatus::Waiting => 2,
        NodeStatus::Completed => 3,
        NodeStatus::Failed => 4,
        NodeStatus::Skipped => 5,
        NodeStatus::Cancelled => 6,
        NodeStatus::Unknown => 7,
        NodeStatus::Held => 8,
        NodeStatus::Parked => 9,
    }
}

pub(super) const fn skip(reason: SkipReason) -> i64 {
    match reason {
        SkipReason::Condition => 0,
        SkipReason::Upstream => 1,
    }
}

pub(super) fn run_status(code: i64) -> Option<RunStatus> {
    RunStatus::ALL.into_iter().find(|status| run(*status) == code)
}

pub(super) fn node_status(code: i64) -> Option<NodeStatus> {
    NodeStatus::ALL.into_iter().find(|status| node(*status) == code)
}

pub(super) fn skip_reason(code: i64) -> Option<SkipReason> {
    SkipReason::ALL.into_iter().find(|reason| skip(*reason) == code)
}

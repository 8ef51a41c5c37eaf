//! The numbers under which statuses stand in the file. They never change their meaning: a number
//! that is no longer written is not given away again.

use oneiric_core::roles::Priority;

use crate::record::delivery::{ChainMode, DeliveryStatus};
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

pub(super) const fn delivery(status: DeliveryStatus) -> i64 {
    match status {
        DeliveryStatus::Held => 0,
        DeliveryStatus::Pending => 1,
        DeliveryStatus::Running => 2,
        DeliveryStatus::Done => 3,
        DeliveryStatus::Dead => 4,
        DeliveryStatus::Skipped => 5,
        DeliveryStatus::Expired => 6,
    }
}

pub(super) const fn chain(mode: ChainMode) -> i64 {
    match mode {
        ChainMode::Ordered => 0,
        ChainMode::FirstSuccess => 1,
    }
}

pub(super) const fn priority(priority: Priority) -> i64 {
    match priority {
        Priority::Low => 0,
        Priority::Normal => 1,
        Priority::High => 2,
        Priority::Critical => 3,
    }
}

pub(super) fn delivery_status(code: i64) -> Option<DeliveryStatus> {
    DeliveryStatus::ALL.into_iter().find(|status| delivery(*status) == code)
}

pub(super) fn chain_mode(code: i64) -> Option<ChainMode> {
    [ChainMode::Ordered, ChainMode::FirstSuccess].into_iter().find(|mode| chain(*mode) == code)
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

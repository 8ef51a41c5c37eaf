//! The integrity check of the store in memory: the rules that hold for every backend.

use super::State;
use crate::liveness::{CANNOT_RESUME, Kind, Violation};
use crate::record::delivery::{DeliveryRecord, DeliveryStatus};
use crate::record::node::{NodeRecord, NodeStatus};
use crate::record::run::RunStatus;
use crate::store::IntegrityReport;

pub(super) fn violations(state: &State) -> Vec<Violation> {
    let mut found = Vec::new();
    let serves = state.boots.values().any(|boot| boot.ended_at.is_none() && boot.serves);
    for (id, run) in &state.runs {
        let row = &run.record.state;
        let mut add = |kind, node: Option<&NodeRecord>| {
            let about_owner = matches!(kind, Kind::OwnerDead | Kind::OwnerEnded | Kind::Leaked);
            let boot = row.owner.filter(|_| about_owner);
            let node = node.map(|node| node.name.clone());
            found.push(Violation { node, boot, ..Violation::of_run(kind, *id) });
        };
        let active = matches!(row.status, RunStatus::Pending | RunStatus::Running);
        let owner = row.owner.map(|owner| (owner, state.boots.get(&owner)));
        match owner {
            Some(_) if !active => add(Kind::Leaked, None),
            Some((_, None)) => add(Kind::OwnerEnded, None),
            Some((_, Some(boot))) if boot.ended_at.is_some() => add(Kind::OwnerEnded, None),
            Some((owner, _)) if state.dead.contains(&owner) => add(Kind::OwnerDead, None),
            Some(_) => {}
            None if active && serves => add(Kind::Unowned, None),
            None => {}
        }
        // A run that cannot go on here is paused as it was left: who resumes it decides what was in flight.
        let cannot = row.fault.as_ref().is_some_and(|fault| fault.code == CANNOT_RESUME);
        let as_left = row.status == RunStatus::Paused && cannot;
        for node in run.nodes() {
            if node.status == NodeStatus::Running && !active && !as_left {
                add(Kind::InFlight, Some(node));
            }
            if node.status == NodeStatus::Waiting && node.wake_at.is_none() {
                add(Kind::NoWake, Some(node));
            }
        }
        if row.status == RunStatus::Paused && row.fault.is_none() {
            add(Kind::NoReason, None);
        }
        if row.status.is_terminal() {
            let stale = state.commands.iter().filter(|command| command.run == *id);
            stale.for_each(|_| add(Kind::StaleCommand, None));
        }
    }
    found.extend(state.events.unsettled().filter_map(|delivery| stuck(state, delivery)));
    found.sort_unstable();
    found
}

/// What is wrong with a delivery that is not over, or that is owned.
fn stuck(state: &State, delivery: &DeliveryRecord) -> Option<Violation> {
    let row = &delivery.state;
    let active = matches!(row.status, DeliveryStatus::Pending | DeliveryStatus::Running);
    let ended = |owner| state.boots.get(&owner).is_none_or(|boot| boot.ended_at.is_some());
    let kind = match row.owner {
        Some(_) if !active => Kind::Leaked,
        Some(owner) if ended(owner) => Kind::OwnerEnded,
        Some(owner) if state.dead.contains(&owner) => Kind::OwnerDead,
        Some(_) => return None,
        None if row.status == DeliveryStatus::Running => Kind::InFlight,
        None if row.status == DeliveryStatus::Held && !state.events.is_behind_somebody(delivery) => {
            Kind::Stranded
        }
        None => return None,
    };
    let (event, handler) = (delivery.event.clone(), delivery.handler.clone());
    Some(Violation { boot: row.owner, ..Violation::of_delivery(kind, event, handler) })
}

pub(super) fn check(state: &State) -> IntegrityReport {
    let mut report = IntegrityReport::default();
    let (mut nodes, mut checkpoints, mut entries) = (0, 0, 0);
    for (id, run) in &state.runs {
        for (place, entry) in run.journal.iter().enumerate() {
            entries += 1;
            let expected = place as u64 + 1;
            if entry.seq != expected {
                report
                    .problems
                    .push(format!("run {id}: journal entry {} stands where {expected} belongs", entry.seq));
                break;
            }
        }
        for node in run.nodes() {
            nodes += 1;
            let kept =
                run.checkpoints().any(|c| c.node == node.node && Some(c.input_hash) == node.input_hash);
            if node.status == NodeStatus::Completed && !kept {
                report
                    .problems
                    .push(format!("run {id}: node `{}` is completed without a checkpoint", node.name));
            }
        }
        checkpoints += run.checkpoints().count() as u64;
        if !state.blobs.contains_key(&run.record.bundle) {
            report.problems.push(format!("run {id}: its bundle {} is missing", run.record.bundle));
        }
    }
    let (events, deliveries) = state.events.counts();
    report.checked = vec![
        ("runs".to_owned(), state.runs.len() as u64),
        ("nodes".to_owned(), nodes),
        ("checkpoints".to_owned(), checkpoints),
        ("journal".to_owned(), entries),
        ("blobs".to_owned(), state.blobs.len() as u64),
        ("envelopes".to_owned(), events),
        ("deliveries".to_owned(), deliveries),
    ];
    report
}

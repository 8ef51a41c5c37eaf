//! The integrity check of the store in memory: the rules that hold for every backend.

use super::State;
use crate::record::node::NodeStatus;
use crate::store::IntegrityReport;

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
    report.checked = vec![
        ("runs".to_owned(), state.runs.len() as u64),
        ("nodes".to_owned(), nodes),
        ("checkpoints".to_owned(), checkpoints),
        ("journal".to_owned(), entries),
        ("blobs".to_owned(), state.blobs.len() as u64),
    ];
    report
}

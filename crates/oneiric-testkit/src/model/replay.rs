//! A run's journal, put to a fresh machine, gives its rows.

use std::collections::BTreeMap;

use oneiric_dag::{Effects, State};
use oneiric_store::{Checkpoint, Event, NodeRecord, Op, RunRecord, RunState, RunStatus};

use super::real::{Real, output, run_id};

/// Replays the journal of a run; an error says what comes out differently.
///
/// Fences and owners come from claims, which the journal does not tell: where the fence of an entry is a
/// new one, a new owner began from the rows that there were.
pub(super) async fn replay(real: &Real<'_>, number: usize) -> Result<(), String> {
    let (store, id) = (real.host.store(), run_id(number));
    let Some(record) = store.run(id).await.map_err(|error| error.to_string())? else { return Ok(()) };
    let journal = store.journal(id, 0, usize::MAX).await.map_err(|error| error.to_string())?;
    let stored = store.nodes(id).await.map_err(|error| error.to_string())?;
    let plan = &real.world.plans[real.shapes.get(&number).copied().unwrap_or_default()];

    let mut row = RunRecord { state: RunState::PENDING, ..record.clone() };
    let mut rows: BTreeMap<u32, NodeRecord> = BTreeMap::new();
    let mut kept: Vec<Checkpoint> = Vec::new();
    // What came with the run stands in no entry: it is what no node of it has made.
    let made = |node: u32| {
        let is = |event: &Event| matches!(event, Event::Succeeded { node: of, .. } | Event::Reconciled { node: of, .. } if *of == node);
        journal.iter().any(|entry| is(&entry.event))
    };
    let checkpoints = store.checkpoints(id).await.map_err(|error| error.to_string())?;
    kept.extend(checkpoints.into_iter().filter(|kept| !made(kept.node)));
    let mut machine: Option<(u64, State)> = None;
    for entry in &journal {
        if machine.as_ref().is_none_or(|(epoch, _)| *epoch != entry.epoch) {
            row.state.epoch = entry.epoch;
            let rows = rows.values().cloned().collect();
            let state = State::restore(plan, &row, entry.seq - 1, rows, kept.clone());
            machine = Some((entry.epoch, state.map_err(|error| error.to_string())?));
        }
        let Some((_, state)) = &mut machine else { continue };
        let event = match entry.event.clone() {
            Event::Succeeded { node, attempt, slots, .. } => {
                Event::Succeeded { node, attempt, slots, output: output(node) }
            }
            Event::Reconciled { node, found, slots, .. } => {
                Event::Reconciled { node, found, slots, output: output(node) }
            }
            event => event,
        };
        let mut fx = Effects::default();
        let put = state.step(plan, entry.at, event, &mut fx);
        put.map_err(|illegal| format!("entry {} of the journal of run {number}: {illegal}", entry.seq))?;
        for op in fx.ops {
            match op {
                Op::SetNode(row) => drop(rows.insert(row.node, row)),
                Op::SetRun { state, .. } => row.state = *state,
                Op::PutCheckpoint(checkpoint) => kept.push(checkpoint),
                _ => {}
            }
        }
    }
    let rows: Vec<NodeRecord> = rows.into_values().collect();
    if rows != stored {
        return Err(format!("the journal of run {number} gives {rows:#?}, its nodes are {stored:#?}"));
    }
    // What claims set is not the journal's.
    let RunState { owner, epoch, .. } = record.state;
    let deaths = record.state.deaths;
    let replayed = RunState { owner, epoch, deaths, ..row.state };
    let begun = record.state.status != RunStatus::Pending || !journal.is_empty();
    if begun && replayed != record.state {
        return Err(format!(
            "the journal of run {number} gives {replayed:#?}, its row is {:#?}",
            record.state
        ));
    }
    Ok(())
}

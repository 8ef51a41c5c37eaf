//! Whether both show the same.

use std::fmt::Debug;

use oneiric_core::Timestamp;
use oneiric_store::{NodeRecord, RunState, StoreError, WhoseCommands};

use super::Model;
use super::command::{BOOTS, KEYS, RUNS};
use super::real::{Real, asked, boot_id, key, output, run_id};
use super::run::{Node, Run};

type Found = Result<(), String>;

/// What to look at, beside what is stuck.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    pub(super) runs: Runs,
    pub(super) boots: bool,
    /// What people said and asked for.
    pub(super) said: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Runs {
    None,
    One(usize),
    All,
}

impl View {
    pub(super) const ALL: View = View { runs: Runs::All, boots: true, said: true };
}

/// The first thing that is not the same, in words.
pub(super) async fn compare(model: &Model, real: &Real<'_>, view: View) -> Found {
    let runs = match view.runs {
        Runs::None => 0..0,
        Runs::One(run) => run..run + 1,
        Runs::All => 0..RUNS,
    };
    for run in runs {
        a_run(model, real, run).await.map_err(|found| format!("run {run}: {found}"))?;
    }
    if view.boots {
        boots(model, real).await?;
    }
    if view.said {
        said(model, real).await?;
    }
    violations(model, real).await
}

fn same<T: PartialEq + Debug>(what: &str, real: T, model: T) -> Found {
    if real == model { Ok(()) } else { Err(format!("{what} is {real:?}, must be {model:?}")) }
}

fn text(error: StoreError) -> String {
    error.to_string()
}

fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_micros)
}

async fn a_run(model: &Model, real: &Real<'_>, number: usize) -> Found {
    let (store, id) = (real.host.store(), run_id(number));
    let record = store.run(id).await.map_err(text)?;
    let Some(expected) = model.runs.get(&number) else {
        return same("its row", record.map(|record| record.id), None);
    };
    let record = record.ok_or("it has no row")?;
    run_row(&record.state, expected)?;
    same("its shape", real.shapes.get(&number).copied(), Some(expected.shape))?;
    same("the length of its journal", store.last_seq(id).await.map_err(text)?, expected.seq)?;

    let rows = store.nodes(id).await.map_err(text)?;
    let known = (0u32..).zip(&expected.nodes).filter(|(_, node)| node.known);
    same(
        "its nodes",
        rows.iter().map(|row| row.node).collect::<Vec<_>>(),
        known.clone().map(|(n, _)| n).collect(),
    )?;
    for (row, (place, node)) in rows.iter().zip(known) {
        node_row(real, row, node).map_err(|found| format!("node {place}: {found}"))?;
    }
    let kept = store.checkpoints(id).await.map_err(text)?;
    let kept: Vec<_> = kept.into_iter().map(|kept| (kept.node, kept.input_hash, kept.output)).collect();
    let expected_kept = expected.outputs().map(|node| (node, real.world.input_hash, output(node)));
    same("its outputs", kept, expected_kept.collect())?;

    let commands = store.commands(WhoseCommands::Run(id)).await.map_err(text)?;
    let commands: Vec<_> = commands.into_iter().map(|command| (command.id, command.command)).collect();
    let expected = model.commands.iter().filter(|(of, ..)| *of == number);
    same(
        "what was asked of it",
        commands,
        expected.map(|(_, id, ask)| (u128::from(*id), asked(ask))).collect(),
    )
}

fn run_row(row: &RunState, expected: &Run) -> Found {
    same("its status", row.status, expected.status)?;
    same("its owner", row.owner, expected.owner.map(boot_id))?;
    same("its epoch", row.epoch, expected.epoch)?;
    same("its deaths", row.deaths, expected.deaths)?;
    same("its deadline", micros(row.deadline), expected.deadline)?;
    same("its start", micros(row.started_at), expected.started_at)?;
    same("its end", micros(row.ended_at), expected.ended_at)?;
    let fault = row.fault.as_ref().map(|fault| fault.code.as_str());
    same("its fault", fault, expected.fault().map(|(code, _)| code))?;
    match expected.fault() {
        Some((_, Some(reason))) => {
            same("the reason", row.fault.as_ref().map(|fault| fault.message.clone()), Some(reason))
        }
        Some((_, None)) | None => Ok(()),
    }
}

fn node_row(real: &Real<'_>, row: &NodeRecord, expected: &Node) -> Found {
    same("its status", row.status, expected.status)?;
    same("its try", row.attempt, expected.attempt)?;
    same("its deaths", row.deaths, expected.deaths)?;
    same("its input", row.input_hash, expected.input.then_some(real.world.input_hash))?;
    same("its start", micros(row.started_at), expected.started_at)?;
    same("its end", micros(row.ended_at), expected.ended_at)?;
    same("its wake-up", micros(row.wake_at), expected.wake_at)?;
    same("its fault", row.fault.as_ref().map(|fault| fault.code.as_str()), expected.fault)?;
    same("why it is skipped", row.skip, expected.skip)
}

async fn boots(model: &Model, real: &Real<'_>) -> Found {
    let store = real.host.store();
    let seen = store.boots().await.map_err(text)?;
    let seen: Vec<_> = seen
        .into_iter()
        .map(|seen| {
            let boot = seen.boot;
            (boot.id, boot.beat, boot.beat_at.as_micros(), boot.serves, seen.owns, seen.dead)
        })
        .collect();
    let mut expected: Vec<_> = (0..BOOTS)
        .filter(|boot| model.is_open(*boot))
        .filter_map(|boot| Some((boot, model.boots[boot].as_ref()?)))
        .map(|(boot, row)| {
            let owns = model.runs.values().filter(|run| run.owner == Some(boot)).count() as u64;
            let facts = (boot_id(boot), row.beat, row.beat_at, row.serves, owns, model.is_dead(boot));
            (row.started_at, facts)
        })
        .collect();
    expected.sort_unstable();
    same("who is there", seen, expected.into_iter().map(|(_, facts)| facts).collect())?;
    for (number, row) in model.boots.iter().enumerate() {
        let Some(row) = row.as_ref().filter(|row| row.ended_at.is_some()) else { continue };
        let found = store.boot(boot_id(number)).await.map_err(text)?;
        let found = found.map(|found| (found.beat, micros(found.ended_at)));
        same("a boot that has ended", found, Some((row.beat, row.ended_at)))?;
    }
    Ok(())
}

async fn violations(model: &Model, real: &Real<'_>) -> Found {
    let found = real.host.store().violations().await.map_err(text)?;
    let node = |place: Option<usize>| place.map(crate::graphs::id);
    let expected = model.violations().into_iter();
    let expected: Vec<_> = expected
        .map(|(kind, run, place, boot)| oneiric_store::liveness::Violation {
            node: node(place),
            boot: boot.map(boot_id),
            ..oneiric_store::liveness::Violation::of_run(kind, run_id(run))
        })
        .collect();
    same("what is stuck", found, expected)
}

/// What people said of components, and what they ask of those that each process owns.
async fn said(model: &Model, real: &Real<'_>) -> Found {
    let store = real.host.store();
    let found = store.activities().await.map_err(text)?;
    let found: Vec<_> = found
        .into_iter()
        .map(|said| (said.key, said.paused, said.draining, said.note.is_some(), said.at.as_micros()))
        .collect();
    let expected = (0..KEYS).filter_map(|number| {
        model.said[number].map(|(paused, draining, note, at)| (key(number), paused, draining, note, at))
    });
    same("what was said", found, expected.collect())?;
    for boot in (0..BOOTS).filter(|boot| model.boots[*boot].is_some()) {
        let found = store.commands(WhoseCommands::Owner(boot_id(boot))).await.map_err(text)?;
        let owned = |run: &usize| model.runs.get(run).is_some_and(|run| run.owner == Some(boot));
        let expected = model.commands.iter().filter(|(run, ..)| owned(run));
        let expected = expected.map(|(_, id, _)| u128::from(*id)).collect();
        same(
            "what is asked of a process",
            found.into_iter().map(|found| found.id).collect::<Vec<_>>(),
            expected,
        )?;
    }
    Ok(())
}

//! Burying the dead: frees what they own, and removes what they left. Twice is once.

use std::fs;
use std::io::ErrorKind;

use oneiric_core::{BootId, Rng as _};
use oneiric_runtime::{SystemRng, control};
use oneiric_store::liveness::{Kind, Violation};
use oneiric_store::sqlite::Options;
use oneiric_store::{
    Batch, BootSeen, Claim, CommitError, DeliveryFilter, DeliveryState, Op, Require, RunState, SqliteStore,
    Store,
};

use super::examine::owned;
use super::meaning;
use crate::failure::Failure;
use crate::session::Session;
use crate::wait::wait;

/// Does it; a sentence for each thing done.
pub(super) fn fix(session: &Session) -> Result<Vec<String>, Failure> {
    let mut done = Vec::new();
    let state_dir = session.state_dir()?;
    // Opened for writing only where it is there: nothing is created.
    if session.store()?.is_some()
        && let Some(store) = oneiric_runtime::open_store(&state_dir, Options::default())?
    {
        bury(&store, &mut done)?;
        for violation in wait(store.violations())? {
            done.extend(release(&store, &violation)?);
        }
        for lock in wait(store.stale_locks())? {
            done.extend(remove(&lock)?);
        }
        wait(store.close())?;
    }
    for socket in control::stale(&state_dir) {
        done.extend(remove(&socket)?);
    }
    if !done.is_empty() {
        // Whoever serves takes what is free now.
        control::ring(&state_dir, None);
    }
    Ok(done)
}

/// A claim of nothing, which buries: the store does both in one transaction, and removes the lock files.
fn bury(store: &SqliteStore, done: &mut Vec<String>) -> Result<(), Failure> {
    let dead: Vec<_> = wait(store.boots())?.into_iter().filter(|seen| seen.dead).collect();
    if dead.is_empty() {
        return Ok(());
    }
    // In nobody's name: an id that has no row.
    let nobody = BootId::from_bytes(
        ((u128::from(SystemRng.next_u64()) << 64) | u128::from(SystemRng.next_u64())).to_be_bytes(),
    );
    let boots = dead.iter().map(|seen| seen.boot.id).collect();
    wait(store.claim(Claim { dead: boots, ..Claim::any(nobody, 0) }))?;
    let buried = |seen: &BootSeen| format!("buried process {}, freed {}", seen.boot.pid, owned(seen));
    done.extend(dead.iter().map(buried));
    Ok(())
}

/// What belongs to somebody who is gone, or to a run or a delivery that is over.
fn release(store: &SqliteStore, violation: &Violation) -> Result<Option<String>, Failure> {
    let Violation { kind, run, boot, .. } = violation;
    let Some(run) = run else { return release_delivery(store, violation) };
    let batch = match kind {
        Kind::OwnerEnded => match boot {
            Some(boot) => Batch::of([Op::Disown(*boot)]),
            None => return Ok(None),
        },
        Kind::Leaked => {
            let Some(record) = wait(store.run(*run))? else { return Ok(None) };
            let (run, epoch) = (*run, record.state.epoch);
            let state = Box::new(RunState { owner: None, ..record.state });
            Batch::of([Op::SetRun { run, state }]).require(Require::RunEpoch { run, epoch })
        }
        Kind::StaleCommand => Batch::of([Op::DropCommands(*run)]),
        // Those are for whoever goes on with the run, or for a person.
        Kind::OwnerDead | Kind::Unowned | Kind::InFlight | Kind::NoWake | Kind::NoReason | Kind::Stranded => {
            return Ok(None);
        }
    };
    wait(store.commit(batch))?;
    let run = crate::find::short(*run);
    Ok(Some(match kind {
        Kind::StaleCommand => format!("dropped the commands for run {run}, which is over"),
        _ => format!("freed run {run}"),
    }))
}

/// Free for whoever knows the handler. What waits behind nobody is due: its handler never had the event.
fn release_delivery(store: &SqliteStore, violation: &Violation) -> Result<Option<String>, Failure> {
    let named = violation.event.clone().zip(violation.handler.clone());
    let (Some((event, handler)), Some(said)) = (named, meaning::delivery(violation)) else { return Ok(None) };
    let filter = DeliveryFilter { handler: Some(handler.clone()), ..DeliveryFilter::of(event.clone()) };
    let Some((_, record)) = wait(store.deliveries(filter))?.pop() else { return Ok(None) };
    let epoch = record.state.epoch;
    let batch = match violation.kind {
        Kind::OwnerEnded | Kind::Leaked | Kind::InFlight => {
            Batch::giving_back_delivery(event, handler, epoch)
        }
        Kind::Stranded => {
            let state = Box::new(DeliveryState::due(record.state.due_at));
            let held = Require::DeliveryEpoch { event: event.clone(), handler: handler.clone(), epoch };
            Batch::of([Op::SetHeldDelivery { event, handler, state }]).require(held)
        }
        // The dead are buried by now; the others are said of runs.
        Kind::OwnerDead | Kind::Unowned | Kind::NoWake | Kind::NoReason | Kind::StaleCommand => {
            return Ok(None);
        }
    };
    match wait(store.commit(batch)) {
        Ok(()) => Ok(Some(format!("freed {said}"))),
        // Somebody else was quicker.
        Err(CommitError::Refused(_)) => Ok(None),
        Err(CommitError::Store(error)) => Err(error.into()),
    }
}

fn remove(path: &std::path::Path) -> Result<Option<String>, Failure> {
    match fs::remove_file(path) {
        Ok(()) => Ok(Some(format!("removed {}", path.display()))),
        // Somebody else was quicker.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::said(
            crate::exit::Code::Execution,
            format!("cannot remove {}: {error}", path.display()),
        )
        .help("run it as the user to whom the state folder belongs")),
    }
}

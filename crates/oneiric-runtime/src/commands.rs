//! The commands of runs under way here, read from the store and put to their runs.
//!
//! They are looked for when the doorbell rings, when a run is taken over, and otherwise once for each beat of
//! the lease while anything is under way: a bell that was missed delays a command and does not lose it.
//! A process without runs looks at nothing.

use std::sync::Arc;
use std::time::Duration;

use oneiric_dag::{Begun, Executor, Obeyed};
use oneiric_store::{StoreError, WhoseCommands};
use tokio::sync::Notify;

/// Runs until it is dropped.
pub(crate) async fn obey(executor: Executor, bell: Arc<Notify>) {
    let parts = executor.parts();
    let interval = parts.lease.interval();
    let mut seen = Begun::default();
    let mut looked_at = Duration::ZERO;
    loop {
        let due = (looked_at + interval).saturating_sub(parts.clock.monotonic());
        let look = tokio::select! {
            () = bell.notified() => true,
            begun = executor.begun(seen) => {
                let taken = begun.taken != seen.taken;
                seen = begun;
                taken
            }
            () = parts.clock.sleep(due), if executor.runs_under_way() > 0 => true,
        };
        if !look {
            continue;
        }
        if let Err(error) = round(&executor).await {
            tracing::error!(%error, "cannot read what is asked of the runs under way");
        }
        looked_at = parts.clock.monotonic();
    }
}

async fn round(executor: &Executor) -> Result<(), StoreError> {
    let parts = executor.parts();
    for asked in parts.store.commands(WhoseCommands::Owner(parts.lease.boot())).await? {
        // One that is being read back is found once it is: that is a beginning.
        let Some(run) = executor.find(asked.run) else { continue };
        let verb = asked.command.name();
        match run.obey(&asked.command, Some(asked.id)).await {
            Some(Obeyed::Done) => tracing::info!(run = %asked.run, verb, "command obeyed"),
            Some(Obeyed::Already) => tracing::debug!(run = %asked.run, verb, "command was obeyed already"),
            Some(Obeyed::Stale(why)) => {
                tracing::info!(run = %asked.run, verb, why, "command does not apply any more");
            }
            // Whoever has the run next reads it.
            None => {}
        }
    }
    Ok(())
}

//! Commands: of runs under way here, and of runs that were claimed to be given back at once.

use std::sync::Arc;

use oneiric_core::RunId;
use oneiric_store::{
    Batch, Command, CommandRecord, Op, Owned, Require, RunRecord, RunState, RunStatus, failpoint,
};

use super::{Executor, RunError, RunHandle};
use crate::plan::Plan;
use crate::state::{Effects, Obeyed};

/// What becomes of a claimed run once commands were put to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Nobody owns it any more: whoever serves goes on with it.
    GiveBack,
    /// It stays owned: the caller goes on with it.
    Keep,
}

impl Executor {
    /// Puts commands to a run that was claimed for this boot, without starting anything of it. What becomes
    /// of each is returned in their order; their rows are gone in the batch of their events.
    ///
    /// # Errors
    /// [`RunError::Restore`] where the rows do not belong to the plan; [`RunError::Commit`] where the
    /// store failed or somebody else has claimed the run since. Then no command was obeyed.
    pub async fn obey(
        &self,
        plan: &Plan,
        record: &RunRecord,
        commands: &[CommandRecord],
        then: Then,
    ) -> Result<Vec<Obeyed>, RunError> {
        let _owned: Owned = self.0.parts.lease.own();
        let mut state = self.restore(plan, record).await?;
        let now = self.0.parts.clock.now();
        let mut fx = Effects::default();
        let mut obeyed = Vec::with_capacity(commands.len());
        for asked in commands {
            // A cancel ends what was in flight; everything else leaves it to whoever goes on.
            if !matches!(asked.command, Command::Cancel { .. }) {
                state.come_to_rest(plan, now, &mut fx);
            }
            obeyed.push(state.obey(plan, now, &asked.command, &mut fx));
            fx.ops.push(Op::DropCommand { run: record.id, id: asked.id });
        }
        let mut batch = Batch { require: vec![fence(record.id, record.state.epoch)], ops: fx.ops };
        batch.ops.push(match state.status().is_terminal() {
            // Nobody obeys them any more.
            true => Op::DropCommands(record.id),
            false => {
                let paused = state.status() == RunStatus::Paused;
                let owner = record.state.owner.filter(|_| then == Then::Keep && !paused);
                let row = RunState { owner, ..state.row() };
                Op::SetRun { run: record.id, state: Box::new(row) }
            }
        });
        failpoint::reach("command.obeyed");
        self.0.parts.store.commit(batch).await?;
        Ok(obeyed)
    }
}

fn fence(run: RunId, epoch: u64) -> Require {
    Require::RunEpoch { run, epoch }
}

impl RunHandle {
    /// Puts a command to the run. `row` is the command's row where it came through the store: it goes in
    /// the batch of the events, so that a command is obeyed once, whoever owns the run. When this returns,
    /// that is durable; giving up the wait withdraws nothing.
    ///
    /// `None` where the run is not under way here any more: the row, if there is one, is still there.
    pub async fn obey(&self, command: &Command, row: Option<u128>) -> Option<Obeyed> {
        let (run, command) = (Arc::clone(&self.run), command.clone());
        // On a task of its own: what the command starts must not end with whoever asks.
        let obeying = self.run.shared.tasks.spawn(async move { run.obey(&command, row).await });
        // It was cancelled with the runtime.
        obeying.await.unwrap_or(None)
    }
}

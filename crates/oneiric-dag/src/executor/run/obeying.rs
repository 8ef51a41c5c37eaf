//! A command to a run that is under way here.

use std::sync::Arc;

use oneiric_store::{Command, Commit, Op, failpoint};

use super::{Inner, Mode, Run};
use crate::state::{Effects, Obeyed};

impl Run {
    /// `None` where the run is not under way here any more, or was lost with this.
    pub(in crate::executor) async fn obey(
        self: Arc<Self>,
        command: &Command,
        row: Option<u128>,
    ) -> Option<Obeyed> {
        let (obeyed, turn) = {
            let mut inner = self.lock();
            let mut fx = Effects::default();
            let obeyed = self.put_command(&mut inner, &mut fx, command)?;
            fx.ops.extend(row.map(|id| Op::DropCommand { run: self.id, id }));
            failpoint::reach("command.obeyed");
            let turn = (!fx.ops.is_empty()).then(|| self.seal(&mut inner, Vec::new(), fx));
            (obeyed, turn)
        };
        let Some(mut turn) = turn else {
            // What was so already may not be durable yet.
            return self.settled().await.ok().map(|()| obeyed);
        };
        // It asked for no slots: there is nothing to begin, and nothing to give back.
        let commit = std::mem::replace(&mut turn.commit, Commit::ready(Ok(())));
        if let Err(error) = commit.await {
            self.lose(&error);
            return None;
        }
        if let (Obeyed::Done, Command::Extend { deadline }) = (&obeyed, command) {
            self.deadline.send_replace(Some(*deadline));
        }
        if let Some(start) = self.perform(turn).await {
            self.spawn_node(start);
        }
        Some(obeyed)
    }

    fn put_command(&self, inner: &mut Inner, fx: &mut Effects, command: &Command) -> Option<Obeyed> {
        if inner.mode != Mode::Live {
            return None;
        }
        let now = self.shared.parts.clock.now();
        let obeyed = inner.state.obey(self.program.plan(), now, command, fx);
        if fx.ended.is_some() {
            inner.mode = Mode::Over;
        }
        Some(obeyed)
    }
}

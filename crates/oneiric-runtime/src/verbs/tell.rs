//! Commands to runs.

use std::time::Duration;

use oneiric_core::RunId;
use oneiric_dag::{Obeyed, RunHandle, Then};
use oneiric_store::{
    Batch, Command, CommandRecord, CommitError, Op, Refusal, Require, RunRecord, RunStatus, UnknownNodes,
    WhoseCommands,
};

use super::judge;
use crate::error::Error;
use crate::oneiric::Oneiric;

/// How long a live process is given to obey, unless said: it is woken by the doorbell and needs milliseconds;
/// one that missed the bell looks by itself a quarter of a lease later.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// The first and the longest pause between two looks for an answer.
const GLANCES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(100));

/// Something that is asked of a run.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What.
    pub command: Command,
    /// Who asks, for the record.
    pub actor: Option<String>,
    /// How long a live process is given to obey.
    pub patience: Duration,
    /// Whether a run that nobody has goes on here, where the command wants it to go on. Otherwise it is left
    /// to whoever serves.
    pub go_on: bool,
}

impl Ask {
    /// With the usual patience; what is to go on goes on here.
    pub const fn new(command: Command) -> Self {
        Self { command, actor: None, patience: PATIENCE, go_on: true }
    }
}

/// What became of something that was asked.
#[derive(Debug, Clone)]
pub struct Told {
    /// Whether it was done.
    pub obeyed: Obeyed,
    /// The run as it stood right after.
    pub record: RunRecord,
    /// The run, where it is under way here.
    pub handle: Option<RunHandle>,
}

impl Oneiric {
    /// Asks something of a run, whichever process has it. When this returns `Ok`, what came of it is durable;
    /// asking the same twice is asking once. Giving up the wait withdraws nothing that was put already.
    ///
    /// ```
    /// # use oneiric_core::linked::task_fn;
    /// # use oneiric_core::Fault;
    /// use oneiric_runtime::{Ask, Command, Oneiric, RunRequest};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let forever = task_fn(|()| async { std::future::pending::<Result<(), Fault>>().await });
    /// # let oneiric = Oneiric::builder().task("wait", forever)
    /// #     .workflow("day", &serde_json::json!({"nodes": [{"id": "a", "task": "wait"}]})).start().await?;
    /// let run = oneiric.run(RunRequest::of("day", &())?).await?;
    /// let enough = Command::Cancel { reason: "enough".to_owned(), hard: true };
    /// oneiric.tell(run.id(), Ask::new(enough)).await?;
    /// assert!(run.completed().await.is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::UnknownRun`], [`Error::Over`] where the run has ended, [`Error::Unanswered`] where a live
    /// process did not obey in time; and what going on with a run meets.
    pub async fn tell(&self, run: RunId, ask: Ask) -> Result<Told, Error> {
        let parts = self.0.executor.parts();
        let asked = CommandRecord {
            run,
            id: u128::from(parts.rng.next_u64()) << 64 | u128::from(parts.rng.next_u64()),
            at: parts.clock.now(),
            actor: ask.actor.clone(),
            command: ask.command.clone(),
        };
        let began = parts.clock.monotonic();
        let mut put_after = None;
        let mut pause = GLANCES.0;
        loop {
            if let Some(handle) = self.0.executor.find(run)
                && let Some(obeyed) = handle.obey(&asked.command, put_after.map(|_| asked.id)).await
            {
                return Ok(Told { obeyed, record: self.row(run).await?, handle: Some(handle) });
            }
            if let Some(seq) = put_after
                && !self.is_waiting(&asked).await?
            {
                let record = self.row(run).await?;
                let obeyed = self.judged(&asked.command, &record, seq).await?;
                return Ok(Told { obeyed, record, handle: None });
            }
            if let Some(record) = self.claim_free(run).await? {
                return self.tell_claimed(record, &asked, ask.go_on).await;
            }
            if put_after.is_none() {
                put_after = Some(self.put(&asked).await?);
                // It may wait here to begin.
                self.ring_here();
                #[cfg(feature = "sqlite")]
                self.ring_others().await;
                continue;
            }
            let waited = parts.clock.monotonic().saturating_sub(began);
            if waited >= ask.patience {
                let pid = self.owner_of(&self.row(run).await?).await?;
                return Err(Error::Unanswered { run, pid, verb: asked.command.verb(), waited: ask.patience });
            }
            parts.clock.sleep(pause.min(ask.patience - waited)).await;
            pause = (pause * 2).min(GLANCES.1);
        }
    }

    /// Nothing further of the run starts; what runs finishes.
    ///
    /// # Errors
    /// As [`Oneiric::tell`]; [`Error::Stale`] where it is being stopped.
    pub async fn pause(&self, run: RunId, reason: &str) -> Result<Told, Error> {
        self.insist(run, Command::Pause { reason: reason.to_owned() }).await
    }

    /// Nothing further of the run starts, what runs is asked to stop.
    ///
    /// # Errors
    /// As [`Oneiric::tell`].
    pub async fn cancel(&self, run: RunId, reason: &str) -> Result<(), Error> {
        self.insist(run, Command::Cancel { reason: reason.to_owned(), hard: false }).await.map(|_| ())
    }

    async fn insist(&self, run: RunId, command: Command) -> Result<Told, Error> {
        let told = self.tell(run, Ask::new(command)).await?;
        match told.obeyed {
            Obeyed::Stale(why) => Err(Error::Stale { run, why }),
            Obeyed::Done | Obeyed::Already => Ok(told),
        }
    }

    /// A run as it stands.
    pub(crate) async fn row(&self, run: RunId) -> Result<RunRecord, Error> {
        self.store().run(run).await?.ok_or_else(|| Error::UnknownRun(run.to_string()))
    }

    /// Puts a command beside its run; returns the last event of the run before that.
    async fn put(&self, asked: &CommandRecord) -> Result<u64, Error> {
        let seq = self.store().last_seq(asked.run).await?;
        let batch = Batch::of([Op::PutCommand(asked.clone())]).require(Require::RunOpen(asked.run));
        match self.store().commit(batch).await {
            Ok(()) => Ok(seq),
            Err(CommitError::Refused(Refusal::RunOver { run, status })) => Err(Error::Over { run, status }),
            Err(CommitError::Refused(Refusal::RunMissing(run))) => Err(Error::UnknownRun(run.to_string())),
            Err(error) => Err(error.into()),
        }
    }

    async fn is_waiting(&self, asked: &CommandRecord) -> Result<bool, Error> {
        let waiting = self.store().commands(WhoseCommands::Run(asked.run)).await?;
        Ok(waiting.iter().any(|other| other.id == asked.id))
    }

    /// What came of a command that somebody else obeyed.
    async fn judged(&self, command: &Command, record: &RunRecord, after: u64) -> Result<Obeyed, Error> {
        const ENOUGH: usize = 1000;
        let events = self.store().journal(record.id, after, ENOUGH).await?;
        let nodes = self.store().nodes(record.id).await?;
        Ok(judge::judge(command, record, &nodes, events.iter().map(|entry| &entry.event)))
    }

    /// Tells a run that was claimed, with whatever else was asked of it before.
    async fn tell_claimed(
        &self,
        record: RunRecord,
        asked: &CommandRecord,
        go_on: bool,
    ) -> Result<Told, Error> {
        let told = self.tell_owned(&record, asked, go_on).await;
        match &told {
            Ok(_) => {}
            // It is nobody's again; what stands in its row stays.
            Err(_) => {
                if let Ok(now) = self.row(record.id).await {
                    self.release(&now).await;
                }
            }
        }
        told
    }

    async fn tell_owned(
        &self,
        record: &RunRecord,
        asked: &CommandRecord,
        go_on: bool,
    ) -> Result<Told, Error> {
        let mut commands = self.store().commands(WhoseCommands::Run(record.id)).await?;
        let alone = commands.is_empty();
        if !commands.iter().any(|other| other.id == asked.id) {
            commands.push(asked.clone());
        }
        let goes_on = go_on && matches!(asked.command, Command::Resume { .. } | Command::RetryNow { .. });
        if let Command::Resume { unknown } = asked.command
            && goes_on
            && alone
        {
            let handle = self.resume_claimed(record, unknown).await?;
            return Ok(Told {
                obeyed: Obeyed::Done,
                record: self.row(record.id).await?,
                handle: Some(handle),
            });
        }
        let plan = self.plan_of(record).await?;
        let then = if goes_on { Then::Keep } else { Then::GiveBack };
        let obeyed = self.0.executor.obey(&plan, record, &commands, then).await?;
        let mine = commands.iter().zip(obeyed).find(|(other, _)| other.id == asked.id);
        let obeyed = mine.map_or(Obeyed::Already, |(_, obeyed)| obeyed);
        let record = self.row(record.id).await?;
        let is_open = matches!(record.state.status, RunStatus::Pending | RunStatus::Running);
        if goes_on && matches!(obeyed, Obeyed::Stale(_)) {
            self.release(&record).await;
        } else if goes_on && is_open {
            let handle = self.resume_claimed(&record, UnknownNodes::Keep).await?;
            return Ok(Told { obeyed, record: self.row(record.id).await?, handle: Some(handle) });
        }
        if is_open {
            self.offer().await;
        }
        Ok(Told { obeyed, record, handle: None })
    }
}

//! One run under way: its state behind a lock, and the verbs that the executor has for it.

mod asking;
mod obeying;
mod outcome;
mod turn;
mod waking;

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use oneiric_core::gate::Permit;
use oneiric_core::{Fault, RunId, Timestamp};
use oneiric_store::{Batch, Commit, CommitError, Event, Op, Owned, Require, RunState, failpoint};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::pulses::Pulses;
use super::{Ended, RunError, Shared};
use crate::program::Program;
use crate::report::RunReport;
use crate::state::{Effects, State};
use outcome::Arrival;
pub(super) use outcome::Outcome;

/// One run under way: its program, its state behind a lock, and how many tries this process has in
/// flight.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) shared: Arc<Shared>,
    pub(super) program: Program,
    /// When its time is up; changes where somebody extends it.
    pub(super) deadline: watch::Sender<Option<Timestamp>>,
    /// Fired when what runs is to stop: by a cancel, a failing fast, a suspension.
    pub(super) cancel: CancellationToken,
    /// Fired when what runs is to be dropped.
    pub(super) abort: CancellationToken,
    /// What its tries say of themselves.
    pub(super) pulses: Arc<Pulses>,
    /// How often the lease had been lost when this began.
    pub(super) losses: u64,
    epoch: u64,
    inner: Mutex<Inner>,
    /// What it has for as long as it is under way here: its place under the lease, its permit.
    held: Mutex<Option<(Owned, Permit)>>,
    /// Tries that ended while somebody else held the lock.
    arrivals: Mutex<Vec<Arrival>>,
    ended: watch::Sender<Option<Ended>>,
    /// Who waits for something more of it to become durable.
    moved: Notify,
}

#[derive(Debug)]
struct Inner {
    state: State,
    /// Tries in flight; each holds a slot.
    in_flight: u32,
    /// Whether the run's name stands in the queue for slots.
    queued: bool,
    mode: Mode,
}

impl Inner {
    /// Whether the process has let go of the run and nothing of it is under way here any more.
    fn is_suspended(&self) -> bool {
        self.mode == Mode::Suspended && self.in_flight == 0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Events are put to the machine.
    Live,
    /// The process goes down: successes are still recorded, nothing starts.
    Suspended,
    /// The run has ended here; what still comes is dropped.
    Over,
}

impl Run {
    pub(super) fn new(
        shared: Arc<Shared>,
        program: Program,
        state: State,
        deadline: Option<Timestamp>,
        epoch: u64,
        held: (Owned, Permit),
    ) -> (Arc<Self>, watch::Receiver<Option<Ended>>) {
        let (ended, receiver) = watch::channel(None);
        let run = Arc::new(Self {
            id: state.run(),
            cancel: shared.stop.child_token(),
            abort: CancellationToken::new(),
            pulses: Arc::default(),
            losses: held.0.lease().losses(),
            shared,
            program,
            deadline: watch::Sender::new(deadline),
            epoch,
            inner: Mutex::new(Inner { state, in_flight: 0, queued: false, mode: Mode::Live }),
            held: Mutex::new(Some(held)),
            arrivals: Mutex::default(),
            ended,
            moved: Notify::new(),
        });
        (run, receiver)
    }

    fn lock(self: &Arc<Self>) -> Held<'_> {
        Held { run: self, inner: Some(self.inner.lock().unwrap_or_else(PoisonError::into_inner)) }
    }

    fn try_lock(self: &Arc<Self>) -> Option<Held<'_>> {
        match self.inner.try_lock() {
            Ok(inner) => Some(Held { run: self, inner: Some(inner) }),
            Err(TryLockError::Poisoned(poisoned)) => {
                Some(Held { run: self, inner: Some(poisoned.into_inner()) })
            }
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn arrivals(&self) -> MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn report(self: &Arc<Self>) -> RunReport {
        RunReport::of_state(self.program.plan(), &self.lock().state)
    }

    /// Begins or resumes: the first turn of this process.
    pub(super) async fn open(
        self: &Arc<Self>,
        first: Batch,
        event: impl FnOnce(u32) -> Event,
    ) -> Result<(), RunError> {
        let mut turn = {
            let mut inner = self.lock();
            let wanted = inner.state.appetite(self.program.plan().graph().len());
            let slots = self.shared.slots.take(wanted);
            let mut fx = Effects { ops: first.ops, ..Effects::default() };
            self.put(&mut inner, &mut fx, event(slots)).map_err(|source| {
                self.shared.slots.give(slots);
                RunError::Illegal { run: self.id, source }
            })?;
            self.seal(&mut inner, first.require, fx)
        };
        // Here the caller hears of a refusal; later ones end the run.
        let commit = std::mem::replace(&mut turn.commit, Commit::ready(Ok(())));
        failpoint::reach("run.before_begin");
        if let Err(error) = commit.await {
            self.shared.slots.give(turn.start.len() as u32);
            self.lock().mode = Mode::Over;
            return Err(error.into());
        }
        failpoint::reach("run.begun");
        if let Some(start) = self.perform(turn).await {
            self.spawn_node(start);
        }
        Ok(())
    }

    pub(super) fn watch_end(&self) -> watch::Receiver<Option<Ended>> {
        self.ended.subscribe()
    }

    pub(super) fn moved(&self) -> Notified<'_> {
        self.moved.notified()
    }

    pub(super) async fn cancel(self: &Arc<Self>, reason: &str) -> Result<(), RunError> {
        match self.tell(Event::CancelRequested { reason: reason.to_owned(), hard: false }).await {
            // It is being stopped already.
            Err(RunError::Illegal { source, .. }) if !source.status.is_terminal() => self.settled().await,
            told => told,
        }
    }

    /// Waits until what the machine has decided so far is durable: who finds something so already may have
    /// come a moment after somebody else whose batch is still on its way, and may be refused.
    ///
    /// # Errors
    /// [`RunError::Lost`], [`RunError::Commit`] where it will not be.
    pub(super) async fn settled(self: &Arc<Self>) -> Result<(), RunError> {
        let store = &self.shared.parts.store;
        let decided = self.lock().state.seq();
        // Batches are applied in the order of the calls.
        let fence = Require::RunEpoch { run: self.id, epoch: self.epoch };
        store.commit(Batch::default().require(fence)).await?;
        if store.last_seq(self.id).await? < decided { Err(RunError::Lost(self.id)) } else { Ok(()) }
    }

    pub(super) fn suspend(self: &Arc<Self>) {
        let mut inner = self.lock();
        if inner.mode == Mode::Live {
            inner.mode = Mode::Suspended;
        }
        self.cancel.cancel();
        if inner.is_suspended() {
            self.end(Ended::Suspended);
        }
    }

    pub(super) fn lose(self: &Arc<Self>, error: &CommitError) {
        self.lock().mode = Mode::Over;
        self.cancel.cancel();
        self.abort.cancel();
        tracing::error!(run = %self.id, %error, "run lost");
        let code = match error {
            CommitError::Refused(_) => "fenced",
            CommitError::Store(_) => "store",
        };
        self.end(Ended::Lost(Fault::transient(code, error.to_string())));
    }

    /// The first word counts. From here on the run is not under way here.
    fn end(self: &Arc<Self>, ended: Ended) {
        self.shared.runs.remove(self.id);
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        if held.is_some() && matches!(ended, Ended::Suspended) && !self.shared.stop.is_cancelled() {
            // Others may have it. (A process that goes down gives everything back at once.) Not here, where
            // the run may be locked.
            let run = Arc::clone(self);
            self.shared.tasks.spawn(async move { run.disown(held).await });
        }
        self.ended.send_if_modified(|slot| {
            let first = slot.is_none();
            if first {
                *slot = Some(ended);
            }
            first
        });
    }
}

impl Run {
    /// Gives the run back to the store.
    async fn disown(self: Arc<Self>, held: Option<(Owned, Permit)>) {
        let state = RunState { owner: None, ..self.lock().state.row() };
        let batch = Batch::of([Op::SetRun { run: self.id, state: Box::new(state) }])
            .require(Require::RunEpoch { run: self.id, epoch: self.epoch });
        if let Err(error) = self.shared.parts.store.commit(batch).await {
            tracing::warn!(run = %self.id, %error, "a suspended run was not given back");
        }
        drop(held);
    }
}

/// The run's lock. Whoever lets go of it sees to what was left in the meantime: that is what allows
/// the others not to wait.
struct Held<'a> {
    run: &'a Arc<Run>,
    inner: Option<MutexGuard<'a, Inner>>,
}

impl Deref for Held<'_> {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        self.inner.as_ref().expect("it is held until it is dropped")
    }
}

impl DerefMut for Held<'_> {
    fn deref_mut(&mut self) -> &mut Inner {
        self.inner.as_mut().expect("it is held until it is dropped")
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // First let go, then look: who left something before that found the lock taken, who does so
        // after that finds it free.
        self.inner = None;
        if !self.run.arrivals().is_empty() {
            self.run.spawn_work_off();
        }
    }
}

//! One run under way.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use oneiric_core::{Class, Fault, Payload, RunId, Timestamp};
use oneiric_store::{Batch, Commit, CommitError, Event, NodeRecord, Op, Require, RunState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Ended, RunError, Shared};
use crate::program::Program;
use crate::report::RunReport;
use crate::state::{Effects, Illegal, Start, State, Timer};

/// One run under way: its program, its state behind a lock, and how many tries this process has in
/// flight.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) shared: Arc<Shared>,
    pub(super) program: Program,
    pub(super) deadline: Option<Timestamp>,
    /// Fired when what runs is to stop: by a cancel, a failing fast, a suspension.
    pub(super) cancel: CancellationToken,
    epoch: u64,
    inner: Mutex<Inner>,
    /// Tries that ended while somebody else held the lock.
    arrivals: Mutex<Vec<Arrival>>,
    ended: watch::Sender<Option<Ended>>,
}

/// A try that has ended.
#[derive(Debug)]
struct Arrival {
    node: u32,
    attempt: u32,
    outcome: Result<Payload, Fault>,
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

/// What a transition leaves to be done outside of the lock.
struct Turn {
    commit: Commit,
    start: Vec<Start>,
    timers: Vec<Timer>,
    cancel: bool,
    /// How this process's part of the run ends with this turn.
    ended: Option<Ended>,
    /// What the observer is told; empty where there is none.
    told: Vec<Told>,
}

enum Told {
    Node(NodeRecord),
    Run(Box<RunState>),
}

impl Run {
    pub(super) fn new(
        shared: Arc<Shared>,
        program: Program,
        state: State,
        deadline: Option<Timestamp>,
        epoch: u64,
    ) -> (Arc<Self>, watch::Receiver<Option<Ended>>) {
        let (ended, receiver) = watch::channel(None);
        let run = Arc::new(Self {
            id: state.run(),
            cancel: shared.stop.child_token(),
            shared,
            program,
            deadline,
            epoch,
            inner: Mutex::new(Inner { state, in_flight: 0, queued: false, mode: Mode::Live }),
            arrivals: Mutex::default(),
            ended,
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

    /// Puts one event to the machine.
    fn put(&self, inner: &mut Inner, fx: &mut Effects, event: Event) -> Result<(), Illegal> {
        let begun = fx.start.len();
        inner.state.step(self.program.plan(), self.shared.parts.clock.now(), event, fx)?;
        self.shared.slots.give(std::mem::take(&mut fx.returned));
        inner.in_flight += (fx.start.len() - begun) as u32;
        if fx.ended.is_some() {
            inner.mode = Mode::Over;
        }
        Ok(())
    }

    /// Puts the batch of some events in line. Still under the lock, so that batches are applied in the
    /// order of their events.
    fn seal(self: &Arc<Self>, inner: &mut Inner, mut require: Vec<Require>, fx: Effects) -> Turn {
        let parts = &self.shared.parts;
        if !inner.queued && inner.mode == Mode::Live && inner.state.appetite(0) > 0 {
            inner.queued = true;
            // Handing out may come back to this run, whose lock is held: leave that to a task.
            let run = Arc::clone(self);
            self.shared.tasks.spawn(async move { run.shared.slots.wait(&run) });
        }
        let ended = match fx.ended {
            Some(status) => Some(Ended::Reached(status)),
            None => inner.is_suspended().then_some(Ended::Suspended),
        };
        let told = match &parts.observer {
            None => Vec::new(),
            Some(_) => fx.ops.iter().filter_map(Told::of).collect(),
        };
        if require.is_empty() {
            require.push(Require::RunEpoch { run: self.id, epoch: self.epoch });
        }
        let commit = parts.store.commit(Batch { require, ops: fx.ops });
        Turn { commit, start: fx.start, timers: fx.timers, cancel: fx.cancel, ended, told }
    }

    /// One event, one batch.
    fn turn(self: &Arc<Self>, inner: &mut Inner, event: Event) -> Result<Turn, Illegal> {
        let mut fx = Effects::default();
        self.put(inner, &mut fx, event)?;
        Ok(self.seal(inner, Vec::new(), fx))
    }

    /// Waits until a turn is durable and does the rest of it. Returns the first try to begin; the
    /// others are on their way.
    async fn perform(self: &Arc<Self>, turn: Turn) -> Option<Start> {
        if let Err(error) = turn.commit.await {
            self.shared.slots.give(turn.start.len() as u32);
            self.lock().in_flight -= turn.start.len() as u32;
            self.lose(&error);
            return None;
        }
        if let Some(observer) = &self.shared.parts.observer {
            for told in turn.told {
                match told {
                    Told::Node(row) => observer.node(&row),
                    Told::Run(row) => observer.run(self.id, &row),
                }
            }
        }
        if turn.cancel {
            self.cancel.cancel();
        }
        for timer in turn.timers {
            self.spawn_timer(timer);
        }
        if let Some(ended) = turn.ended {
            tracing::debug!(run = %self.id, ?ended, "run ended");
            self.end(ended);
        }
        let mut start = turn.start.into_iter();
        let first = start.next();
        for start in start {
            self.spawn_node(start);
        }
        first
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
        if let Err(error) = commit.await {
            self.shared.slots.give(turn.start.len() as u32);
            self.lock().mode = Mode::Over;
            return Err(error.into());
        }
        if let Some(start) = self.perform(turn).await {
            self.spawn_node(start);
        }
        Ok(())
    }

    /// A task of its own for one try and for what follows from it.
    fn spawn_node(self: &Arc<Self>, start: Start) {
        let run = Arc::clone(self);
        self.shared.tasks.spawn(run.drive(start));
    }

    async fn drive(self: Arc<Self>, first: Start) {
        let mut next = Some(first);
        while let Some(start) = next {
            let outcome = self.invoke(&start).await;
            next = self.finished(&start, outcome).await;
        }
    }

    /// A try has ended. Returns the one that goes on in its place.
    ///
    /// Nobody waits for the lock: who finds it taken leaves the outcome to whoever has it, and looks
    /// for other work. Outcomes that come together become one batch.
    async fn finished(self: &Arc<Self>, start: &Start, outcome: Result<Payload, Fault>) -> Option<Start> {
        let arrival = Arrival { node: start.node, attempt: start.attempt, outcome };
        let held = match self.try_lock() {
            Some(held) => Some((held, Some(arrival))),
            None => {
                self.arrivals().push(arrival);
                // It may have been let go of in between.
                self.try_lock().map(|held| (held, None))
            }
        };
        let (held, arrival) = held?;
        let turn = self.work_off(held, arrival)?;
        self.perform(turn).await
    }

    /// Puts what has arrived to the machine, as one batch; `None` where nothing is to be recorded.
    fn work_off(self: &Arc<Self>, mut held: Held<'_>, first: Option<Arrival>) -> Option<Turn> {
        let mut fx = Effects::default();
        first.into_iter().for_each(|arrival| self.record(&mut held, &mut fx, arrival));
        // Twice is enough: what comes later still finds a task when the lock is let go of.
        for _ in 0..2 {
            let more = std::mem::take(&mut *self.arrivals());
            more.into_iter().for_each(|arrival| self.record(&mut held, &mut fx, arrival));
        }
        if fx.ops.is_empty() {
            if held.is_suspended() {
                self.end(Ended::Suspended);
            }
            return None;
        }
        Some(self.seal(&mut held, Vec::new(), fx))
    }

    fn record(&self, inner: &mut Inner, fx: &mut Effects, arrival: Arrival) {
        let Arrival { node, attempt, outcome } = arrival;
        inner.in_flight -= 1;
        let unjudged = matches!(&outcome, Err(fault) if fault.class == Class::Shutdown);
        if inner.mode == Mode::Live && (unjudged || self.shared.stop.is_cancelled()) {
            inner.mode = Mode::Suspended;
            self.cancel.cancel();
        }
        let counts = match inner.mode {
            Mode::Live => true,
            Mode::Suspended => outcome.is_ok(),
            Mode::Over => false,
        };
        if !counts {
            self.shared.slots.give(1);
            return;
        }
        let slots = self.slots_for(inner, node);
        let event = match outcome {
            Ok(output) => Event::Succeeded { node, attempt, output, slots },
            Err(fault) => {
                Event::Failed { node, attempt, fault, chance: self.shared.parts.rng.next_u64(), slots }
            }
        };
        if let Err(illegal) = self.put(inner, fx, event) {
            // Only a defect of ours comes here: the try was ours and was under way.
            tracing::error!(run = %self.id, %illegal, "an outcome was dropped");
            self.shared.slots.give(slots);
        }
    }

    /// A task for outcomes that somebody left while the lock was held.
    fn spawn_work_off(self: &Arc<Self>) {
        let run = Arc::clone(self);
        self.shared.tasks.spawn(async move {
            let turn = run.try_lock().and_then(|held| run.work_off(held, None));
            if let Some(turn) = turn
                && let Some(start) = run.perform(turn).await
            {
                run.drive(start).await;
            }
        });
    }

    /// How many nodes may start now that a try has ended: its own slot, and what the pool has.
    fn slots_for(&self, inner: &mut Inner, ended: u32) -> u32 {
        if inner.mode == Mode::Suspended {
            self.shared.slots.give(1);
            return 0;
        }
        let successors = self.program.plan().graph().successors(ended).len();
        let wanted = inner.state.appetite_after_one(successors);
        if self.shared.slots.waiting() > u32::from(inner.queued) {
            // Others wait: the slot goes round, and this run queues up behind them.
            self.shared.slots.give(1);
            return 0;
        }
        1 + self.shared.slots.take(wanted.saturating_sub(1))
    }

    /// Slots have come back; called without the run's lock.
    pub(super) fn granted(self: &Arc<Self>, count: u32) {
        let run = Arc::clone(self);
        self.shared.tasks.spawn(async move {
            let turn = {
                let mut inner = run.lock();
                inner.queued = false;
                if inner.mode != Mode::Live || inner.state.appetite(0) == 0 {
                    drop(inner);
                    run.shared.slots.give(count);
                    return;
                }
                let more = run.shared.slots.take(inner.state.appetite(0).saturating_sub(count));
                match run.turn(&mut inner, Event::Granted { slots: count + more }) {
                    Ok(turn) => turn,
                    Err(_) => {
                        drop(inner);
                        run.shared.slots.give(count + more);
                        return;
                    }
                }
            };
            if let Some(start) = run.perform(turn).await {
                run.drive(start).await;
            }
        });
    }

    fn spawn_timer(self: &Arc<Self>, timer: Timer) {
        let run = Arc::clone(self);
        self.shared.tasks.spawn(async move {
            let clock = &run.shared.parts.clock;
            tokio::select! {
                () = clock.sleep(timer.at.since(clock.now())) => run.due(timer.node).await,
                () = run.cancel.cancelled() => {}
            }
        });
    }

    async fn due(self: Arc<Self>, node: u32) {
        let turn = {
            let mut inner = self.lock();
            if inner.mode != Mode::Live {
                return;
            }
            let slots = self.shared.slots.take(inner.state.appetite(1));
            match self.turn(&mut inner, Event::Due { node, slots }) {
                Ok(turn) => turn,
                // The node was cancelled while its timer ran.
                Err(_) => {
                    drop(inner);
                    self.shared.slots.give(slots);
                    return;
                }
            }
        };
        if let Some(start) = self.perform(turn).await {
            self.drive(start).await;
        }
    }

    /// Puts an event without slots to the machine: a cancel, a timeout.
    async fn tell(self: &Arc<Self>, event: Event) -> Result<(), Illegal> {
        let turn = {
            let mut inner = self.lock();
            self.turn(&mut inner, event)?
        };
        self.perform(turn).await;
        Ok(())
    }

    pub(super) async fn cancel(self: &Arc<Self>, reason: &str) -> Result<(), RunError> {
        match self.tell(Event::CancelRequested { reason: reason.to_owned() }).await {
            Err(illegal) if illegal.status.is_terminal() => {
                Err(RunError::Illegal { run: self.id, source: illegal })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Watches over the run from outside of its nodes: its time may be up, the process may go down.
    pub(super) fn spawn_watch(self: &Arc<Self>, deadline: Option<Timestamp>) {
        let run = Arc::clone(self);
        let mut ended = self.ended.subscribe();
        self.shared.tasks.spawn(async move {
            let clock = &run.shared.parts.clock;
            let late = async {
                match deadline {
                    Some(at) => clock.sleep(at.since(clock.now())).await,
                    None => std::future::pending().await,
                }
            };
            let over = async {
                // An error says that the run is gone, which is the same.
                ended.wait_for(Option::is_some).await.ok();
            };
            let late = tokio::select! {
                () = late => true,
                () = over => return,
                () = run.shared.stop.cancelled() => false,
            };
            if late {
                // Illegal where the run ended in this very moment.
                run.tell(Event::TimedOut).await.ok();
            } else {
                run.suspend();
            }
        });
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

    fn lose(self: &Arc<Self>, error: &CommitError) {
        self.lock().mode = Mode::Over;
        self.cancel.cancel();
        tracing::error!(run = %self.id, %error, "run lost");
        let code = match error {
            CommitError::Refused(_) => "fenced",
            CommitError::Store(_) => "store",
        };
        self.end(Ended::Lost(Fault::transient(code, error.to_string())));
    }

    /// The first word counts.
    fn end(&self, ended: Ended) {
        self.ended.send_if_modified(|slot| {
            let first = slot.is_none();
            if first {
                *slot = Some(ended);
            }
            first
        });
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

impl Told {
    fn of(op: &Op) -> Option<Self> {
        match op {
            Op::SetNode(row) => Some(Told::Node(row.clone())),
            Op::SetRun { state, .. } => Some(Told::Run(state.clone())),
            Op::InsertRun(_)
            | Op::PutCheckpoint(_)
            | Op::Append(_)
            | Op::SetBoot(_)
            | Op::Disown(_)
            | Op::Blob(_)
            | Op::Extension(_) => None,
        }
    }
}

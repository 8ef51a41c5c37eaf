//! The disk below every process: it takes its time, groups what comes together, fails before or after the
//! fact, and may keep the beginning of a group whose process dies.
//!
//! Each process has a line of its own, as each has a writer of its own. Groups of different processes are
//! under way at the same time; each becomes durable at one instant.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oneiric_core::{BootId, Clock};
use oneiric_store::{
    Batch, BootRecord, Claim, CommitError, DeliveryClaim, DeliveryRecord, EnvelopeRecord, MemoryStore, Op,
    RunFilter, RunRecord, Store, StoreError,
};
use tokio::sync::oneshot;

use super::audit::Who;
use super::dice::Dice;
use super::scene::{Scene, now};

/// The most batches of one group.
const GROUP: u64 = 8;

/// Something to write, and who waits for the answer.
#[derive(Debug)]
pub(super) enum Work {
    Commit(Batch, oneshot::Sender<Result<(), CommitError>>),
    Claim(Claim, oneshot::Sender<Result<Vec<RunRecord>, CommitError>>),
    ClaimDeliveries(
        DeliveryClaim,
        oneshot::Sender<Result<Vec<(EnvelopeRecord, DeliveryRecord)>, CommitError>>,
    ),
    Enter(BootRecord, oneshot::Sender<Result<(), StoreError>>),
    Leave(BootId, oneshot::Sender<Result<(), StoreError>>),
}

/// What the caller hears of something that became durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Truth,
    Error,
    Nothing,
}

/// What becomes of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Durable,
    FailsBefore,
    FailsAfter,
    /// The process dies with it; so many of it are kept.
    Dies(usize),
}

#[derive(Debug)]
struct Flight {
    due: Duration,
    group: Vec<(Work, bool)>,
    fate: Fate,
}

#[derive(Debug)]
struct Line {
    who: Who,
    queue: VecDeque<(Work, bool)>,
    flight: Option<Flight>,
    frozen: bool,
    dead: bool,
}

/// What is durable, and what is on its way.
#[derive(Debug)]
pub(super) struct Disk {
    scene: Arc<Scene>,
    memory: MemoryStore,
    dice: Dice,
    // By the number of the process's start.
    lines: Mutex<BTreeMap<u32, Line>>,
}

impl Disk {
    pub(super) fn new(scene: Arc<Scene>, dice: Dice) -> Arc<Self> {
        Arc::new(Self { scene, memory: MemoryStore::new(), dice, lines: Mutex::default() })
    }

    /// What is durable.
    pub(super) fn memory(&self) -> &MemoryStore {
        &self.memory
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<u32, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process begins to write.
    pub(super) fn open(&self, who: Who) {
        let line = Line { who, queue: VecDeque::new(), flight: None, frozen: false, dead: false };
        self.lines().insert(who.number, line);
    }

    /// A process is stopped, or goes on: what is under way goes on, what is in line waits.
    pub(super) fn freeze(&self, who: Who, frozen: bool) {
        if let Some(line) = self.lines().get_mut(&who.number) {
            line.frozen = frozen;
        }
    }

    /// A process dies. What was in line is gone; what was under way is kept in part, now or when it would
    /// have been durable.
    pub(super) fn kill(&self, who: Who) {
        if let Some(line) = self.lines().get_mut(&who.number) {
            line.queue.clear();
            line.dead = true;
            if let Some(flight) = &mut line.flight {
                flight.fate = Fate::Dies(self.dice.below(flight.group.len() as u64 + 1) as usize);
            }
        }
    }

    /// Puts something in a process's line. What a dead process says is heard by nobody.
    pub(super) fn put(&self, who: Who, work: Work) {
        let lost = matches!(&work, Work::Commit(batch, _) if is_beat(batch))
            && self.scene.faults()
            && self.dice.chance(100);
        if let Some(line) = self.lines().get_mut(&who.number).filter(|line| !line.dead) {
            line.queue.push_back((work, lost));
        }
    }

    /// Takes what stands in line, where the line's writer is free.
    pub(super) fn kick(&self) {
        let at = self.scene.clock.monotonic();
        for line in self.lines().values_mut() {
            if line.flight.is_some() || line.frozen || line.dead || line.queue.is_empty() {
                continue;
            }
            let count = (self.dice.between(1, GROUP) as usize).min(line.queue.len());
            let group: Vec<_> = line.queue.drain(..count).collect();
            let fate = self.fate(group.len());
            line.flight = Some(Flight { due: at + self.latency(), group, fate });
        }
    }

    fn fate(&self, count: usize) -> Fate {
        if !self.scene.faults() {
            return Fate::Durable;
        }
        match self.dice.below(1000) {
            0..10 => Fate::FailsBefore,
            10..16 => Fate::FailsAfter,
            16..20 => Fate::Dies(self.dice.below(count as u64 + 1) as usize),
            _ => Fate::Durable,
        }
    }

    fn latency(&self) -> Duration {
        let micros = match self.dice.below(if self.scene.faults() { 1000 } else { 960 }) {
            0..200 => 0,
            200..960 => self.dice.between(20, 3_000),
            960..990 => self.dice.between(3_000, 400_000),
            _ => self.dice.between(400_000, 6_000_000),
        };
        Duration::from_micros(micros)
    }

    /// How long a read takes.
    pub(super) fn read_latency(&self) -> Duration {
        self.latency() / 4
    }

    /// Whether a read fails.
    pub(super) fn read_fails(&self) -> bool {
        self.scene.faults() && self.dice.chance(8)
    }

    pub(super) fn coin(&self) -> bool {
        self.dice.chance(500)
    }

    /// When the next group becomes durable, or not.
    pub(super) fn next(&self) -> Option<Duration> {
        self.lines().values().filter_map(|line| line.flight.as_ref()).map(|flight| flight.due).min()
    }

    /// Ends what is due. Returns the processes that die with it.
    pub(super) fn finish(&self) -> Vec<Who> {
        let at = self.scene.clock.monotonic();
        let mut died = Vec::new();
        loop {
            let due = self.lines().values_mut().find_map(|line| {
                let flight = line.flight.take_if(|flight| flight.due <= at)?;
                Some((line.who, line.dead, flight))
            });
            let Some((who, was_dead, flight)) = due else { return died };
            let Flight { group, fate, .. } = flight;
            if !matches!(fate, Fate::Durable) {
                self.scene.audit().note(format_args!("p{} disk: {fate:?} of {}", who.number, group.len()));
            }
            for (place, (work, lost)) in group.into_iter().enumerate() {
                match fate {
                    Fate::Durable if lost => refuse(work),
                    Fate::Durable => self.apply(who, work, Heard::Truth),
                    Fate::FailsBefore => refuse(work),
                    Fate::FailsAfter => self.apply(who, work, Heard::Error),
                    Fate::Dies(kept) if place < kept => self.apply(who, work, Heard::Nothing),
                    Fate::Dies(_) => {}
                }
            }
            if matches!(fate, Fate::Dies(_)) && !was_dead {
                died.push(who);
            }
        }
    }

    fn apply(&self, who: Who, work: Work, heard: Heard) {
        match work {
            Work::Commit(batch, answer) => {
                let result = now(self.memory.commit(batch.clone()));
                let mut audit = self.scene.audit();
                match &result {
                    Ok(()) => audit.committed(who, &batch),
                    Err(error) => audit.note(format_args!("p{} refused: {error}", who.number)),
                }
                if result.is_ok() && heard == Heard::Truth {
                    audit.answered(&batch);
                }
                drop(audit);
                say(answer, heard, result, |error| error.into());
            }
            Work::Claim(claim, answer) => {
                let result = now(self.memory.claim(claim.clone()));
                match &result {
                    Ok(taken) => self.scene.audit().claimed(who, &claim, taken, &self.rows()),
                    Err(error) => self.scene.audit().note(format_args!("p{} refused: {error}", who.number)),
                }
                say(answer, heard, result, |error| error.into());
            }
            Work::ClaimDeliveries(claim, answer) => {
                let result = now(self.memory.claim_deliveries(claim));
                let mut audit = self.scene.audit();
                for (_, delivery) in result.iter().flatten() {
                    let (event, handler, epoch) = (&delivery.event, &delivery.handler, delivery.state.epoch);
                    audit.note(format_args!("p{} claims {event}/{handler} {epoch}", who.number));
                }
                drop(audit);
                say(answer, heard, result, |error| error.into());
            }
            Work::Enter(record, answer) => {
                let result = now(self.memory.enter(record));
                say(answer, heard, result, |error| error);
            }
            Work::Leave(boot, answer) => {
                let result = now(self.memory.leave(boot));
                self.scene.audit().left(who, &self.rows());
                say(answer, heard, result, |error| error);
            }
        }
    }

    /// Every run's row.
    fn rows(&self) -> Vec<RunRecord> {
        now(self.memory.runs(RunFilter::newest(usize::MAX))).unwrap_or_default()
    }
}

fn say<T, E>(
    answer: oneshot::Sender<Result<T, E>>,
    heard: Heard,
    truth: Result<T, E>,
    error: impl FnOnce(StoreError) -> E,
) {
    let told = match heard {
        Heard::Truth => truth,
        Heard::Error => Err(error(broken())),
        Heard::Nothing => return,
    };
    // Who does not wait any more does not want to know.
    answer.send(told).ok();
}

fn refuse(work: Work) {
    match work {
        Work::Commit(_, answer) => drop(answer.send(Err(broken().into()))),
        Work::Claim(_, answer) => drop(answer.send(Err(broken().into()))),
        Work::ClaimDeliveries(_, answer) => drop(answer.send(Err(broken().into()))),
        Work::Enter(_, answer) | Work::Leave(_, answer) => drop(answer.send(Err(broken()))),
    }
}

pub(super) fn broken() -> StoreError {
    StoreError::Io("the simulated disk failed".to_owned())
}

fn is_beat(batch: &Batch) -> bool {
    !batch.ops.is_empty() && batch.ops.iter().all(|op| matches!(op, Op::Beat { .. }))
}

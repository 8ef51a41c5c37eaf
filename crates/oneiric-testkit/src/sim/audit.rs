//! Watches every durable batch, every start of a task and every effect, and says which invariant broke.
//!
//! The auditor believes nobody: it keeps its own account of runs, owners, fences, rows, checkpoints and
//! journals, from what the disk accepted, and puts every event to a [`oneiric_dag::State`] of its own, which
//! must decide the same. The names of the invariants are those of the project's battery.

mod account;
mod end;
mod tries;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use oneiric_core::roles::TaskContext;
use oneiric_core::{BootId, Payload, RunId};
use oneiric_store::{Batch, Claim, Op, RunRecord, RunStatus};

use super::events::Heard;
use super::trace::Trace;
use super::workflow::Workflow;
use account::Account;
pub(super) use end::{Kept, Rest};
use std::sync::Arc;
pub(super) use tries::Try;

/// What must never happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// I1: what was accepted is there, and a wish that was answered is fulfilled.
    NothingAcknowledgedIsLost,
    /// I2: a node has its effect under one key, and none completes without it.
    EffectsOnce,
    /// I3: nothing runs on an input that is checkpointed, and nothing runs before its start is durable.
    CheckpointsHold,
    /// I4: what has ended stays as it ended.
    TerminalStays,
    /// I5: one owner at a time, under a fence that rises; nobody else writes or starts anything.
    OneOwner,
    /// I6: once the faults are over, everything ends, or waits for a person with a reason.
    NothingIsStuck,
    /// I7: no limit is exceeded.
    LimitsHold,
    /// I10: the chain of every journal is what was acknowledged, and perhaps more.
    ChainHolds,
    /// I13: the store finds nothing wrong with itself.
    StoreIsSound,
    /// The journal, put to the machine again, gives the rows.
    ReplayGivesRows,
    /// Outputs are those of a run in which nothing failed.
    OutputsAreRight,
    /// A node that must not run twice waits for a person when nobody knows how its try ended.
    UnsafeWaits,
}

/// An invariant that did not hold, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub invariant: Invariant,
    /// A sentence about what was seen.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.invariant, self.what)
    }
}

/// A process, as the disk and the tasks know it: which start, and under which boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Who {
    pub(super) number: u32,
    pub(super) boot: BootId,
}

/// The account of everything.
#[derive(Debug, Default)]
pub(super) struct Auditor {
    trace: Trace,
    now: Duration,
    broken: Option<Broken>,
    book: BTreeMap<RunId, (Arc<Workflow>, u64)>,
    runs: BTreeMap<RunId, Account>,
    /// Boots whose processes have ended.
    ended: BTreeSet<BootId>,
    /// Tries under way by process, with its limit.
    busy: BTreeMap<u32, (u32, u32)>,
    acknowledged: BTreeSet<RunId>,
    cancelled: BTreeSet<RunId>,
    ledger: BTreeSet<String>,
    heard: Heard,
    starts: u64,
    /// How often something was applied again under a key that the ledger had.
    repeats: u64,
}

impl Auditor {
    pub(super) fn at(&mut self, now: Duration) {
        self.now = now;
    }

    pub(super) fn note(&mut self, what: fmt::Arguments<'_>) {
        self.trace.line(self.now, what);
    }

    pub(super) fn trace(&self) -> &Trace {
        &self.trace
    }

    pub(super) fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    /// The first breach counts; what follows from it would only confuse.
    pub(super) fn breach(&mut self, invariant: Invariant, what: String) {
        self.note(format_args!("BROKEN {invariant:?}: {what}"));
        self.broken.get_or_insert(Broken { invariant, what });
    }

    fn judge(&mut self, verdict: Result<(), Broken>) {
        if let Err(Broken { invariant, what }) = verdict {
            self.breach(invariant, what);
        }
    }

    /// The account of events.
    pub(super) fn heard(&mut self) -> &mut Heard {
        &mut self.heard
    }

    /// A run of this workflow may come.
    pub(super) fn expect(&mut self, run: RunId, workflow: Arc<Workflow>, seed: u64) {
        self.book.insert(run, (workflow, seed));
    }

    pub(super) fn workflow(&self, run: RunId) -> Option<&(Arc<Workflow>, u64)> {
        self.book.get(&run)
    }

    pub(super) fn began(&mut self, who: Who, max_parallel: u32) {
        self.busy.insert(who.number, (0, max_parallel));
    }

    /// A process has ended: what it had under way is no more.
    pub(super) fn died(&mut self, who: Who) {
        self.ended.insert(who.boot);
        self.busy.remove(&who.number);
    }

    /// Somebody was told that the run is accepted.
    pub(super) fn acknowledged(&mut self, run: RunId) {
        self.note(format_args!("{} acknowledged", short(run)));
        self.acknowledged.insert(run);
        if !self.runs.contains_key(&run) {
            self.breach(Invariant::NothingAcknowledgedIsLost, format!("{} is not there", short(run)));
        }
    }

    /// Somebody was told that the run will be cancelled.
    pub(super) fn cancelled(&mut self, run: RunId) {
        self.note(format_args!("{} cancel acknowledged", short(run)));
        if self.runs.get(&run).is_some_and(|account| !account.status().is_terminal()) {
            self.cancelled.insert(run);
        }
    }

    /// Runs that wait for a person.
    pub(super) fn paused(&self) -> Vec<RunId> {
        let paused = self.runs.iter().filter(|(_, account)| account.status() == RunStatus::Paused);
        paused.map(|(run, _)| *run).collect()
    }

    /// Runs that are neither over nor paused.
    pub(super) fn open(&self) -> impl Iterator<Item = RunId> {
        let open = |status| matches!(status, RunStatus::Pending | RunStatus::Running);
        self.runs.iter().filter(move |(_, account)| open(account.status())).map(|(run, _)| *run)
    }

    /// The outputs that a run has by now, with the inputs they belong to: what a fork of it begins with.
    pub(super) fn harvest(&self, run: RunId) -> Vec<(u32, oneiric_core::Digest, Payload)> {
        self.runs.get(&run).map(Account::harvest).unwrap_or_default()
    }

    /// A batch has become durable.
    pub(super) fn committed(&mut self, who: Who, batch: &Batch) {
        self.note(format_args!("p{} commits {}", who.number, Told(batch)));
        if matches!(batch.ops.as_slice(), [Op::Beat { .. }]) {
            self.trace.hide();
        }
        for op in &batch.ops {
            if let Op::InsertRun(record) = op
                && let Some((workflow, seed)) = self.book.get(&record.id)
            {
                let account = Account::new(Arc::clone(workflow), *seed, record);
                if self.runs.insert(record.id, account).is_some() {
                    let what = format!("{} was inserted twice", short(record.id));
                    self.breach(Invariant::NothingAcknowledgedIsLost, what);
                }
            }
        }
        for run in touched(batch) {
            if let Some(account) = self.runs.get_mut(&run) {
                let verdict = account.commit(who, run, batch);
                self.judge(verdict);
            }
        }
    }

    /// Its caller has been told so.
    pub(super) fn answered(&mut self, batch: &Batch) {
        for op in &batch.ops {
            if let Op::Append(entry) = op
                && let Some(account) = self.runs.get_mut(&entry.run)
            {
                account.acknowledge(entry.seq);
            }
        }
    }

    /// A claim has become durable; `rows` is every run as it stands now.
    pub(super) fn claimed(&mut self, who: Who, claim: &Claim, taken: &[RunRecord], rows: &[RunRecord]) {
        for boot in claim.dead.iter().filter(|boot| !self.ended.contains(boot)).copied().collect::<Vec<_>>() {
            self.breach(Invariant::OneOwner, format!("{boot} was buried as dead while it lived"));
        }
        for boot in claim.dead.iter().chain(claim.silent.iter().map(|silent| &silent.boot)) {
            self.note(format_args!("p{} buries {boot}", who.number));
        }
        let buried: BTreeSet<BootId> =
            claim.dead.iter().copied().chain(claim.silent.iter().map(|silent| silent.boot)).collect();
        for record in taken {
            self.note(format_args!("p{} claims {} {}", who.number, short(record.id), record.state.epoch));
        }
        self.moved(&buried, Some(who.boot), rows);
    }

    /// A boot has left.
    pub(super) fn left(&mut self, who: Who, rows: &[RunRecord]) {
        self.note(format_args!("p{} left", who.number));
        self.moved(&BTreeSet::from([who.boot]), None, rows);
    }

    fn moved(&mut self, from: &BTreeSet<BootId>, to: Option<BootId>, rows: &[RunRecord]) {
        for row in rows {
            let verdict = self.runs.get_mut(&row.id).map_or(Ok(()), |account| account.moved(from, to, row));
            self.judge(verdict);
        }
    }

    /// A process begins a try.
    pub(super) fn started(&mut self, who: Who, place: u32, cx: &TaskContext<'_>) -> Option<Try> {
        self.note(format_args!("p{} starts {}/{} try {}", who.number, short(cx.run), cx.node, cx.attempt));
        let began = self.runs.get_mut(&cx.run)?.start(who, place, cx);
        let epoch = match began {
            Ok(epoch) => epoch,
            Err(broken) => {
                self.judge(Err(broken));
                return None;
            }
        };
        self.starts += 1;
        let (busy, limit) = self.busy.get_mut(&who.number)?;
        *busy += 1;
        if busy > limit {
            let what = format!("p{} has {busy} tries under way, {limit} are allowed", who.number);
            self.breach(Invariant::LimitsHold, what);
        }
        Some(Try { who, run: cx.run, place, input_hash: cx.input_hash, epoch })
    }

    /// A try is over, or was dropped.
    pub(super) fn over(&mut self, of: &Try) {
        if let Some((busy, _)) = self.busy.get_mut(&of.who.number) {
            *busy -= 1;
        }
        if let Some(account) = self.runs.get_mut(&of.run) {
            account.over(of);
        }
    }

    /// The effect of a try reaches the outside world, which honours its key.
    pub(super) fn effect(&mut self, of: &Try, key: String) {
        self.note(format_args!("p{} effect {}/n{}", of.who.number, short(of.run), of.place));
        if !self.ledger.insert(key.clone()) {
            self.repeats += 1;
        }
        if let Some(account) = self.runs.get_mut(&of.run) {
            let verdict = account.effect(of, key);
            self.judge(verdict);
        }
    }

    /// A try is about to give this.
    pub(super) fn gives(&mut self, of: &Try, output: &Payload) {
        if let Some(account) = self.runs.get_mut(&of.run) {
            account.gives(of, output);
        }
    }

    /// How many runs there are, how many tries were begun, and how many effects were asked for again.
    pub(super) fn figures(&self) -> (usize, u64, u64) {
        (self.runs.len(), self.starts, self.repeats)
    }
}

/// The runs of which a batch changes something.
fn touched(batch: &Batch) -> BTreeSet<RunId> {
    batch.ops.iter().filter_map(run_of).collect()
}

fn run_of(op: &Op) -> Option<RunId> {
    match op {
        Op::InsertRun(record) => Some(record.id),
        Op::SetRun { run, .. } | Op::Release(run) => Some(*run),
        Op::SetNode(row) => Some(row.run),
        Op::PutCheckpoint(checkpoint) => Some(checkpoint.run),
        Op::Append(entry) => Some(entry.run),
        Op::SetBoot(_)
        | Op::Beat { .. }
        | Op::Disown(_)
        | Op::PutCommand(_)
        | Op::DropCommand { .. }
        | Op::DropCommands(_)
        | Op::SetActivity(_)
        | Op::Blob(_)
        | Op::PutEnvelope(_)
        | Op::PutDelivery(_)
        | Op::SetDelivery { .. }
        | Op::RenewDelivery(_)
        | Op::SetHeldDelivery { .. }
        | Op::ReleaseDelivery { .. }
        | Op::DropEnvelope(_)
        | Op::Extension(_) => None,
    }
}

/// A run in a trace: its last digits.
pub(super) fn short(run: RunId) -> String {
    let text = run.to_string();
    format!("r{}", &text[text.len() - 4..])
}

/// A batch in a trace.
struct Told<'a>(&'a Batch);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for op in &self.0.ops {
            match op {
                Op::InsertRun(record) => write!(f, "+{} ", short(record.id))?,
                Op::Append(entry) => {
                    write!(f, "{}#{}@{} {} ", short(entry.run), entry.seq, entry.epoch, entry.event.name())?;
                }
                Op::SetNode(row) => write!(f, "{}={} ", row.name, row.status.name())?,
                Op::SetRun { run, state } => write!(f, "{}={} ", short(*run), state.status)?,
                Op::Release(run) => write!(f, "{} given back ", short(*run))?,
                Op::Beat { .. } => f.write_str("beat ")?,
                Op::PutEnvelope(record) => write!(f, "+{} ", record.id)?,
                Op::SetDelivery { event, handler, state } | Op::SetHeldDelivery { event, handler, state } => {
                    write!(f, "{event}/{handler}={} ", state.status)?;
                }
                Op::ReleaseDelivery { event, handler } => write!(f, "{event}/{handler} given back ")?,
                Op::SetBoot(boot) => write!(f, "boot {} ", boot.beat)?,
                _ => {}
            }
        }
        Ok(())
    }
}

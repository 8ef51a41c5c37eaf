//! The store that forgets: the model that other backends are measured against, and the backend of
//! embedders that need no durability.
//!
//! Runs live in one map behind one lock; a commit holds it for a few hundred nanoseconds.

mod check;
mod event;
mod run;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use oneiric_core::roles::EventId;
use oneiric_core::{BootId, Digest, RunId};

use crate::batch::{Batch, Op, Refusal, Require};
use crate::claim::{Claim, DeliveryClaim, Waiting};
use crate::commit::{Commit, CommitError};
use crate::error::StoreError;
use crate::liveness::Violation;
use crate::record::activity::ActivityRecord;
use crate::record::boot::{BootRecord, BootSeen, Silent};
use crate::record::checkpoint::Checkpoint;
use crate::record::command::CommandRecord;
use crate::record::delivery::DeliveryRecord;
use crate::record::envelope::EnvelopeRecord;
use crate::record::journal::JournalEntry;
use crate::record::node::NodeRecord;
use crate::record::run::RunRecord;
use crate::store::{
    Backlog, DeliveryFilter, EnvelopeFilter, IntegrityReport, RunFilter, Store, WhoseCommands,
};
use event::Events;
use run::Run;

/// The store that forgets. A clone is the same store.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    // By id, and so by age.
    runs: BTreeMap<RunId, Run>,
    boots: HashMap<BootId, BootRecord>,
    // Declared dead, and not buried yet.
    dead: Vec<BootId>,
    commands: Vec<CommandRecord>,
    events: Events,
    activities: BTreeMap<(String, String), ActivityRecord>,
    blobs: HashMap<Digest, Arc<[u8]>>,
    extensions: HashMap<(String, String), Versioned>,
    closed: bool,
}

/// A foreign record: removing it keeps its version, so that it cannot be mistaken for a new one.
type Versioned = (u64, Option<Vec<u8>>);

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Declares a boot dead, as the end of its process would. For tests of recovery.
    pub fn bury(&self, boot: BootId) {
        self.lock().dead.push(boot);
    }

    // A panic under the lock leaves whole batches: nothing is changed before all checks passed.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn open(&self) -> Result<&Self, StoreError> {
        if self.closed { Err(StoreError::Closed) } else { Ok(self) }
    }

    fn apply(&mut self, batch: Batch) -> Result<(), CommitError> {
        self.open()?;
        for require in &batch.require {
            self.check(require)?;
        }
        for place in 0..batch.ops.len() {
            self.allows(&batch.ops, place)?;
        }
        for op in batch.ops {
            self.put(op);
        }
        Ok(())
    }

    fn check(&self, require: &Require) -> Result<(), Refusal> {
        match require {
            Require::RunAbsent(run) if self.runs.contains_key(run) => Err(Refusal::RunExists(*run)),
            Require::RunAbsent(_) => Ok(()),
            Require::RunEpoch { run, epoch } => {
                let found = self.runs.get(run).ok_or(Refusal::RunMissing(*run))?.record.state.epoch;
                if found == *epoch {
                    Ok(())
                } else {
                    Err(Refusal::StaleEpoch { run: *run, held: *epoch, found })
                }
            }
            Require::RunOpen(run) => {
                let status = self.runs.get(run).ok_or(Refusal::RunMissing(*run))?.record.state.status;
                if status.is_terminal() { Err(Refusal::RunOver { run: *run, status }) } else { Ok(()) }
            }
            Require::BootOpen(boot) => match self.boots.get(boot) {
                Some(record) if record.ended_at.is_none() => Ok(()),
                Some(_) | None => Err(Refusal::BootEnded(*boot)),
            },
            Require::Activity(said) => {
                let found = self.activities.get(&(said.domain.to_string(), said.key.to_string()));
                if found == Some(said).filter(|said| !said.is_default()) {
                    return Ok(());
                }
                Err(Refusal::ActivityChanged { domain: said.domain.clone(), key: said.key.clone() })
            }
            Require::EventAbsent(event) if self.events.contains(event) => {
                Err(Refusal::EventExists(event.clone()))
            }
            Require::EventAbsent(_) => Ok(()),
            Require::DeliveryEpoch { event, handler, epoch } => {
                self.events.check_epoch(event, handler, *epoch)
            }
            Require::DeliveryAbsent { event, handler } => self.events.check_absent(event, handler),
            Require::EventSettled(event) => self.events.check_settled(event),
            Require::BlobPresent(digest) if self.blobs.contains_key(digest) => Ok(()),
            Require::BlobPresent(digest) => Err(Refusal::BlobMissing(*digest)),
            Require::ExtensionVersion { family, key, version } => {
                let found = self.extensions.get(&(family.clone(), key.clone()));
                let found = found.filter(|(_, value)| value.is_some()).map(|(version, _)| *version);
                if found == *version {
                    Ok(())
                } else {
                    Err(Refusal::Version {
                        family: family.clone(),
                        key: key.clone(),
                        expected: *version,
                        found,
                    })
                }
            }
        }
    }

    /// Refuses what would break the store, before anything is changed: the op at `place`, after those
    /// before it.
    fn allows(&self, ops: &[Op], place: usize) -> Result<(), Refusal> {
        let (before, op) = (&ops[..place], &ops[place]);
        let inserted = |id| before.iter().any(|op| matches!(op, Op::InsertRun(record) if record.id == id));
        match op {
            Op::InsertRun(record) if self.runs.contains_key(&record.id) || inserted(record.id) => {
                Err(Refusal::RunExists(record.id))
            }
            Op::PutEnvelope(record) => {
                let id = &record.id;
                let put = |op: &Op| matches!(op, Op::PutEnvelope(other) if other.id == *id);
                if self.events.contains(id) || before.iter().any(put) {
                    return Err(Refusal::EventExists(id.clone()));
                }
                Ok(())
            }
            Op::Append(entry) => {
                let run = entry.run;
                let last = match self.runs.get(&run) {
                    Some(run) => run.journal.last().map_or(0, |entry| entry.seq),
                    None if inserted(run) => 0,
                    None => return Ok(()),
                };
                let ours = |op: &&Op| matches!(op, Op::Append(entry) if entry.run == run);
                let next = last + 1 + before.iter().filter(ours).count() as u64;
                if entry.seq == next {
                    Ok(())
                } else {
                    Err(Refusal::OutOfSequence { run, seq: entry.seq, next })
                }
            }
            _ => Ok(()),
        }
    }

    fn put(&mut self, op: Op) {
        match op {
            Op::InsertRun(record) => {
                self.runs.insert(record.id, Run::new(*record));
            }
            Op::SetRun { run, state } => {
                if let Some(run) = self.runs.get_mut(&run) {
                    let epoch = run.record.state.epoch;
                    run.record.state = *state;
                    run.record.state.epoch = epoch;
                }
            }
            Op::SetNode(node) => self.within(node.run, |run| run.set_node(node)),
            Op::PutCheckpoint(checkpoint) => {
                self.within(checkpoint.run, |run| run.put_checkpoint(checkpoint))
            }
            Op::Append(entry) => self.within(entry.run, |run| run.journal.push(entry)),
            Op::SetBoot(boot) => {
                self.boots.insert(boot.id, boot);
            }
            Op::Beat { boot, at } => {
                if let Some(record) = self.boots.get_mut(&boot) {
                    record.beat += 1;
                    record.beat_at = at;
                }
            }
            Op::Disown(boot) => self.disown(boot, 0),
            Op::Release(run) => {
                if let Some(run) = self.runs.get_mut(&run) {
                    run.record.state.owner = None;
                    run.record.state.epoch += 1;
                }
            }
            Op::PutCommand(record) => {
                let known = |command: &CommandRecord| command.id == record.id;
                if self.runs.contains_key(&record.run) && !self.commands.iter().any(known) {
                    self.commands.push(record);
                }
            }
            Op::DropCommand { run, id } => {
                self.commands.retain(|command| command.run != run || command.id != id);
            }
            Op::DropCommands(run) => self.commands.retain(|command| command.run != run),
            Op::SetActivity(record) => {
                let key = (record.domain.to_string(), record.key.to_string());
                if record.is_default() {
                    self.activities.remove(&key);
                } else {
                    self.activities.insert(key, record);
                }
            }
            Op::PutEnvelope(record) => self.events.put(*record),
            Op::PutDelivery(record) => self.events.put_delivery(*record),
            Op::SetDelivery { event, handler, state } => self.events.set_delivery(&event, &handler, *state),
            Op::RenewDelivery(record) => self.events.renew_delivery(*record),
            Op::SetHeldDelivery { event, handler, state } => {
                self.events.set_held_delivery(&event, &handler, *state);
            }
            Op::ReleaseDelivery { event, handler } => self.events.release(&event, &handler),
            Op::DropEnvelope(event) => self.events.drop_envelope(&event),
            Op::Blob(blob) => {
                self.blobs.entry(blob.digest).or_insert(blob.bytes);
            }
            Op::Extension(extension) => {
                let slot = self.extensions.entry((extension.family, extension.key)).or_default();
                slot.0 += 1;
                slot.1 = extension.value;
            }
        }
    }

    /// Frees what a boot owns, raises the fences of it, and counts its deaths there.
    fn disown(&mut self, boot: BootId, deaths: u32) {
        let owned = self.runs.values_mut().map(|run| &mut run.record.state);
        for state in owned.filter(|state| state.owner == Some(boot)) {
            state.owner = None;
            state.epoch += 1;
            state.deaths += deaths;
        }
        self.events.disown(boot, deaths);
    }

    /// Ends the lease of a boot that is dead or was silent for too long.
    fn bury(&mut self, boot: BootId) {
        self.disown(boot, 1);
        self.end(boot);
    }

    /// Its row ends at its last sign of life.
    fn end(&mut self, boot: BootId) {
        self.dead.retain(|dead| *dead != boot);
        if let Some(record) = self.boots.get_mut(&boot).filter(|record| record.ended_at.is_none()) {
            record.ended_at = Some(record.beat_at);
        }
    }

    /// Rows of a run that is not there have nowhere to be: they are dropped, as a foreign key with
    /// a cascade would have dropped them.
    fn within(&mut self, run: RunId, change: impl FnOnce(&mut Run)) {
        if let Some(run) = self.runs.get_mut(&run) {
            change(run);
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn commit(&self, batch: Batch) -> Commit {
        Commit::ready(self.lock().apply(batch))
    }

    async fn claim(&self, claim: Claim) -> Result<Vec<RunRecord>, CommitError> {
        let mut state = self.lock();
        state.open()?;
        let unchanged = |silent: &&Silent| {
            let boot = state.boots.get(&silent.boot);
            boot.is_some_and(|boot| boot.beat == silent.beat && boot.ended_at.is_none())
        };
        let silent = claim.silent.iter().filter(unchanged).map(|silent| silent.boot);
        let buried: Vec<BootId> = claim.dead.iter().copied().chain(silent).collect();
        // First of all: a claim that is refused buries nobody.
        let ended = |boot: &BootRecord| boot.ended_at.is_some() || buried.contains(&claim.boot);
        if state.boots.get(&claim.boot).is_some_and(ended) {
            return Err(Refusal::BootEnded(claim.boot).into());
        }
        buried.into_iter().for_each(|boot| state.bury(boot));
        let free = state.runs.values_mut().map(|run| &mut run.record).filter(|run| claim.selects(run));
        let taken: Vec<RunRecord> = free
            .take(claim.limit)
            .map(|run| {
                run.state.owner = Some(claim.boot);
                run.state.epoch += 1;
                run.clone()
            })
            .collect();
        if let Some(boot) = state.boots.get_mut(&claim.boot).filter(|_| !taken.is_empty()) {
            boot.beat += 1;
        }
        Ok(taken)
    }

    async fn enter(&self, boot: BootRecord) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.open()?;
        state.boots.insert(boot.id, boot);
        Ok(())
    }

    async fn boots(&self) -> Result<Vec<BootSeen>, StoreError> {
        let state = self.lock();
        let state = state.open()?;
        let owned = |boot| state.runs.values().filter(|run| run.record.state.owner == Some(boot)).count();
        let open = state.boots.values().filter(|boot| boot.ended_at.is_none());
        let mut seen: Vec<BootSeen> = open
            .map(|boot| {
                let deliveries = state.events.owned(boot.id);
                BootSeen {
                    boot: boot.clone(),
                    owns: owned(boot.id) as u64 + deliveries,
                    deliveries,
                    dead: state.dead.contains(&boot.id),
                }
            })
            .collect();
        seen.sort_unstable_by_key(|seen| (seen.boot.started_at, seen.boot.id));
        Ok(seen)
    }

    async fn dead(&self) -> Result<Vec<BootId>, StoreError> {
        let state = self.lock();
        let state = state.open()?;
        let ended = |boot: &&BootId| state.boots.get(boot).is_some_and(|boot| boot.ended_at.is_some());
        Ok(state.dead.iter().filter(|boot| !ended(boot)).copied().collect())
    }

    async fn commands(&self, whose: WhoseCommands) -> Result<Vec<CommandRecord>, StoreError> {
        let state = self.lock();
        let state = state.open()?;
        let owner = |run: RunId| state.runs.get(&run).and_then(|run| run.record.state.owner);
        let wanted = |command: &&CommandRecord| match whose {
            WhoseCommands::Run(run) => command.run == run,
            WhoseCommands::Owner(boot) => owner(command.run) == Some(boot),
        };
        Ok(state.commands.iter().filter(wanted).cloned().collect())
    }

    async fn activities(&self) -> Result<Vec<ActivityRecord>, StoreError> {
        Ok(self.lock().open()?.activities.values().cloned().collect())
    }

    async fn violations(&self) -> Result<Vec<Violation>, StoreError> {
        Ok(check::violations(self.lock().open()?))
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let state = self.lock();
        let state = state.open()?;
        let runs =
            |status| state.runs.values().filter(|run| run.record.state.status == status).count() as u64;
        Backlog::counted(|status| Ok(runs(status)), |status| Ok(state.events.deliveries_in(status)))
    }

    async fn leave(&self, boot: BootId) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.open()?;
        state.disown(boot, 0);
        state.end(boot);
        Ok(())
    }

    async fn boot(&self, boot: BootId) -> Result<Option<BootRecord>, StoreError> {
        Ok(self.lock().open()?.boots.get(&boot).cloned())
    }

    async fn claim_deliveries(
        &self,
        claim: DeliveryClaim,
    ) -> Result<Vec<(EnvelopeRecord, DeliveryRecord)>, CommitError> {
        let mut state = self.lock();
        state.open()?;
        if state.boots.get(&claim.boot).is_some_and(|boot| boot.ended_at.is_some()) {
            return Err(Refusal::BootEnded(claim.boot).into());
        }
        let taken = state.events.claim(&claim);
        if let Some(boot) = state.boots.get_mut(&claim.boot).filter(|_| !taken.is_empty()) {
            boot.beat += 1;
        }
        Ok(taken)
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        Ok(self.lock().open()?.events.waiting())
    }

    async fn envelope(&self, event: &EventId) -> Result<Option<EnvelopeRecord>, StoreError> {
        Ok(self.lock().open()?.events.envelope(event))
    }

    async fn envelopes(&self, filter: EnvelopeFilter) -> Result<Vec<EnvelopeRecord>, StoreError> {
        Ok(self.lock().open()?.events.envelopes(&filter))
    }

    async fn deliveries(&self, filter: DeliveryFilter) -> Result<Vec<(u64, DeliveryRecord)>, StoreError> {
        Ok(self.lock().open()?.events.deliveries(&filter))
    }

    async fn run(&self, run: RunId) -> Result<Option<RunRecord>, StoreError> {
        Ok(self.lock().open()?.runs.get(&run).map(|run| run.record.clone()))
    }

    async fn runs(&self, filter: RunFilter) -> Result<Vec<RunRecord>, StoreError> {
        let state = self.lock();
        let runs = state.open()?.runs.values().rev().map(|run| &run.record);
        Ok(runs.filter(|run| filter.accepts(run)).take(filter.limit).cloned().collect())
    }

    async fn nodes(&self, run: RunId) -> Result<Vec<NodeRecord>, StoreError> {
        let state = self.lock();
        Ok(state.open()?.runs.get(&run).map(|run| run.nodes().cloned().collect()).unwrap_or_default())
    }

    async fn checkpoints(&self, run: RunId) -> Result<Vec<Checkpoint>, StoreError> {
        let state = self.lock();
        Ok(state.open()?.runs.get(&run).map(|run| run.checkpoints().cloned().collect()).unwrap_or_default())
    }

    async fn journal(&self, run: RunId, after: u64, limit: usize) -> Result<Vec<JournalEntry>, StoreError> {
        let state = self.lock();
        let Some(run) = state.open()?.runs.get(&run) else { return Ok(Vec::new()) };
        Ok(run
            .journal
            .iter()
            .filter(|entry| entry.seq > after)
            .take(limit)
            .map(JournalEntry::without_output)
            .collect())
    }

    async fn last_seq(&self, run: RunId) -> Result<u64, StoreError> {
        let state = self.lock();
        Ok(state.open()?.runs.get(&run).and_then(|run| run.journal.last()).map_or(0, |entry| entry.seq))
    }

    async fn blob(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(self.lock().open()?.blobs.get(&digest).cloned())
    }

    async fn extension(&self, family: &str, key: &str) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let state = self.lock();
        let found = state.open()?.extensions.get(&(family.to_owned(), key.to_owned()));
        Ok(found.and_then(|(version, value)| Some((*version, value.clone()?))))
    }

    async fn extensions(&self, family: &str) -> Result<Vec<(String, u64, Vec<u8>)>, StoreError> {
        let state = self.lock();
        let of_family = state.open()?.extensions.iter().filter(|((of, _), _)| of == family);
        let mut found: Vec<_> = of_family
            .filter_map(|((_, key), (version, value))| Some((key.clone(), *version, value.clone()?)))
            .collect();
        found.sort_unstable();
        Ok(found)
    }

    async fn check(&self) -> Result<IntegrityReport, StoreError> {
        Ok(check::check(self.lock().open()?))
    }

    async fn backup(&self, _to: &Path) -> Result<u64, StoreError> {
        Err(StoreError::Unsupported("a store in memory has no file to back up".to_owned()))
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.lock().closed = true;
        Ok(())
    }
}

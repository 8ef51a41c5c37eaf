//! What makes a process the owner of something, for as long as it is alive and moving.
//!
//! A process has one [`Lease`]: its boot's row, whose beat a thread of its own raises ([`Lease::start`]) while
//! the process owns anything. Others judge by watching the beat change on their own clock ([`Watch`]), never
//! by comparing wall clocks, and take over by a claim that names the beat they saw. A process that is
//! dead is known at once by its file lock; a lease is for the one that is stopped, or starved.
//!
//! Being taken for dead does no harm: fences rise with the takeover, so that nothing of the old owner is
//! written any more. It does cost the work in flight, so that the beat has a thread of its own: tasks that
//! keep every core or the whole runtime busy do not lose it.

mod heart;
mod watch;

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oneiric_core::{BootId, Clock};
use tokio::sync::Notify;

use crate::batch::{Batch, Op, Refusal, Require};
use crate::claim::Claim;
use crate::commit::CommitError;
use crate::error::StoreError;
use crate::failpoint;
use crate::record::boot::BootRecord;
use crate::record::run::RunRecord;
use crate::store::Store;

use heart::Heart;
pub use watch::Watch;

/// This process's lease on all that it owns. Shared by everybody who owns something in it.
#[derive(Debug)]
pub struct Lease {
    record: BootRecord,
    clock: Arc<dyn Clock>,
    /// How many things hang off it; the heart beats while there are any.
    owned: AtomicU64,
    /// When the last beat that became durable was begun, in microseconds of the monotonic clock.
    confirmed: AtomicU64,
    /// How often it was lost.
    lost: AtomicU64,
    /// Rung when it is. Those who wait are told in the order in which they came: which of many runs hears
    /// first is no chance, so that a simulation can be repeated.
    mourned: Notify,
    renewed: Notify,
    /// Something hangs off it where nothing did.
    begun: Notify,
    heart: Mutex<Option<Heart>>,
}

/// What a beat came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// The lease holds.
    Held,
    /// Others had taken this process for dead and have taken over what it owned. The lease holds again,
    /// for what is owned from now on.
    Lost,
}

impl Lease {
    /// The lease of a boot that has entered its store.
    pub fn new(record: BootRecord, clock: Arc<dyn Clock>) -> Arc<Self> {
        let now = micros(clock.monotonic());
        Arc::new(Self {
            record,
            clock,
            owned: AtomicU64::new(0),
            confirmed: AtomicU64::new(now),
            lost: AtomicU64::new(0),
            mourned: Notify::new(),
            renewed: Notify::new(),
            begun: Notify::new(),
            heart: Mutex::default(),
        })
    }

    /// The lease of a boot whose store nobody else can open: it never runs out and needs no heart.
    pub fn alone(boot: BootId, clock: Arc<dyn Clock>) -> Arc<Self> {
        let record = BootRecord::new(boot, "", 0, clock.now());
        Self::new(BootRecord { lease_ms: u64::MAX, ..record }, clock)
    }

    /// The boot, the owner of what hangs off this.
    pub fn boot(&self) -> BootId {
        self.record.id
    }

    /// How long others wait for a beat.
    pub fn length(&self) -> Duration {
        self.record.lease()
    }

    /// How long it is from one beat to the next: four of them have to be lost in a row.
    pub fn interval(&self) -> Duration {
        self.length() / 4
    }

    /// Whether nobody can have taken over yet what is owned: the last beat is younger than the lease.
    /// Costs two atomic reads and a look at the clock.
    pub fn holds(&self) -> bool {
        let confirmed = Duration::from_micros(self.confirmed.load(Ordering::Acquire));
        self.clock.monotonic().saturating_sub(confirmed) < self.length()
    }

    /// Waits until it holds, and asks for a beat where it does not: before an effect begins that somebody
    /// else may have begun already. Returns at once in nearly every case.
    pub async fn hold(&self) {
        while !self.holds() {
            let renewed = self.renewed.notified();
            self.wake_heart();
            renewed.await;
        }
    }

    /// How many times it was lost so far; who keeps the number knows by a higher one that what it owned
    /// then is not its own any more.
    pub fn losses(&self) -> u64 {
        self.lost.load(Ordering::Acquire)
    }

    /// Waits until it has been lost more than `known` times.
    pub async fn lost(&self, known: u64) -> u64 {
        loop {
            let mut told = pin!(self.mourned.notified());
            // From here on no ring is missed, the count is read only then.
            told.as_mut().enable();
            let losses = self.losses();
            if losses > known {
                return losses;
            }
            told.await;
        }
    }

    /// Something hangs off it from now on: something that a claim has taken.
    pub fn own(self: &Arc<Self>) -> Owned {
        if self.owned.fetch_add(1, Ordering::AcqRel) == 0 {
            self.wake_heart();
            self.begun.notify_one();
        }
        Owned(Arc::clone(self))
    }

    /// Waits until something hangs off it where nothing did; a beginning that nobody waited for is
    /// remembered. For one who waits: whoever has to tell others that there is something to watch.
    pub async fn begun(&self) {
        self.begun.notified().await;
    }

    /// The same as [`Lease::own`] for something that a batch takes. What is returned belongs in that batch:
    /// it beats where the heart was at rest, and takes nothing for a boot that has ended. Say
    /// [`Lease::confirm`] with the time before the commit once it is durable.
    pub fn take(self: &Arc<Self>) -> (Owned, Batch) {
        let boot = self.boot();
        let mut batch = Batch::default().require(Require::BootOpen(boot));
        if !self.is_owning() || !self.holds() {
            batch.ops.push(Op::Beat { boot, at: self.clock.now() });
        }
        (self.own(), batch)
    }

    /// Takes what `claim` selects. A claim that takes something beats.
    ///
    /// # Errors
    /// As [`Store::claim`].
    pub async fn claim(&self, store: &dyn Store, claim: Claim) -> Result<Vec<RunRecord>, CommitError> {
        let began = self.clock.monotonic();
        let taken = store.claim(claim).await?;
        if !taken.is_empty() {
            self.confirm(began);
        }
        Ok(taken)
    }

    /// Begins to beat from a thread of its own, for as long as anything hangs off it.
    ///
    /// # Errors
    /// [`StoreError::Io`] where no thread can be started.
    pub fn start(self: &Arc<Self>, store: Arc<dyn Store>) -> Result<(), StoreError> {
        let heart = Heart::start(self, store)?;
        *self.heart() = Some(heart);
        Ok(())
    }

    /// Beats no more; what still hangs off it is lost once the lease has run out. After the boot has left.
    pub fn rest(&self) {
        let heart = self.heart().take();
        if let Some(heart) = heart {
            heart.rest();
        }
    }

    fn heart(&self) -> MutexGuard<'_, Option<Heart>> {
        self.heart.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_heart(&self) {
        if let Some(heart) = self.heart().as_ref() {
            heart.wake();
        }
    }

    /// How long until the next beat is due.
    fn due_in(&self) -> Duration {
        let due = Duration::from_micros(self.confirmed.load(Ordering::Acquire)) + self.interval();
        due.saturating_sub(self.clock.monotonic())
    }

    /// Whether anything hangs off it.
    pub fn is_owning(&self) -> bool {
        self.owned.load(Ordering::Acquire) > 0
    }

    /// Says that a beat that was begun at `began` on the monotonic clock is durable.
    pub fn confirm(&self, began: Duration) {
        self.confirmed.fetch_max(micros(began), Ordering::AcqRel);
        self.renewed.notify_waiters();
    }

    /// One beat. Where the boot has been buried meanwhile, everything it owned is lost, and it gets up
    /// again for what comes.
    ///
    /// # Errors
    /// [`StoreError`]; the lease runs out if this goes on.
    pub async fn beat(&self, store: &dyn Store) -> Result<Pulse, StoreError> {
        failpoint::reach("beat.before");
        let began = self.clock.monotonic();
        let boot = self.boot();
        let batch = Batch::of([Op::Beat { boot, at: self.clock.now() }]).require(Require::BootOpen(boot));
        match store.commit(batch).await {
            Ok(()) => {
                failpoint::reach("beat.after");
                self.confirm(began);
                Ok(Pulse::Held)
            }
            Err(CommitError::Refused(Refusal::BootEnded(_))) => {
                // First those who own something hear of it, then there is a new life to own things in.
                self.lost.fetch_add(1, Ordering::AcqRel);
                self.mourned.notify_waiters();
                self.rise(store).await?;
                self.confirm(began);
                Ok(Pulse::Lost)
            }
            Err(CommitError::Refused(refusal)) => Err(StoreError::Io(refusal.to_string())),
            Err(CommitError::Store(error)) => Err(error),
        }
    }

    async fn rise(&self, store: &dyn Store) -> Result<(), StoreError> {
        let buried = store.boot(self.boot()).await?;
        // A beat that nobody has seen: who still watches the old one sees it change.
        let beat = buried.map_or(self.record.beat, |buried| buried.beat) + 1;
        let record = BootRecord { beat, beat_at: self.clock.now(), ended_at: None, ..self.record.clone() };
        match store.commit(Batch::of([Op::SetBoot(record)])).await {
            Ok(()) => Ok(()),
            Err(CommitError::Store(error)) => Err(error),
            Err(CommitError::Refused(refusal)) => Err(StoreError::Io(refusal.to_string())),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.rest();
    }
}

/// Something that hangs off a lease; dropping it says that it is owned no more.
#[derive(Debug)]
pub struct Owned(Arc<Lease>);

impl Owned {
    /// The lease it hangs off.
    pub fn lease(&self) -> &Arc<Lease> {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.owned.fetch_sub(1, Ordering::AcqRel);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

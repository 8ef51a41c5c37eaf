//! One delivery in hand, to its end or out of hand.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use oneiric_core::gate::{Denial, Wait};
use oneiric_core::roles::Envelope;
use oneiric_core::{Class, Fault};
use oneiric_store::{
    Batch, CommitError, DeliveryRecord, DeliveryState, DeliveryStatus, EnvelopeRecord, Owned, failpoint,
};
use tokio::sync::{SemaphorePermit, oneshot};
use tracing::Instrument as _;

use super::hand::Hand;
use super::{Courier, tell_waiting};
use crate::call::{Parts, Try, Watch};
use crate::delivery::{self, Ended, Next};
use crate::outcome::Outcome;
use crate::stats::Stats;
use crate::table::Live;

/// A further try that comes sooner than this stays in hand; others wait in the store, where they take no room.
const KEPT: Duration = Duration::from_secs(5);

/// How long a store that fails is left alone before the next attempt to write.
pub(super) const STORE_PAUSE: Duration = Duration::from_secs(1);

/// How long a handler is left alone that goes down while the process does not: it is being replaced, say.
const DOWN_PAUSE: Duration = Duration::from_secs(1);

/// A delivery in hand.
#[derive(Debug)]
pub(super) struct Load {
    pub(super) live: Arc<Live>,
    pub(super) event: Arc<EnvelopeRecord>,
    pub(super) record: DeliveryRecord,
    pub(super) _hand: Hand,
    pub(super) owned: Arc<Owned>,
    /// How often the lease had been lost when this was taken in hand.
    pub(super) losses: u64,
    /// Upstream's span around all tries.
    pub(super) span: tracing::Span,
    /// Who waits for this handler's outcome and for those behind it.
    pub(super) told: Vec<(String, oneshot::Sender<Outcome>)>,
}

impl Load {
    /// Whether somebody still waits for an outcome.
    fn is_awaited(&self) -> bool {
        self.told.iter().any(|(_, tell)| !tell.is_closed())
    }
}

/// It is not in hand any more, and nothing is to be written: somebody else has it, or the process ends.
#[derive(Debug)]
struct Gone;

/// Why a handler is not called after all.
#[derive(Debug)]
enum Halt {
    Gone,
    Expired,
}

impl From<Gone> for Halt {
    fn from(_: Gone) -> Self {
        Halt::Gone
    }
}

impl Load {
    /// Tells whoever waits that somebody else goes on with it.
    fn leave(self) {
        tell_waiting(self.told, self.record.chain, Some(&self.record.handler));
    }
}

impl Courier {
    /// Tries until the delivery is over, or somebody else's.
    pub(super) async fn carry(&self, load: Load) {
        let span = load.span.clone();
        self.tries(load).instrument(span).await;
    }

    async fn tries(&self, mut load: Load) {
        let began = self.clock().monotonic();
        loop {
            let ended = match self.try_once(&mut load).await {
                Ok(ended) => ended,
                Err(Gone) => return load.leave(),
            };
            let took = self.clock().monotonic().saturating_sub(began);
            match self.write(load, ended, took).await {
                Some(again) => load = again,
                None => return,
            }
        }
    }

    async fn try_once(&self, load: &mut Load) -> Result<Ended, Gone> {
        let parts = &self.0.dispatcher.0.parts;
        let wait = load.record.state.due_at.since(parts.clock.now());
        if !wait.is_zero() {
            // Never longer than it can have been meant, should the clock have been set back meanwhile.
            tokio::select! {
                biased;
                () = self.0.stop.cancelled() => return Err(Gone),
                () = parts.clock.sleep(wait.min(KEPT)) => {}
            }
        }
        if load.live.is_paused() {
            tokio::select! {
                () = load.live.buffer.resumed() => {}
                () = self.0.stop.cancelled() => return Err(Gone),
            }
        }
        if load.event.envelope.has_expired(parts.clock.now()) {
            return Ok(Ended::Expired);
        }
        if let Some(fault) = delivery::is_poison(&load.record.state, self.0.parts.max_deliveries) {
            return Ok(Ended::Dead(fault));
        }
        let _alone = if load.record.state.deaths > 0 { Some(self.suspected().await?) } else { None };
        let changes = self.0.changes.load(Ordering::Acquire);
        let watch = Watch::start(&*parts.clock);
        let Load { live, event, record, losses, .. } = &mut *load;
        let mut halt = None;
        let before = async {
            self.ready(&event.envelope, record, *losses).await.map_err(|why| {
                halt = Some(why);
                Fault::shutdown("the handler is not called after all")
            })
        };
        let tried = tokio::select! {
            biased;
            tried = parts.attempt(live, &event.envelope, &watch, before) => tried,
            () = self.0.abort.cancelled() => return Err(Gone),
        };
        match halt {
            Some(Halt::Gone) => return Err(Gone),
            Some(Halt::Expired) => return Ok(Ended::Expired),
            None => failpoint::reach("delivery.after_effect"),
        }
        match tried {
            Try::Ended(Ok(value)) => Ok(Ended::Done(value)),
            Try::Ended(Err(fault)) if fault.class == Class::Shutdown => {
                if self.0.stop.is_cancelled() {
                    return Err(Gone);
                }
                // The handler's own end is none of the process's, and says nothing about the event.
                tracing::debug!(%fault, handler = record.handler, "a handler went down; its event waits");
                Ok(Ended::Unasked(parts.clock.now().after(DOWN_PAUSE)))
            }
            Try::Ended(Err(fault)) => {
                let attempts = record.state.attempts.saturating_add(1);
                match parts.again(live, &fault, attempts) {
                    Some(delay) => Ok(Ended::Again(fault, delay)),
                    None => Ok(Ended::Dead(fault)),
                }
            }
            Try::Denied(denial) => Ok(self.denied(load, denial, changes)),
        }
    }

    /// The right to carry out a delivery over which a process has died.
    async fn suspected(&self) -> Result<SemaphorePermit<'_>, Gone> {
        tokio::select! {
            biased;
            () = self.0.stop.cancelled() => Err(Gone),
            permit = self.0.suspect.acquire() => permit.map_err(|_closed| Gone),
        }
    }

    /// Right before the handler is called: where an owner died with it in hand before, it is on record that this
    /// one begins; the process still owns the delivery, and the event is still of use.
    async fn ready(&self, envelope: &Envelope, record: &mut DeliveryRecord, losses: u64) -> Result<(), Halt> {
        if record.state.epoch > 0 {
            let begun = delivery::begun(&record.state, self.clock().now());
            let (batch, _) = delivery::write(record, begun.clone(), begun.at, |_| None);
            self.commit(batch).await?;
            record.state = begun;
        }
        // The last of all: the answer of the store may have come late, and so may a slot.
        let lease = &self.0.parts.lease;
        if !lease.holds() {
            tokio::select! {
                biased;
                () = lease.hold() => {}
                () = self.0.stop.cancelled() => {}
            }
        }
        if lease.losses() != losses || self.0.stop.is_cancelled() {
            return Err(Halt::Gone);
        }
        if envelope.has_expired(self.clock().now()) {
            return Err(Halt::Expired);
        }
        failpoint::reach("delivery.before_effect");
        Ok(())
    }

    /// The gate said no: nothing more is taken for the handler until that may have changed.
    fn denied(&self, load: &Load, denial: Denial, changes: u64) -> Ended {
        let now = self.clock().now();
        if load.event.envelope.has_expired(now) {
            return Ended::Expired;
        }
        let (until, due) = match denial.wait {
            Wait::Never => return Ended::Dead(denial.into()),
            Wait::Until(at) => (Some(at), at),
            Wait::Change => (None, now),
        };
        let mut shut = self.shut();
        // What has changed since it was asked is not known to have been refused.
        if self.0.changes.load(Ordering::Acquire) == changes {
            shut.insert(load.record.handler.clone(), until);
        }
        Ended::Unasked(due)
    }

    /// Writes how it ended, and tells whoever waits. The delivery where it stays in hand.
    async fn write(&self, mut load: Load, ended: Ended, took: Duration) -> Option<Load> {
        let now = self.clock().now();
        let me = self.0.parts.lease.boot();
        let keep = match &ended {
            Ended::Again(_, delay) if *delay < KEPT => Some(me),
            Ended::Again(..) | Ended::Done(_) | Ended::Dead(_) | Ended::Expired | Ended::Unasked(_) => None,
        };
        let state = delivery::after(&load.record.state, ended, now, took, keep);
        let mut hand = None;
        let (batch, next) = delivery::write(&load.record, state.clone(), now, |name| {
            hand = self.next_in_hand(&load.record, name);
            hand.as_ref().map(|_| me)
        });
        if self.commit(batch).await.is_err() {
            load.leave();
            return None;
        }
        self.count(&load, &state, took);
        load.record.state = state;
        if keep.is_some() {
            return Some(load);
        }
        let told = std::mem::take(&mut load.told);
        let mut behind = Vec::new();
        for (name, tell) in told {
            if name == load.record.handler {
                // Whoever waited may have given up.
                let _ = tell.send(Outcome { took, ..Outcome::of(&load.record) });
            } else {
                behind.push((name, tell));
            }
        }
        match (next, hand) {
            (Some(next), Some((live, hand))) => self.go_on(&load, next, live, hand, behind),
            (next, _) => {
                // Somebody else goes on with it, or this process once there is reason to: it is free.
                if next.is_some() || !load.record.state.status.is_over() {
                    self.nudge();
                }
                tell_waiting(behind, load.record.chain, next.as_ref().map(|next| &*next.handler));
            }
        }
        None
    }

    /// The next one of a chain, where this process sees to it without asking the store. Only where the chain has
    /// never left it: otherwise somebody else may have seen to the next one already, which a claim would show.
    fn next_in_hand(&self, front: &DeliveryRecord, name: &str) -> Option<(Arc<Live>, Hand)> {
        if front.state.epoch > 0 || self.0.stop.is_cancelled() {
            return None;
        }
        let table = self.0.dispatcher.table();
        let live = table.named(name)?;
        Some((Arc::clone(live), self.0.hands.take_over(live, &front.event, 0)))
    }

    /// It is another handler's turn.
    fn go_on(
        &self,
        load: &Load,
        next: Next,
        live: Arc<Live>,
        hand: Hand,
        told: Vec<(String, oneshot::Sender<Outcome>)>,
    ) {
        let record = DeliveryRecord {
            handler: next.handler,
            behind: next.behind,
            state: next.state,
            ..load.record.clone()
        };
        self.spawn(Load {
            _hand: hand,
            span: Parts::span(&live, &load.event.envelope),
            live,
            event: Arc::clone(&load.event),
            record,
            owned: Arc::clone(&load.owned),
            losses: load.losses,
            told,
        });
    }

    fn count(&self, load: &Load, state: &DeliveryState, took: Duration) {
        let stats = &load.live.stats;
        let result = match state.status {
            DeliveryStatus::Done => Ok(state.value.clone()),
            DeliveryStatus::Dead => {
                Stats::count(&stats.dead);
                if let Some(fault) = state.fault.as_ref().filter(|_| !load.is_awaited()) {
                    let (event, handler) = (&load.record.event, &load.record.handler);
                    tracing::warn!(%event, handler, %fault, "an event became a dead letter");
                }
                Err(state.fault.clone().unwrap_or_else(|| Fault::permanent("dead", "failed")))
            }
            DeliveryStatus::Expired => {
                Stats::count(&stats.expired);
                return;
            }
            DeliveryStatus::Held
            | DeliveryStatus::Pending
            | DeliveryStatus::Running
            | DeliveryStatus::Skipped => return,
        };
        stats.ended(result.is_ok(), state.attempts, took);
        Parts::tell(&load.span, result.as_ref().map(|_| ()), state.attempts, took);
    }

    /// Gives a delivery back that was taken and cannot be seen to here.
    pub(super) fn give_back(&self, record: DeliveryRecord) {
        let courier = self.clone();
        self.0.tasks.spawn(async move {
            let batch = Batch::giving_back_delivery(record.event, record.handler, record.state.epoch);
            // Where it is not given back, whoever has it by now does as well.
            let _ = courier.commit(batch).await;
        });
    }

    /// Writes, again and again while the store fails: what a handler did is not to be forgotten. `Gone` where
    /// somebody else has the delivery, or the process ends.
    async fn commit(&self, batch: Batch) -> Result<(), Gone> {
        loop {
            match self.0.parts.store.commit(batch.clone()).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Refused(refusal)) => {
                    tracing::debug!(%refusal, "a delivery is somebody else's by now");
                    return Err(Gone);
                }
                Err(CommitError::Store(error)) => {
                    tracing::error!(%error, "what became of an event cannot be written; trying again");
                    tokio::select! {
                        biased;
                        () = self.0.stop.cancelled() => return Err(Gone),
                        () = self.clock().sleep(STORE_PAUSE) => {}
                    }
                }
            }
        }
    }
}

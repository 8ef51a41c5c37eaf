//! One delivery in hand, to its end or out of hand.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use oneiric_core::gate::{Denial, Wait};
use oneiric_core::{Class, Fault};
use oneiric_store::{
    Batch, CommitError, DeliveryRecord, DeliveryState, DeliveryStatus, EnvelopeRecord, Op, Owned, Require,
    failpoint,
};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::Courier;
use super::hand::Hand;
use crate::call::{Parts, Try, Watch};
use crate::delivery::{self, Ended, Next};
use crate::outcome::Outcome;
use crate::stats::Stats;
use crate::table::Live;

/// A further try that comes sooner than this stays in hand; others wait in the store, where they take no room.
const KEPT: Duration = Duration::from_secs(5);

/// How long a store that fails is left alone before the next attempt to write.
const STORE_PAUSE: Duration = Duration::from_secs(1);

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

/// It is not in hand any more, and nothing is to be written: somebody else has it, or the process ends.
struct Gone;

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
                Err(Gone) => return,
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
                () = parts.clock.sleep(wait.min(KEPT)) => {}
                () = self.0.stop.cancelled() => return Err(Gone),
            }
        }
        if load.event.envelope.has_expired(parts.clock.now()) {
            return Ok(Ended::Expired);
        }
        if let Some(fault) = delivery::is_poison(&load.record.state, self.0.parts.max_deliveries) {
            return Ok(Ended::Dead(fault));
        }
        let changes = self.0.changes.load(Ordering::Acquire);
        let watch = Watch::start(&*parts.clock);
        let Load { live, event, record, losses, .. } = &mut *load;
        let before = self.ready(record, *losses);
        let tried = tokio::select! {
            biased;
            tried = parts.attempt(live, &event.envelope, &watch, before) => tried,
            () = self.0.abort.cancelled() => return Err(Gone),
        };
        failpoint::reach("delivery.after_effect");
        match tried {
            Try::Ended(Ok(value)) => Ok(Ended::Done(value)),
            Try::Ended(Err(fault)) if fault.class == Class::Shutdown => Err(Gone),
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

    /// Right before the handler is called: the process still owns the delivery, and where an owner died over it
    /// before, it is on record that this one begins.
    async fn ready(&self, record: &mut DeliveryRecord, losses: u64) -> Result<(), Fault> {
        let lease = &self.0.parts.lease;
        if !lease.holds() {
            tokio::select! {
                biased;
                () = lease.hold() => {}
                () = self.0.abort.cancelled() => {}
            }
        }
        if lease.losses() != losses {
            return Err(Fault::shutdown("the delivery was lost before the call"));
        }
        if self.0.stop.is_cancelled() {
            return Err(Fault::shutdown("the process went down before the call"));
        }
        if record.state.epoch > 0 {
            let begun = delivery::begun(&record.state, self.clock().now());
            let (batch, _) = delivery::write(record, begun.clone(), begun.at, |_| None);
            self.commit(batch)
                .await
                .map_err(|Gone| Fault::shutdown("the delivery was lost before the call"))?;
            record.state = begun;
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
        let table = self.0.dispatcher.table();
        let known = |name: &str| table.named(name).map(|_| me);
        let (batch, next) = delivery::write(&load.record, state.clone(), now, known);
        if self.commit(batch).await.is_err() {
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
        match next {
            Some(next) => self.go_on(&load, next, behind),
            // Somebody else goes on with it, or this process once there is reason to: it is free.
            None if !load.record.state.status.is_over() => self.nudge(),
            None => {}
        }
        None
    }

    /// It is another handler's turn.
    fn go_on(&self, load: &Load, next: Next, told: Vec<(String, oneshot::Sender<Outcome>)>) {
        let table = self.0.dispatcher.table();
        let live = table.named(&next.handler).filter(|_| next.state.owner.is_some());
        let Some(live) = live else {
            self.nudge();
            return;
        };
        let record = DeliveryRecord {
            handler: next.handler,
            behind: next.behind,
            state: next.state,
            ..load.record.clone()
        };
        self.spawn(Load {
            _hand: Hand::over(live, &self.0.bell, self.0.parts.in_hand),
            span: Parts::span(live, &load.event.envelope),
            live: Arc::clone(live),
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
                if let Some(fault) = state.fault.as_ref().filter(|_| load.told.is_empty()) {
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
            let state = DeliveryState { owner: None, ..record.state.clone() };
            let fence = Require::DeliveryEpoch {
                event: record.event.clone(),
                handler: record.handler.clone(),
                epoch: record.state.epoch,
            };
            let (event, handler) = (record.event, record.handler);
            let set = Op::SetDelivery { event, handler, state: Box::new(state) };
            // Where it is not given back, whoever has it by now does as well.
            let _ = courier.commit(Batch::of([set]).require(fence)).await;
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
                        () = self.clock().sleep(STORE_PAUSE) => {}
                        () = self.0.stop.cancelled() => return Err(Gone),
                    }
                }
            }
        }
    }
}

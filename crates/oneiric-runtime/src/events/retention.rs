//! The log of events is kept short: what is old and done with goes.

use std::sync::{Arc, Weak};
use std::time::Duration;

use oneiric_core::Clock;
use oneiric_core::roles::EventId;
use oneiric_events::delivery;
use oneiric_events::retention::{Kept, kept, unknown_handler};
use oneiric_store::{
    Batch, CommitError, DeliveryRecord, DeliveryState, DeliveryStatus, EnvelopeFilter, Op, Order, Require,
    Store,
};

use super::walk::with_deliveries;
use crate::error::Error;
use crate::oneiric::{Inner, Oneiric};

/// Events that are looked at together: what goes of them goes in one transaction.
const PAGE: usize = 100;

/// Events that are looked at before others have their turn on the disk.
const ROUND: usize = 1000;

/// How long others have it.
const BREATH: Duration = Duration::from_secs(1);

/// How long nothing is looked at where there was nothing more to do.
const REST: Duration = Duration::from_secs(3600);

/// What has gone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tidied {
    /// Events that were dropped with their deliveries.
    pub dropped: u64,
    /// Deliveries that became dead letters, because nobody has known their handler for too long.
    pub unknown: u64,
}

/// Where a pass through the log stands.
#[derive(Debug, Default)]
struct Pass {
    after: u64,
    tidied: Tidied,
}

/// Keeps the log short from now on. Runs until it is dropped, or the orchestrator is gone.
pub(crate) async fn tend(inner: Weak<Inner>, clock: Arc<dyn Clock>) {
    let mut pass = Pass::default();
    loop {
        let Some(inner) = inner.upgrade() else { return };
        let oneiric = Oneiric(inner);
        let next = match oneiric.tidy_round(&mut pass).await {
            Ok(true) => BREATH,
            Ok(false) => {
                let Pass { tidied, .. } = std::mem::take(&mut pass);
                if tidied != Tidied::default() {
                    let Tidied { dropped, unknown } = tidied;
                    tracing::info!(dropped, unknown, "old events have gone from the log");
                }
                REST
            }
            Err(error) => {
                tracing::warn!(%error, "old events cannot be dropped");
                pass = Pass::default();
                REST
            }
        };
        drop(oneiric);
        clock.sleep(next).await;
    }
}

impl Oneiric {
    /// Drops what is older than the setting `event_delivery.keep_seconds` and done with, with its deliveries. A
    /// process that serves does so by itself.
    ///
    /// A delivery that has waited as long for a handler which neither this process nor another one that serves
    /// may know becomes a dead letter.
    ///
    /// # Errors
    /// [`Error::Store`]; what had gone by then is gone.
    pub async fn tidy_events(&self) -> Result<Tidied, Error> {
        let mut pass = Pass::default();
        while self.tidy_round(&mut pass).await? {}
        Ok(pass.tidied)
    }

    /// Some of it; whether there may be more.
    async fn tidy_round(&self, pass: &mut Pass) -> Result<bool, Error> {
        let store = self.store();
        let keep = self.settings().event_delivery.keep_seconds.duration();
        let subscriptions = self.dispatcher().subscriptions();
        // What another one knows cannot be seen from here.
        let alone = !self.others_serve().await?;
        let is_known = |name: &str| !alone || subscriptions.iter().any(|one| &*one.name == name);
        for _ in 0..ROUND / PAGE {
            let filter =
                EnvelopeFilter { after: Some(pass.after), ..EnvelopeFilter::all(Order::Oldest, PAGE) };
            let page = with_deliveries(&**store, store.envelopes(filter).await?).await?;
            let (read, mut old) = (page.len(), Vec::new());
            for logged in page {
                let now = self.executor().parts().clock.now();
                match kept(&logged.event, &logged.deliveries, keep, now, is_known) {
                    Kept::Young => {
                        pass.tidied.dropped += drop_all(&**store, old).await?;
                        return Ok(false);
                    }
                    Kept::Needed => {}
                    Kept::Old => old.push(logged.event.id),
                    Kept::Unknown(lost) => {
                        for delivery in lost {
                            pass.tidied.unknown += u64::from(self.give_up_unknown(&delivery).await?);
                        }
                    }
                }
                pass.after = logged.event.n;
            }
            pass.tidied.dropped += drop_all(&**store, old).await?;
            if read < PAGE {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn others_serve(&self) -> Result<bool, Error> {
        let me = self.executor().parts().lease.boot();
        let boots = self.store().boots().await?;
        Ok(boots.iter().any(|seen| seen.boot.serves && !seen.dead && seen.boot.id != me))
    }

    /// A dead letter of a delivery whose handler nobody knows; whether it was still waiting.
    async fn give_up_unknown(&self, delivery: &DeliveryRecord) -> Result<bool, Error> {
        let now = self.executor().parts().clock.now();
        let fault = unknown_handler(&delivery.handler);
        let (event, handler) = (&delivery.event, &delivery.handler);
        tracing::warn!(%event, handler, %fault, "an event became a dead letter");
        let state = DeliveryState {
            status: DeliveryStatus::Dead,
            fault: Some(fault),
            at: now,
            ..delivery.state.clone()
        };
        let (batch, next) = delivery::write(delivery, state, now, |_| None);
        match self.store().commit(batch).await {
            Ok(()) => {
                if next.is_some() {
                    self.0.courier.nudge();
                }
                Ok(true)
            }
            // Somebody knows it after all.
            Err(CommitError::Refused(_)) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Drops events together; one by one where one of them is on its way again. How many have gone.
async fn drop_all(store: &dyn Store, old: Vec<EventId>) -> Result<u64, Error> {
    let going =
        |id: &EventId| Batch::of([Op::DropEnvelope(id.clone())]).require(Require::EventSettled(id.clone()));
    if old.is_empty() {
        return Ok(0);
    }
    let all = old.iter().map(going).fold(Batch::default(), Batch::and);
    match store.commit(all).await {
        Ok(()) => return Ok(old.len() as u64),
        Err(CommitError::Refused(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let mut gone = 0;
    for id in &old {
        match store.commit(going(id)).await {
            Ok(()) => gone += 1,
            Err(CommitError::Refused(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(gone)
}

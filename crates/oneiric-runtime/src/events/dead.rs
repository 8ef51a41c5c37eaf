//! Dead letters that nobody wants any more.

use oneiric_core::Fault;
use oneiric_events::Repeat;
use oneiric_store::{
    Batch, CommitError, DeliveryRecord, DeliveryState, DeliveryStatus, Op, Refusal, Require,
};

use super::walk::{EventSelection, Walk};
use crate::error::Error;
use crate::oneiric::Oneiric;

/// The code of the fault of a delivery that a person gave up.
pub const DROPPED: &str = "dropped";

impl Oneiric {
    /// Gives dead letters up: they are skipped, and are not dead letters any more. Their events stay, so that a
    /// replay which repeats what is over can still bring them back. How many there were.
    ///
    /// # Errors
    /// [`Error::UnknownEvent`]; then nothing was done. [`Error::Store`].
    pub async fn drop_dead_letters(&self, of: EventSelection) -> Result<u64, Error> {
        let store = self.store();
        let mut walk = Walk::begin(&**store, of.clone(), Repeat::Dead).await?;
        let mut dropped = 0;
        loop {
            let page = walk.next(&**store).await?;
            if page.is_empty() {
                return Ok(dropped);
            }
            let is_meant = |delivery: &DeliveryRecord| {
                delivery.state.status == DeliveryStatus::Dead
                    && (of.handlers.is_empty() || of.handlers.contains(&delivery.handler))
            };
            let deliveries = page.into_iter().flat_map(|logged| logged.deliveries);
            for delivery in deliveries.filter(is_meant) {
                match store.commit(self.given_up(delivery)).await {
                    Ok(()) => dropped += 1,
                    // It goes again, or is gone.
                    Err(CommitError::Refused(
                        Refusal::StaleDelivery { .. } | Refusal::DeliveryMissing { .. },
                    )) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    fn given_up(&self, delivery: DeliveryRecord) -> Batch {
        let fence = Require::DeliveryEpoch {
            event: delivery.event.clone(),
            handler: delivery.handler.clone(),
            epoch: delivery.state.epoch,
        };
        let why = delivery.state.fault.as_ref().map_or("unknown", |fault| &fault.message);
        let fault = Fault::permanent(DROPPED, format!("given up by a person; it had failed: {why}"));
        let state = DeliveryState {
            status: DeliveryStatus::Skipped,
            fault: Some(fault),
            at: self.executor().parts().clock.now(),
            ..delivery.state.clone()
        };
        let renewed = DeliveryRecord { state, ..delivery };
        Batch::of([Op::RenewDelivery(Box::new(renewed))]).require(fence)
    }
}

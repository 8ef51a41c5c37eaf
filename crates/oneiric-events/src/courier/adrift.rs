//! Deliveries that this process owns and nobody in it sees to: their acceptance or their claim became durable, and
//! the answer was lost.

use oneiric_core::roles::EventId;
use oneiric_store::{Batch, CommitError, DeliveryFilter, StoreError};
use tokio::runtime::Handle;

use super::Courier;
use super::carry::STORE_PAUSE;

/// An event that may have been accepted without this process's knowing: its store failed, or whoever emitted it
/// did not wait for the answer. Unless it is told otherwise, it looks.
#[derive(Debug)]
pub(super) struct Unheard<'a> {
    courier: &'a Courier,
    event: Option<EventId>,
}

impl<'a> Unheard<'a> {
    pub(super) fn of(courier: &'a Courier, event: &EventId) -> Self {
        Self { courier, event: Some(event.clone()) }
    }

    /// The answer is there.
    pub(super) fn heard(mut self) {
        self.event = None;
    }
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        // Where no runtime is left, the end of the process frees them.
        let (Some(event), Ok(runtime)) = (self.event.take(), Handle::try_current()) else { return };
        let courier = self.courier.clone();
        self.courier.0.tasks.spawn_on(async move { courier.find(event).await }, &runtime);
    }
}

impl Courier {
    /// Gives back what was accepted of an event without this process's knowing, as soon as the store answers.
    async fn find(&self, event: EventId) {
        let filter = DeliveryFilter { events: vec![event], ..self.owned() };
        while let Err(error) = self.let_go(filter.clone()).await {
            tracing::warn!(%error, "cannot see whether an event was accepted; trying again");
            tokio::select! {
                biased;
                // What is still owned is free once the process has left.
                () = self.0.stop.cancelled() => return,
                () = self.clock().sleep(STORE_PAUSE) => {}
            }
        }
    }

    /// Gives back whatever this process owns and does not have in hand. Costs a read where there is nothing.
    pub(super) async fn let_go_of_all(&self) -> Result<(), StoreError> {
        let owned = self.0.parts.store.deliveries(self.owned()).await?;
        if owned.iter().all(|(_, record)| self.0.hands.holds(record)) {
            return Ok(());
        }
        self.let_go(self.owned()).await
    }

    async fn let_go(&self, filter: DeliveryFilter) -> Result<(), StoreError> {
        let (store, lease) = (&self.0.parts.store, &self.0.parts.lease);
        // Batches are applied in the order of the calls: once this beat is durable, nothing that was put in line
        // before it is still on its way, and what is read now is how it stands.
        lease.beat(&**store).await?;
        for (_, record) in store.deliveries(filter).await? {
            // What was in hand when this was read may be done with by now; then giving it back changes nothing.
            if self.0.hands.holds(&record) {
                continue;
            }
            let (event, handler, epoch) = (record.event, record.handler, record.state.epoch);
            tracing::warn!(%event, handler, "an event of this process that nobody sees to is given back");
            match store.commit(Batch::giving_back_delivery(event, handler, epoch)).await {
                Ok(()) | Err(CommitError::Refused(_)) => self.nudge(),
                Err(CommitError::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn owned(&self) -> DeliveryFilter {
        DeliveryFilter::owned_by(self.0.parts.lease.boot())
    }
}

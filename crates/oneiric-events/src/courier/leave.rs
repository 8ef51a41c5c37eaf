//! An event that is accepted here and taken to its handlers elsewhere.

use oneiric_store::{Batch, CommitError, DeliveryRecord, EnvelopeRecord, failpoint};

use super::Courier;
use crate::accept::accept_stored;
use crate::plan::Plan;

impl Courier {
    /// Stores an event with its deliveries, together with `with`, and takes none of them in hand: they are free
    /// for whoever serves. When this returns, it is durable. Handlers that are promised nothing do not get it.
    ///
    /// # Errors
    /// [`CommitError::Refused`] with [`oneiric_store::Refusal::EventExists`] where it was accepted before, or as
    /// `with` requires; [`CommitError::Store`]. Then nothing happened.
    pub async fn leave(
        &self,
        plan: &Plan,
        record: EnvelopeRecord,
        with: Batch,
    ) -> Result<Vec<DeliveryRecord>, CommitError> {
        let now = self.clock().now();
        let acceptance = accept_stored(&plan.table, &plan.split.stored, record, now, |_| None);
        self.0.parts.store.commit(acceptance.batch.and(with)).await?;
        failpoint::reach("event.accepted");
        self.nudge();
        Ok(acceptance.deliveries)
    }
}

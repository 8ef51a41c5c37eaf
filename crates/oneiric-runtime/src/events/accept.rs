//! Events that somebody else takes to their handlers.

use oneiric_core::roles::{DeliveryMode, Envelope};
use oneiric_events::{Dispatched, Outcome};
use oneiric_store::{CommitError, Refusal};

use super::emit::Ready;
use super::report::EventReport;
use super::trigger::Starts;
use crate::error::Error;
use crate::oneiric::Oneiric;

impl Oneiric {
    /// Accepts an event without taking it to anybody: it is stored, at least once, with a delivery for each
    /// handler and with the runs that it starts, and whoever serves goes on from there. When this returns, that
    /// is durable. The results say of every handler that the event waits for it.
    ///
    /// # Errors
    /// [`Error::Envelope`] for one that is too large or whose id is none; [`Error::Store`]. Then it was not
    /// accepted.
    pub async fn accept(&self, envelope: Envelope) -> Result<EventReport, Error> {
        let envelope = Envelope { delivery: Some(DeliveryMode::AtLeastOnce), ..envelope };
        let Ready { plan, record, starts } = self.ready(envelope)?;
        let Starts { batch, runs, unstarted } = starts;
        let (id, topic) = (record.id.clone(), record.envelope.topic.clone());
        match self.0.courier.leave(&plan, record, batch).await {
            Ok(deliveries) => {
                self.offer().await;
                let results = deliveries.iter().map(Outcome::of).collect();
                let dispatched = Dispatched { topic, event_id: Some(id), results };
                Ok(EventReport { dispatched, stored: true, duplicate: false, runs, unstarted })
            }
            Err(CommitError::Refused(Refusal::EventExists(_))) => {
                let dispatched = self.dispatched(id, topic).await?;
                Ok(EventReport::known(dispatched))
            }
            Err(error) => Err(error.into()),
        }
    }
}

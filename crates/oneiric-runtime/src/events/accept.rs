//! Events that somebody else takes to their handlers.

use oneiric_core::roles::{DeliveryMode, Envelope};
use oneiric_events::{Courier, Dispatched, Outcome, Plan};
use oneiric_store::{CommitError, Refusal};

use super::report::EventReport;
use crate::error::Error;
use crate::oneiric::Oneiric;

impl Oneiric {
    /// Accepts an event without taking it to anybody: it is stored, at least once, with a delivery for each
    /// handler, with the runs that it starts and what triggers keep of it, and whoever serves goes on from there.
    /// When this returns, that is durable. The results say of every handler that the event waits for it.
    ///
    /// # Errors
    /// [`Error::Envelope`] for one that is too large or whose id is none; [`Error::Store`]. Then it was not
    /// accepted.
    pub async fn accept(&self, envelope: Envelope) -> Result<EventReport, Error> {
        let envelope = Envelope { delivery: Some(DeliveryMode::AtLeastOnce), ..envelope };
        let record = self.ready(envelope)?;
        let (id, topic) = (record.id.clone(), record.envelope.topic.clone());
        let put = |courier: Courier, plan: Plan, record, with| async move {
            courier.leave(&plan, record, with).await
        };
        match self.enter(record, put).await {
            Ok((deliveries, starts)) => {
                self.offer().await;
                let results = deliveries.iter().map(Outcome::of).collect();
                Ok(starts.report(Dispatched { topic, event_id: Some(id), results }))
            }
            Err(CommitError::Refused(Refusal::EventExists(_))) => {
                let dispatched = self.dispatched(id, topic).await?;
                Ok(EventReport::known(dispatched))
            }
            Err(error) => Err(error.into()),
        }
    }
}

//! Events on their way in.

use std::time::Duration;

use oneiric_core::roles::{Envelope, EventId, Topic};
use oneiric_events::{Dispatched, Emitted, Outcome, Plan, stamp};
use oneiric_store::{CommitError, DeliveryFilter, EnvelopeRecord, Refusal};

use super::report::EventReport;
use super::trigger::Starts;
use crate::error::Error;
use crate::oneiric::Oneiric;

/// An event, ready to go.
pub(super) struct Ready {
    pub(super) plan: Plan,
    pub(super) record: EnvelopeRecord,
    pub(super) starts: Starts,
}

impl Oneiric {
    /// Gives an event to everybody who wants it, and waits for all of them, at most `limit`.
    ///
    /// It is stored first where it says so, where a handler is promised it, or where it starts a workflow: in one
    /// transaction with its deliveries and with the runs that it starts. A stored event that was emitted before,
    /// by its id, does nothing: its report is that of then. Runs that it starts are carried out by whoever serves.
    ///
    /// What a handler does is in its result and touches no other. Dropping the future loses nothing that was
    /// promised.
    ///
    /// # Errors
    /// [`Error::Envelope`] for one that is too large or whose id is none; [`Error::Store`]. Then no handler
    /// has it.
    pub async fn emit_and_wait(&self, envelope: Envelope, limit: Duration) -> Result<EventReport, Error> {
        let Ready { plan, record, starts } = self.ready(envelope)?;
        let (id, topic) = (record.id.clone(), record.envelope.topic.clone());
        let Starts { batch, runs, unstarted } = starts;
        let started = !runs.is_empty();
        let emitted = self.0.courier.emit_and_wait(plan, record, batch, limit).await;
        let Emitted { dispatched, stored } = match emitted {
            Ok(emitted) => emitted,
            Err(CommitError::Refused(Refusal::EventExists(_))) => {
                return Ok(EventReport::known(self.dispatched(id, topic).await?));
            }
            Err(error) => return Err(error.into()),
        };
        if started {
            self.offer().await;
        }
        Ok(EventReport { dispatched, stored, duplicate: false, runs, unstarted })
    }

    /// What has become of a stored event by now, as the store says.
    pub(super) async fn dispatched(&self, id: EventId, topic: Topic) -> Result<Dispatched, Error> {
        let known = self.store().deliveries(DeliveryFilter::of(id.clone())).await?;
        let results = known.iter().map(|(_, delivery)| Outcome::of(delivery)).collect();
        Ok(Dispatched { topic, event_id: Some(id), results })
    }

    /// Checks an event, and says in its headers what its emitter does not: `event_id`, `source`, `version` and
    /// `timestamp`. Returns its id; an event that has been here keeps it.
    ///
    /// # Errors
    /// [`Error::Envelope`] for one that is too large or whose id is none.
    pub fn stamp(&self, envelope: &mut Envelope) -> Result<EventId, Error> {
        envelope.check()?;
        let now = self.executor().parts().clock.now();
        Ok(stamp(envelope, &self.settings().app.name, now, self.chance()))
    }

    pub(super) fn ready(&self, mut envelope: Envelope) -> Result<Ready, Error> {
        let id = self.stamp(&mut envelope)?;
        let now = self.executor().parts().clock.now();
        let plan = self.0.dispatcher.plan(&envelope);
        let starts = self.triggered(&plan, &envelope);
        Ok(Ready { plan, record: EnvelopeRecord::new(id, envelope, now), starts })
    }
}

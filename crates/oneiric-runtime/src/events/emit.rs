//! Events on their way in.

use std::time::Duration;

use oneiric_core::roles::{Envelope, EventId, Topic};
use oneiric_events::{Dispatched, Emitted, Outcome, Passed, Plan, stamp};
use oneiric_store::{CommitError, DeliveryFilter, EnvelopeRecord, Refusal};

use super::report::{Accepted, EventReport};
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
    /// Gives an event to everybody who wants it, and waits for none of them: fire and forget.
    ///
    /// It is stored first where it says so, where a handler is promised it, or where it starts a workflow: in one
    /// transaction with its deliveries and with the runs that it starts. When this returns, that is durable. For
    /// everybody else it is in the buffer of the subscription, or was dropped or refused: the answer says by how
    /// many. A stored event that was emitted before, by its id, does nothing.
    ///
    /// Who has no room and whose policy is to block holds the emitter up, at most for as long as a call of the
    /// handler may take; nobody else does. Dropping the future loses nothing that was promised.
    ///
    /// ```
    /// use std::time::Duration;
    /// use oneiric_core::Fault;
    /// use oneiric_core::roles::Envelope;
    /// use oneiric_runtime::{Oneiric, typed};
    /// use serde_json::json;
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Order { id: u64 }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (told, mut paid) = tokio::sync::mpsc::channel(8);
    /// let oneiric = Oneiric::builder().start().await?;
    /// oneiric.on("order.*", typed(move |order: Order| {
    ///     let told = told.clone();
    ///     async move { told.send(order.id).await.map_err(|_| Fault::permanent("gone", "nobody listens")) }
    /// }))?;
    /// let accepted = oneiric.emit(Envelope::new("order.paid".parse()?, json!({"id": 7}))).await?;
    /// assert_eq!((accepted.handlers, accepted.stored), (1, false));
    /// assert_eq!(paid.recv().await, Some(7));
    /// # oneiric.shutdown(Duration::from_secs(5)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Envelope`] for one that is too large or whose id is none; [`Error::Store`]. Then no handler
    /// has it.
    pub async fn emit(&self, envelope: Envelope) -> Result<Accepted, Error> {
        let Ready { plan, record, starts } = self.ready(envelope)?;
        let event_id = record.id.clone();
        let Starts { batch, runs, unstarted } = starts;
        let accepted = match self.0.courier.emit(plan, record, batch).await {
            Ok(accepted) => accepted,
            Err(CommitError::Refused(Refusal::EventExists(_))) => {
                return Ok(Accepted { stored: true, duplicate: true, ..Accepted::nothing(event_id) });
            }
            Err(error) => return Err(error.into()),
        };
        if !runs.is_empty() {
            self.offer().await;
        }
        let oneiric_events::Accepted { stored, promised, passed } = accepted;
        let Passed { taken, overflowed, refused } = passed;
        let nothing = Accepted::nothing(event_id);
        let handlers = promised + taken;
        Ok(Accepted { stored, handlers, overflowed, refused, runs, unstarted, ..nothing })
    }

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
        let (Emitted { dispatched, stored }, duplicate) = match emitted {
            Ok(emitted) => (emitted, false),
            Err(CommitError::Refused(Refusal::EventExists(_))) => {
                (Emitted { dispatched: self.dispatched(id, topic).await?, stored: true }, true)
            }
            Err(error) => return Err(error.into()),
        };
        if duplicate {
            return Ok(EventReport::stored(dispatched, duplicate));
        }
        if started {
            self.offer().await;
        }
        Ok(EventReport { dispatched, stored, duplicate, runs, unstarted })
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
        let record = EnvelopeRecord::new(id, envelope, now);
        let starts = self.triggered(&plan, &record);
        Ok(Ready { plan, record, starts })
    }
}

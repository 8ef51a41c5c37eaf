//! Events on their way in.

use std::time::Duration;

use oneiric_core::roles::{Envelope, EventId, Topic};
use oneiric_events::{Courier, Dispatched, Emitted, Outcome, Passed, Plan, stamp};
use oneiric_store::{Batch, CommitError, DeliveryFilter, EnvelopeRecord, Refusal};

use super::report::{Accepted, EventReport};
use super::trigger::Starts;
use super::windows::RACES;
use crate::error::Error;
use crate::oneiric::Oneiric;

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
        let record = self.ready(envelope)?;
        let nothing = Accepted::nothing(record.id.clone());
        let put =
            |courier: Courier, plan, record, with| async move { courier.enter(plan, record, with).await };
        let (entered, starts) = match self.enter(record, put).await {
            Ok(entered) => entered,
            Err(CommitError::Refused(Refusal::EventExists(_))) => {
                return Ok(Accepted { stored: true, duplicate: true, ..nothing });
            }
            Err(error) => return Err(error.into()),
        };
        let Starts { runs, waiting, unstarted, .. } = starts;
        let accepted = self.0.courier.pass(entered).await;
        let oneiric_events::Accepted { stored, promised, passed } = accepted;
        let Passed { taken, overflowed, refused } = passed;
        let handlers = promised + taken;
        Ok(Accepted { stored, handlers, overflowed, refused, runs, waiting, unstarted, ..nothing })
    }

    /// Gives an event to everybody who wants it, and waits for all of them, at most `limit`.
    ///
    /// It is stored first where it says so, where a handler is promised it, or where it starts a workflow: in one
    /// transaction with its deliveries, with the runs that it starts, and with what triggers keep of it. A stored
    /// event that was emitted before, by its id, does nothing: its report is that of then. Runs that it starts
    /// are carried out by whoever serves, and so are those that it will start later.
    ///
    /// What a handler does is in its result and touches no other. Dropping the future loses nothing that was
    /// promised.
    ///
    /// # Errors
    /// [`Error::Envelope`] for one that is too large or whose id is none; [`Error::Store`]. Then no handler
    /// has it.
    pub async fn emit_and_wait(&self, envelope: Envelope, limit: Duration) -> Result<EventReport, Error> {
        let record = self.ready(envelope)?;
        let (id, topic) = (record.id.clone(), record.envelope.topic.clone());
        let put =
            |courier: Courier, plan, record, with| async move { courier.enter(plan, record, with).await };
        match self.enter(record, put).await {
            Ok((entered, starts)) => {
                let Emitted { dispatched, stored } = self.0.courier.attend(entered, limit).await;
                Ok(EventReport { stored, ..starts.report(dispatched) })
            }
            Err(CommitError::Refused(Refusal::EventExists(_))) => {
                Ok(EventReport::known(self.dispatched(id, topic).await?))
            }
            Err(error) => Err(error.into()),
        }
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

    /// The event with what it does not say of itself.
    pub(super) fn ready(&self, mut envelope: Envelope) -> Result<EnvelopeRecord, Error> {
        let id = self.stamp(&mut envelope)?;
        let now = self.executor().parts().clock.now();
        Ok(EnvelopeRecord::new(id, envelope, now))
    }

    /// Has `put` accept an event with all that comes of it. When this returns, that is durable, as far as
    /// anything of it is, and whoever serves knows.
    pub(super) async fn enter<T, Put>(
        &self,
        mut record: EnvelopeRecord,
        put: impl Fn(Courier, Plan, EnvelopeRecord, Batch) -> Put,
    ) -> Result<(T, Starts), CommitError>
    where
        Put: Future<Output = Result<T, CommitError>>,
    {
        let mut tries = 0;
        loop {
            tries += 1;
            let plan = self.0.dispatcher.plan(&record.envelope);
            let wishes = self.wishes(&plan, &record);
            let turn = self.0.windows.turn(wishes.places()).await;
            let mut starts = self.starts(&wishes).await?;
            let batch = std::mem::take(&mut starts.batch);
            // Where no window is asked about, nobody can get ahead.
            let again = wishes.places().next().is_some().then(|| record.clone());
            let entered = match (put(self.0.courier.clone(), plan, record, batch).await, again) {
                // Another process has changed a window, or a run that was to be cancelled has ended.
                (
                    Err(CommitError::Refused(Refusal::Version { .. } | Refusal::RunOver { .. })),
                    Some(again),
                ) if tries < RACES => {
                    record = again;
                    continue;
                }
                (entered, _) => entered?,
            };
            for (place, due) in &starts.known {
                self.0.windows.know(place, *due);
            }
            drop(turn);
            self.0.logged.notify_waiters();
            if starts.cancels || (!starts.waiting.is_empty() && !self.serves()) {
                self.tell_everybody().await;
            } else if !starts.runs.is_empty() {
                self.offer().await;
            }
            starts.unstarted.splice(..0, wishes.unstarted);
            return Ok((entered, starts));
        }
    }
}

//! Events on their way in.

use std::time::Duration;

use oneiric_core::roles::Envelope;
use oneiric_events::{Dispatched, Emitted, Entered, Outcome, stamp};
use oneiric_store::{CommitError, DeliveryFilter, EnvelopeRecord, Refusal};

use super::report::EventReport;
use super::trigger::Starts;
use super::windows::RACES;
use crate::error::Error;
use crate::oneiric::Oneiric;

impl Oneiric {
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
        let record = self.stamped(envelope)?;
        let (entered, starts) = match self.enter(&record).await {
            Ok(entered) => entered,
            Err(CommitError::Refused(Refusal::EventExists(_))) => return self.known(record).await,
            Err(error) => return Err(error.into()),
        };
        let Starts { runs, waiting, unstarted, .. } = starts;
        let Emitted { dispatched, stored } = self.0.courier.attend(entered, limit).await;
        Ok(EventReport { dispatched, stored, duplicate: false, runs, waiting, unstarted })
    }

    /// The event with what it does not say of itself.
    fn stamped(&self, mut envelope: Envelope) -> Result<EnvelopeRecord, Error> {
        envelope.check()?;
        let now = self.executor().parts().clock.now();
        let id = stamp(&mut envelope, &self.settings().app.name, now, self.chance());
        Ok(EnvelopeRecord::new(id, envelope, now))
    }

    /// Accepts it. When this returns, it is durable with all that comes of it, as far as anything is.
    async fn enter(&self, record: &EnvelopeRecord) -> Result<(Entered, Starts), CommitError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let plan = self.0.dispatcher.plan(&record.envelope);
            let wishes = self.wishes(self.catalog(), &plan, record);
            let turn = self.0.windows.turn(wishes.places()).await;
            let mut starts = self.starts(&wishes).await?;
            starts.unstarted.splice(..0, wishes.unstarted);
            let batch = std::mem::take(&mut starts.batch);
            let entered = match self.0.courier.enter(plan, record.clone(), batch).await {
                Ok(entered) => entered,
                // Another process has changed a window, or a run that was to be cancelled has ended.
                Err(CommitError::Refused(Refusal::Version { .. } | Refusal::RunOver { .. }))
                    if tries < RACES =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            for (place, due) in &starts.known {
                self.0.windows.know(place, *due);
            }
            drop(turn);
            if starts.cancels || (!starts.waiting.is_empty() && !self.serves()) {
                self.tell_everybody().await;
            } else if !starts.runs.is_empty() {
                self.offer().await;
            }
            return Ok((entered, starts));
        }
    }

    /// What is known of an event that was accepted before.
    async fn known(&self, record: EnvelopeRecord) -> Result<EventReport, Error> {
        let known = self.store().deliveries(DeliveryFilter::of(record.id.clone())).await?;
        let results = known.iter().map(|(_, delivery)| Outcome::of(delivery)).collect();
        let (topic, event_id) = (record.envelope.topic, Some(record.id));
        let dispatched = Dispatched { topic, event_id, results };
        let (runs, waiting, unstarted) = (Vec::new(), Vec::new(), Vec::new());
        Ok(EventReport { dispatched, stored: true, duplicate: true, runs, waiting, unstarted })
    }
}

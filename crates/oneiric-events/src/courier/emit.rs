//! An event on its way in: stored where that is promised, and taken to its handlers.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use oneiric_core::Fault;
use oneiric_core::roles::{Envelope, EventId};
use oneiric_store::{Batch, CommitError, EnvelopeRecord};

use super::{Awaited, Courier};
use crate::emit::Passed;
use crate::outcome::{Dispatched, Outcome};
use crate::plan::{Plan, in_order, places};

/// What became of an event.
#[derive(Debug)]
pub struct Emitted {
    /// Handler by handler.
    pub dispatched: Dispatched,
    /// Whether it is in the store.
    pub stored: bool,
}

/// An event on its way to its handlers, stored where that is promised.
#[derive(Debug)]
pub struct Entered {
    plan: Plan,
    id: EventId,
    envelope: Envelope,
    awaited: Vec<Awaited>,
    stored: bool,
    began: Duration,
}

/// An event that is accepted.
#[derive(Debug)]
pub struct Accepted {
    /// Whether it is in the store.
    pub stored: bool,
    /// How many handlers it is promised to.
    pub promised: usize,
    /// What became of it at those that are promised nothing.
    pub passed: Passed,
}

impl Courier {
    /// Stores an event where its plan says so, together with `with`, and puts it into the buffers of those that
    /// are promised nothing: [`Courier::enter`] and [`Courier::pass_on`] in one.
    ///
    /// # Errors
    /// As [`Courier::enter`].
    pub async fn emit(
        &self,
        plan: Plan,
        record: EnvelopeRecord,
        with: Batch,
    ) -> Result<Accepted, CommitError> {
        let entered = self.enter(plan, record, with).await?;
        Ok(self.pass_on(entered).await)
    }

    /// Puts an event into the buffers of those that are promised nothing. What is promised is under way by now; no
    /// handler is waited for. See [`Dispatcher::emit`](crate::Dispatcher::emit) for who may hold it up.
    ///
    /// Dropping the future loses nothing that was promised.
    pub async fn pass_on(&self, entered: Entered) -> Accepted {
        let Entered { plan, envelope, stored, .. } = entered;
        let promised = places(&plan.split.stored).count();
        let passed = if plan.split.passing.is_empty() {
            Passed::default()
        } else {
            let envelope = Arc::new(envelope);
            self.0.dispatcher.pass(&plan.table, &plan.split.passing, &envelope).await
        };
        Accepted { stored, promised, passed }
    }

    /// Stores an event where its plan says so, together with `with`, then gives it to everybody in the plan and
    /// waits for all of them, at most `limit`: [`Courier::enter`] and [`Courier::attend`] in one.
    ///
    /// # Errors
    /// As [`Courier::enter`].
    pub async fn emit_and_wait(
        &self,
        plan: Plan,
        record: EnvelopeRecord,
        with: Batch,
        limit: Duration,
    ) -> Result<Emitted, CommitError> {
        let entered = self.enter(plan, record, with).await?;
        Ok(self.attend(entered, limit).await)
    }

    /// Stores an event where its plan says so, or where there is something to be stored with it. When this
    /// returns, that is durable, and what was promised is lost with nothing that happens from here on.
    ///
    /// # Errors
    /// [`CommitError::Refused`] with [`oneiric_store::Refusal::EventExists`] where it was accepted before, or as
    /// `with` requires; [`CommitError::Store`]. Then no handler has the event.
    pub async fn enter(
        &self,
        plan: Plan,
        record: EnvelopeRecord,
        with: Batch,
    ) -> Result<Entered, CommitError> {
        let began = self.clock().monotonic();
        let stored = plan.is_stored() || !with.ops.is_empty();
        let (id, envelope) = (record.id.clone(), record.envelope.clone());
        let awaited = if stored { self.accept(&plan, record, with).await? } else { Vec::new() };
        Ok(Entered { plan, id, envelope, awaited, stored, began })
    }

    /// Gives an event to everybody in its plan and waits for all of them, at most `limit`. A stored event that has
    /// not reached its handler by then reaches it later, and its result says that it is pending; who was only
    /// passing it on is dropped.
    ///
    /// Dropping the future loses nothing that was promised.
    pub async fn attend(&self, entered: Entered, limit: Duration) -> Emitted {
        let Entered { plan, id, envelope, awaited, stored, began } = entered;
        let mut carried = Vec::new();
        let waited = {
            let parts = &self.0.dispatcher.0.parts;
            let passing = parts.run(&plan.table, &plan.split.passing, &envelope, Some(limit));
            let carrying = outcomes(awaited, &mut carried);
            let carrying = async {
                tokio::select! {
                    biased;
                    () = carrying => {}
                    () = self.clock().sleep(limit) => {}
                }
            };
            tokio::join!(passing, carrying).0
        };
        let took = self.clock().monotonic().saturating_sub(began);
        if took >= limit {
            let late: Vec<_> = places(&plan.split.stored)
                .filter(|place| carried.iter().all(|(of, _)| of != place))
                .map(|place| {
                    let handler = Arc::clone(&plan.table.live(place).subscription.name);
                    let result = Err(Fault::timeout(limit));
                    (place, Outcome { handler, result, attempts: 0, took, pending: true })
                })
                .collect();
            carried.extend(late);
        }
        carried.extend(waited);
        let dispatched = Dispatched { event_id: Some(id), ..in_order(&envelope, carried) };
        Emitted { dispatched, stored }
    }
}

/// The outcomes as they come; a handler that is not asked any more has none.
async fn outcomes(awaited: Vec<Awaited>, into: &mut Vec<(u32, Outcome)>) {
    let mut awaited: FuturesUnordered<_> =
        awaited.into_iter().map(|awaited| async move { (awaited.place, awaited.outcome.await) }).collect();
    while let Some((place, outcome)) = awaited.next().await {
        if let Ok(outcome) = outcome {
            into.push((place, outcome));
        }
    }
}

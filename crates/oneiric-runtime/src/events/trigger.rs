//! The runs that an event starts, in the transaction in which it is accepted.

use std::collections::HashMap;
use std::sync::Arc;

use oneiric_core::roles::{Envelope, EventId};
use oneiric_core::{Digest, Key, RunId, Timestamp};
use oneiric_events::{Plan, Trigger};
use oneiric_store::{Batch, EnvelopeRecord, Op, Require};

use super::report::{StartedRun, Unstarted};
use crate::bind;
use crate::catalog::Catalog;
use crate::oneiric::Oneiric;
use crate::request::RunRequest;

/// What causes a run that an event starts.
const EVENT: &str = "event";

/// What an event starts, and what is written for it.
#[derive(Debug, Default)]
pub(super) struct Starts {
    pub(super) batch: Batch,
    pub(super) runs: Vec<StartedRun>,
    pub(super) unstarted: Vec<Unstarted>,
}

impl Oneiric {
    /// The runs that an event starts. What cannot be started keeps nobody from the event.
    pub(super) fn triggered(&self, plan: &Plan, event: &EnvelopeRecord) -> Starts {
        let mut starts = Starts::default();
        // Those that the triggers stand in, whatever was read since.
        let catalog = plan.origin::<Catalog>().unwrap_or_else(|| self.catalog());
        for (id, handler, trigger) in causes(plan, event) {
            match self.start_of(&catalog, id, trigger, &event.envelope) {
                Ok(None) => {}
                Ok(Some(batch)) => {
                    starts.batch = std::mem::take(&mut starts.batch).and(batch);
                    starts.runs.push(StartedRun { workflow: trigger.workflow.clone(), run: id });
                }
                Err(reason) => {
                    let (workflow, topic) = (trigger.workflow.clone(), &event.envelope.topic);
                    tracing::warn!(%handler, %workflow, %topic, reason, "an event starts no run");
                    starts.unstarted.push(Unstarted { workflow, reason });
                }
            }
        }
        starts
    }

    /// The run that a trigger starts for an event, under this id; `None` where it does not want the event.
    pub(super) fn start_of(
        &self,
        catalog: &Catalog,
        id: RunId,
        trigger: &Trigger,
        envelope: &Envelope,
    ) -> Result<Option<Batch>, String> {
        if !trigger.accepts(envelope).map_err(|error| error.to_string())? {
            return Ok(None);
        }
        let input = trigger.input_of(envelope).map_err(|error| error.to_string())?;
        bind::check(self.lifecycle(), catalog, &trigger.workflow, None).map_err(|error| error.to_string())?;
        let request = RunRequest {
            id: Some(id),
            input,
            trigger: EVENT.to_owned(),
            ..RunRequest::new(trigger.workflow.clone())
        };
        let (mut record, with) = self.record(catalog, request);
        let said = |name| envelope.header(name).map(str::to_owned);
        record.correlation = said("correlation_id").or_else(|| said("event_id"));
        record.traceparent = said("traceparent");
        let run = record.id;
        let insert = Batch::of([Op::InsertRun(Box::new(record))]);
        Ok(Some(with.require(Require::RunAbsent(run)).and(insert)))
    }
}

/// The triggers of an event's handlers, each with the id of the run that it starts. The id follows from event,
/// handler and workflow: whoever comes by with the same event again finds the run that it has started.
pub(super) fn causes<'p>(
    plan: &'p Plan,
    event: &EnvelopeRecord,
) -> impl Iterator<Item = (RunId, Arc<str>, &'p Trigger)> {
    let mut seen: HashMap<(Arc<str>, &Key), u32> = HashMap::new();
    let (event, accepted_at) = (event.id.clone(), event.accepted_at);
    plan.triggers().into_iter().map(move |(handler, trigger)| {
        let nth = seen.entry((Arc::clone(&handler), &trigger.workflow)).or_default();
        let id = run_of(&event, accepted_at, &handler, &trigger.workflow, *nth);
        *nth += 1;
        (id, handler, trigger)
    })
}

/// Sorts by the time of the event, as ids of runs do by that of their beginning.
fn run_of(event: &EventId, accepted_at: Timestamp, handler: &str, workflow: &Key, nth: u32) -> RunId {
    // Newlines are in none of them.
    let cause = format!("{event}\n{handler}\n{workflow}\n{nth}");
    let mut bits = [0; 10];
    bits.copy_from_slice(&Digest::of(cause.as_bytes()).as_bytes()[..10]);
    let millis = u64::try_from(accepted_at.as_micros() / 1000).unwrap_or(0);
    RunId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &bits).into_uuid())
}

//! The runs that an event starts, in the transaction in which it is accepted.

use oneiric_core::RunId;
use oneiric_core::roles::Envelope;
use oneiric_events::{Plan, Trigger};
use oneiric_store::{Batch, Op, Require};

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
    pub(super) fn triggered(&self, plan: &Plan, envelope: &Envelope) -> Starts {
        let mut starts = Starts::default();
        // Those that the triggers stand in, whatever was read since.
        let catalog = plan.origin::<Catalog>().unwrap_or_else(|| self.catalog());
        for (handler, trigger) in plan.triggers() {
            match self.start_of(&catalog, trigger, envelope) {
                Ok(None) => {}
                Ok(Some((run, batch))) => {
                    starts.batch = std::mem::take(&mut starts.batch).and(batch);
                    starts.runs.push(StartedRun { workflow: trigger.workflow.clone(), run });
                }
                Err(reason) => {
                    let workflow = trigger.workflow.clone();
                    tracing::warn!(%handler, %workflow, topic = %envelope.topic, reason, "an event starts no run");
                    starts.unstarted.push(Unstarted { workflow, reason });
                }
            }
        }
        starts
    }

    fn start_of(
        &self,
        catalog: &Catalog,
        trigger: &Trigger,
        envelope: &Envelope,
    ) -> Result<Option<(RunId, Batch)>, String> {
        if !trigger.accepts(envelope).map_err(|error| error.to_string())? {
            return Ok(None);
        }
        let input = trigger.input_of(envelope).map_err(|error| error.to_string())?;
        bind::check(self.lifecycle(), catalog, &trigger.workflow, None).map_err(|error| error.to_string())?;
        let request =
            RunRequest { input, trigger: EVENT.to_owned(), ..RunRequest::new(trigger.workflow.clone()) };
        let (mut record, with) = self.record(catalog, request);
        let said = |name| envelope.header(name).map(str::to_owned);
        record.correlation = said("correlation_id").or_else(|| said("event_id"));
        record.traceparent = said("traceparent");
        let run = record.id;
        let insert = Batch::of([Op::InsertRun(Box::new(record))]);
        Ok(Some((run, with.require(Require::RunAbsent(run)).and(insert))))
    }
}

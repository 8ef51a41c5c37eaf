//! The runs that an event starts, in the transaction in which it is accepted.

use std::collections::HashMap;
use std::sync::Arc;

use oneiric_core::expr::ExprError;
use oneiric_core::roles::EventId;
use oneiric_core::{Digest, Key, RunId, Timestamp};
use oneiric_events::bucket::{self, Bucket};
use oneiric_events::window::{Decision, Moment, Offer, Origin, Skip, Start, Window, decide};
use oneiric_events::{Dispatched, Plan, Trigger};
use oneiric_store::{
    Batch, Blob, Command, CommandRecord, EnvelopeRecord, Extension, Op, Require, RunRecord, StoreError,
};

use super::report::{EventReport, StartedRun, Unstarted, WaitingRun};
use super::windows::Known;
use crate::bind;
use crate::catalog::Catalog;
use crate::oneiric::Oneiric;
use crate::request::{RunOptions, StartedBy};

/// What causes a run that an event starts.
const EVENT: &str = "event";

/// What an event sets off.
#[derive(Debug)]
pub(super) struct Wishes {
    all: Vec<Wish>,
    bundle: Digest,
    /// The manifests in which the triggers stand: a run needs them.
    manifests: Vec<Blob>,
    /// What cannot be, whatever the windows say.
    pub(super) unstarted: Vec<Unstarted>,
}

/// A trigger that an event sets off.
#[derive(Debug)]
struct Wish {
    /// The id of the run, if the event starts one.
    run: RunId,
    handler: Arc<str>,
    trigger: Trigger,
    key: String,
    offer: Offer,
    /// The record of the window, where the trigger keeps anything.
    place: Option<String>,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { all: Vec::new(), bundle: Digest::of(b""), manifests: Vec::new(), unstarted: Vec::new() }
    }
}

impl Wishes {
    /// The records of windows that are asked about.
    pub(super) fn places(&self) -> impl Iterator<Item = &str> {
        self.all.iter().filter_map(|wish| wish.place.as_deref())
    }

    /// Writes the manifests; those that are there already stay as they are.
    fn manifests(&self) -> Batch {
        Batch::of(self.manifests.iter().cloned().map(Op::Blob))
    }
}

/// What an event starts, and what is written for it.
#[derive(Debug, Default)]
pub(super) struct Starts {
    pub(super) batch: Batch,
    pub(super) runs: Vec<StartedRun>,
    pub(super) waiting: Vec<WaitingRun>,
    pub(super) unstarted: Vec<Unstarted>,
    /// A run of somebody is to be cancelled.
    pub(super) cancels: bool,
    /// The records of windows that are written, and when they are due then.
    pub(super) known: Vec<(String, Option<Timestamp>)>,
}

impl Starts {
    /// What became of an event that is stored with all this.
    pub(super) fn report(self, dispatched: Dispatched) -> EventReport {
        let Self { runs, waiting, unstarted, .. } = self;
        EventReport { dispatched, stored: true, duplicate: false, runs, waiting, unstarted }
    }
}

impl Oneiric {
    /// What an event sets off. What of it cannot be keeps nobody from the event.
    pub(super) fn wishes(&self, plan: &Plan, record: &EnvelopeRecord) -> Wishes {
        let mut wishes = Wishes::default();
        // Those that the triggers stand in, whatever was read since.
        let catalog = plan.origin::<Catalog>().unwrap_or_else(|| self.catalog());
        for Cause { run, handler, trigger, nth } in causes(plan, record) {
            if wishes.manifests.is_empty() {
                (wishes.bundle, wishes.manifests) = catalog.bundle().blobs();
            }
            let workflow = &trigger.workflow;
            match self.offered(&catalog, wishes.bundle, trigger, record) {
                Ok(None) => {}
                Ok(Some((key, offer))) => {
                    let place = (!trigger.rules().keep_nothing())
                        .then(|| bucket::place(&handler, workflow, nth, &key));
                    let trigger = trigger.clone();
                    wishes.all.push(Wish { run, handler, trigger, key, offer, place });
                }
                Err(reason) => {
                    let topic = &record.envelope.topic;
                    tracing::warn!(%handler, %workflow, %topic, reason, "an event starts no run");
                    wishes.unstarted.push(Unstarted { workflow: workflow.clone(), reason });
                }
            }
        }
        wishes
    }

    /// The run that a trigger starts for an event that is alone, whatever others there were; `None` where it does
    /// not want the event.
    pub(super) fn start_of(
        &self,
        catalog: &Catalog,
        cause: &Cause<'_>,
        record: &EnvelopeRecord,
    ) -> Result<Option<Batch>, String> {
        let (bundle, manifests) = catalog.bundle().blobs();
        let Some((_, offer)) = self.offered(catalog, bundle, cause.trigger, record)? else { return Ok(None) };
        let Offer { input, origin } = offer;
        let start = Start { run: cause.run, input, origin, events: 1, cancels: None };
        let insert = self.inserting(&cause.handler, &cause.trigger.workflow, start);
        Ok(Some(Batch::of(manifests.into_iter().map(Op::Blob)).and(insert)))
    }

    /// What an event brings to a trigger, and what tells it apart; `None` where it does not set it off.
    fn offered(
        &self,
        catalog: &Catalog,
        bundle: Digest,
        trigger: &Trigger,
        record: &EnvelopeRecord,
    ) -> Result<Option<(String, Offer)>, String> {
        let envelope = &record.envelope;
        let text = |error: ExprError| error.to_string();
        if !trigger.accepts(envelope).map_err(text)? {
            return Ok(None);
        }
        let input = trigger.input_of(envelope).map_err(text)?;
        let key = trigger.key_of(envelope).map_err(text)?;
        if key.len() > bucket::MAX_KEY_BYTES {
            let most = bucket::MAX_KEY_BYTES;
            return Err(format!("its `key` has {} bytes, at most {most} are allowed", key.len()));
        }
        bind::check(self.lifecycle(), catalog, &trigger.workflow, None).map_err(|error| error.to_string())?;
        let said = |name| envelope.header(name).map(str::to_owned);
        let origin = Origin {
            bundle,
            event: record.id.clone(),
            correlation: said("correlation_id").or_else(|| said("event_id")),
            traceparent: said("traceparent"),
        };
        Ok(Some((key, Offer { input, origin })))
    }

    /// What the wishes come to as the windows stand now. Whoever asks has the turn of their places.
    pub(super) async fn starts(&self, wishes: &Wishes) -> Result<Starts, StoreError> {
        let mut starts = Starts { batch: wishes.manifests(), ..Starts::default() };
        let mut needed = false;
        for wish in &wishes.all {
            let workflow = &wish.trigger.workflow;
            let decision = match &wish.place {
                Some(place) => self.decided(wish, place, &mut starts).await?,
                None => {
                    let rules = wish.trigger.rules();
                    decide(&rules, Window::default(), wish.offer.clone(), self.moment(wish.run, false)).1
                }
            };
            needed |= !matches!(decision, Decision::Skip(_));
            match decision {
                Decision::Start(start) => {
                    starts.runs.push(StartedRun { workflow: workflow.clone(), run: start.run });
                    starts.cancels |= start.cancels.is_some();
                    let insert = self.inserting(&wish.handler, workflow, *start);
                    starts.batch = std::mem::take(&mut starts.batch).and(insert);
                }
                Decision::Wait(due_at) => {
                    let (workflow, key) = (workflow.clone(), wish.key.clone());
                    starts.waiting.push(WaitingRun { workflow, key, due_at });
                }
                Decision::Skip(skip) => {
                    let (handler, reason) = (&wish.handler, skip.to_string());
                    tracing::info!(%handler, %workflow, key = wish.key, reason, "an event starts no run");
                    starts.unstarted.push(Unstarted { workflow: workflow.clone(), reason });
                }
            }
        }
        if !needed {
            starts.batch.ops.retain(|op| !matches!(op, Op::Blob(_)));
        }
        Ok(starts)
    }

    /// What becomes of an event that a window is asked about; what the window is then goes into the batch.
    async fn decided(&self, wish: &Wish, place: &str, starts: &mut Starts) -> Result<Decision, StoreError> {
        let rules = wish.trigger.rules();
        let no_room = |reason: String| Ok(Decision::Skip(Skip::NoRoom { reason }));
        let ripe = |window: &Window, now| window.key == wish.key && window.is_ripe(&rules, now);
        let moment = self.moment(wish.run, false);
        let (version, mut bucket) = match self.fired(place, |window| ripe(window, moment.now)).await? {
            Known::Read { version, bucket } => (Some(version), bucket),
            Known::Absent => (None, Bucket::new(&*wish.handler, wish.trigger.workflow.clone())),
            Known::Unreadable(error) => return no_room(error.to_string()),
        };
        bucket.shed(moment.now, |_| false);
        if bucket.is_full(&wish.key) {
            let over = self.over(&bucket).await?;
            bucket.shed(moment.now, |run| over.contains(&run));
        }
        if bucket.is_full(&wish.key) {
            return no_room(format!("its trigger keeps too many values of its key beside `{}`", wish.key));
        }
        let before = bucket.window(&wish.key);
        let moment = Moment { under_way: self.is_under_way(before.run).await?, ..moment };
        let (window, decision) = decide(&rules, before, wish.offer.clone(), moment);
        bucket.put(window);
        bucket.shed(moment.now, |_| false);
        starts.known.push((place.to_owned(), bucket.due()));
        starts.batch = std::mem::take(&mut starts.batch).and(writing(place, version, &bucket, moment.now));
        Ok(decision)
    }

    /// What a decision of now is made of.
    pub(super) fn moment(&self, run: RunId, under_way: bool) -> Moment {
        Moment { now: self.executor().parts().clock.now(), run, under_way }
    }

    /// Whether a run has not ended. One that is not known any more has.
    pub(super) async fn is_under_way(&self, run: Option<RunId>) -> Result<bool, StoreError> {
        let Some(run) = run else { return Ok(false) };
        Ok(self.store().run(run).await?.is_some_and(|run| !run.state.status.is_terminal()))
    }

    /// Those runs that the windows of a record wait for and that have ended.
    async fn over(&self, bucket: &Bucket) -> Result<Vec<RunId>, StoreError> {
        let mut over = Vec::new();
        for run in bucket.windows().iter().filter_map(|window| window.run) {
            if !self.is_under_way(Some(run)).await? {
                over.push(run);
            }
        }
        Ok(over)
    }

    /// Inserts a run that was decided on, and cancels the one that it takes the place of.
    pub(super) fn inserting(&self, handler: &str, workflow: &Key, start: Start) -> Batch {
        let Start { run, input, origin, events, cancels } = start;
        let now = self.executor().parts().clock.now();
        let started_by = StartedBy { event: origin.event, handler: handler.to_owned(), events };
        let options = RunOptions { started_by: Some(started_by), ..RunOptions::default() };
        let mut record = RunRecord::new(run, workflow.clone(), origin.bundle, input, now);
        record.trigger = EVENT.to_owned();
        record.correlation = origin.correlation;
        record.traceparent = origin.traceparent;
        record.options = serde_json::to_value(&options).expect("options are plain data");
        let insert = Batch::of([Op::InsertRun(Box::new(record))]).require(Require::RunAbsent(run));
        let Some(other) = cancels else { return insert };
        let rng = &self.executor().parts().rng;
        let id = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        let reason = format!("its trigger allows one run at a time, and {run} takes its place");
        let command = Command::Cancel { reason, hard: false };
        let asked = CommandRecord { run: other, id, at: now, actor: Some(handler.to_owned()), command };
        insert.require(Require::RunOpen(other)).and(Batch::of([Op::PutCommand(asked)]))
    }
}

/// A trigger of a handler of an event.
#[derive(Debug)]
pub(super) struct Cause<'p> {
    /// The run that it starts.
    pub(super) run: RunId,
    pub(super) handler: Arc<str>,
    pub(super) trigger: &'p Trigger,
    /// Which one of its handler for its workflow, from 0.
    nth: usize,
}

/// The triggers of an event's handlers, each with the id of the run that it starts. The id follows from event,
/// handler and workflow: whoever comes by with the same event again finds the run that it has started.
pub(super) fn causes<'p>(plan: &'p Plan, event: &EnvelopeRecord) -> impl Iterator<Item = Cause<'p>> {
    let mut seen: HashMap<(Arc<str>, &Key), usize> = HashMap::new();
    let (event, accepted_at) = (event.id.clone(), event.accepted_at);
    plan.triggers().into_iter().map(move |(handler, trigger)| {
        let next = seen.entry((Arc::clone(&handler), &trigger.workflow)).or_default();
        let nth = std::mem::replace(next, *next + 1);
        let run = run_of(&event, accepted_at, &handler, &trigger.workflow, nth);
        Cause { run, handler, trigger, nth }
    })
}

/// Sorts by the time of the event, as ids of runs do by that of their beginning.
fn run_of(event: &EventId, accepted_at: Timestamp, handler: &str, workflow: &Key, nth: usize) -> RunId {
    // Newlines are in none of them.
    let cause = format!("{event}\n{handler}\n{workflow}\n{nth}");
    let mut bits = [0; 10];
    bits.copy_from_slice(&Digest::of(cause.as_bytes()).as_bytes()[..10]);
    let millis = u64::try_from(accepted_at.as_micros() / 1000).unwrap_or(0);
    RunId::from_uuid(uuid::Builder::from_unix_timestamp_millis(millis, &bits).into_uuid())
}

/// Writes a record of windows, where it is as it was read.
pub(super) fn writing(place: &str, version: Option<u64>, bucket: &Bucket, at: Timestamp) -> Batch {
    let (family, key) = (bucket::FAMILY.to_owned(), place.to_owned());
    let require = Require::ExtensionVersion { family: family.clone(), key: key.clone(), version };
    let value = bucket.write();
    if value.is_none() && version.is_none() {
        // Nothing was there, and nothing is; that nobody else has written it matters all the same.
        return Batch::default().require(require);
    }
    Batch::of([Op::Extension(Extension { family, key, value, at })]).require(require)
}

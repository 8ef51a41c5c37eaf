//! `orchestrate --events`: who wants which events. Opens nothing for writing, builds nothing.

mod human;

use std::io;

use oneiric_core::manifest::{FanoutPolicy, Overflow};
use oneiric_core::retry::RetryPolicy;
use oneiric_core::roles::{DeliveryMode, Envelope, Priority, Topic};
use oneiric_core::{Domain, Timestamp};
use oneiric_runtime::control::ProcessEvents;
use oneiric_runtime::{Explained, HandlerStatus, Outcome, Subscription, Verdict};
use oneiric_store::{ActivityRecord, DeliveryFilter, EnvelopeFilter, Order, SqliteStore, Store as _};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::args::EventsArgs;
use crate::commands::activity::said;
use crate::commands::here::here;
use crate::context::Given;
use crate::failure::Failure;
use crate::output::{Screen, time};
use crate::peers::{self, Process};
use crate::session::{self, Session};
use crate::wait::wait;

/// Upstream's shape, and what live processes have counted: `{"handlers":[...],"last_event":{...},
/// "processes":[{"pid":4711,"started_at":"...","handlers":[...]}]}`. `explained` is there where an event was given.
/// `last_event` is the newest one in the store; `{}` where there is none.
#[derive(Debug, Serialize)]
pub(super) struct Events {
    handlers: Vec<HandlerOf>,
    #[serde(serialize_with = "or_empty")]
    last_event: Option<LastEvent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explained: Option<Vec<Explained>>,
    processes: Vec<Counting>,
}

/// A handler: upstream's seven fields, and what it does not know.
#[derive(Debug, Clone, Serialize)]
struct HandlerOf {
    name: String,
    topics: Vec<String>,
    max_concurrency: u32,
    priority: i32,
    fanout_policy: FanoutPolicy,
    #[serde(serialize_with = "or_empty")]
    retry_policy: Option<RetryPolicy>,
    filters: Vec<Value>,
    when: Option<String>,
    tags: Vec<String>,
    sources: Vec<String>,
    routing_keys: Vec<String>,
    min_priority: Option<Priority>,
    delivery: DeliveryMode,
    buffer: usize,
    overflow: Overflow,
    timeout_seconds: f64,
    idempotent: Option<bool>,
    /// As they are written.
    triggers: Value,
    /// Whether an operator keeps events from it.
    paused: bool,
}

/// The newest event in the store, in the shape of upstream's telemetry.
#[derive(Debug, Serialize)]
struct LastEvent {
    topic: String,
    event_id: String,
    matched_handlers: usize,
    failures: usize,
    total_duration_ms: f64,
    handlers: Vec<LastHandler>,
    recorded_at: String,
    #[serde(skip)]
    at: Timestamp,
}

#[derive(Debug, Serialize)]
struct LastHandler {
    handler: String,
    success: bool,
    duration_ms: f64,
    attempts: u32,
    error: Option<String>,
}

/// What a live process has counted.
#[derive(Debug, Serialize)]
struct Counting {
    #[serde(flatten)]
    process: Process,
    handlers: Vec<HandlerStatus>,
}

impl Events {
    /// Prints them for people.
    pub(super) fn print(&self, screen: &mut Screen, topic: Option<&Topic>) -> io::Result<()> {
        human::print(screen, self, topic, session::now())
    }
}

/// What there is to see of events, and which processes did not answer.
pub(super) fn events(session: &mut Session, args: &EventsArgs) -> Result<(Events, Vec<Failure>), Failure> {
    let event = event(args)?;
    let records = said(session)?;
    let (subscriptions, explained) = here(session, async |oneiric| {
        let dispatcher = oneiric.dispatcher();
        let explained = event.as_ref().map(|event| dispatcher.explain(event));
        Ok((dispatcher.subscriptions(), explained))
    })?;
    let wanted = |name: &str| {
        let verdict = explained.iter().flatten().find(|one| *one.handler == *name).map(|one| &one.verdict);
        verdict.is_none_or(|verdict| *verdict != Verdict::OtherTopic)
    };
    let mut handlers: Vec<_> = subscriptions.iter().map(|one| HandlerOf::new(one, &records)).collect();
    handlers.retain(|handler| wanted(&handler.name));
    let (processes, failures) = peers::events(&session.state_dir()?);
    let counting = |told: ProcessEvents| Counting {
        process: Process::new(told.pid, told.started_at),
        handlers: told.handlers.into_iter().filter(|handler| wanted(&handler.handler)).collect(),
    };
    let processes = processes.into_iter().map(counting).collect();
    let last_event = session.store()?.map(|store| last(&store)).transpose()?.flatten();
    // Without a payload nothing can be said of conditions on it.
    let explained = explained.filter(|_| args.payload.is_some() || args.headers.is_some());
    Ok((Events { handlers, last_event, explained, processes }, failures))
}

/// The event that is asked about.
fn event(args: &EventsArgs) -> Result<Option<Envelope>, Failure> {
    let Some(topic) = &args.topic else { return Ok(None) };
    let read = |given: Given, text: Option<&str>| given.read(text.unwrap_or("{}"));
    let mut event = Envelope::new(topic.clone(), read(Given::PAYLOAD, args.payload.as_deref())?);
    if let Value::Object(headers) = Value::from(read(Given::HEADERS, args.headers.as_deref())?) {
        event.headers = headers;
    }
    event.check()?;
    Ok(Some(event))
}

fn last(store: &SqliteStore) -> Result<Option<LastEvent>, Failure> {
    let Some(event) = wait(store.envelopes(EnvelopeFilter::all(Order::Newest, 1)))?.pop() else {
        return Ok(None);
    };
    let deliveries = wait(store.deliveries(DeliveryFilter::of(event.id.clone())))?;
    let outcomes: Vec<Outcome> = deliveries.iter().map(|(_, delivery)| Outcome::of(delivery)).collect();
    let millis = |outcome: &Outcome| outcome.took.as_secs_f64() * 1000.0;
    Ok(Some(LastEvent {
        topic: event.envelope.topic.to_string(),
        event_id: event.id.to_string(),
        matched_handlers: outcomes.len(),
        failures: outcomes.iter().filter(|outcome| outcome.is_failure()).count(),
        total_duration_ms: outcomes.iter().map(millis).sum(),
        handlers: outcomes
            .iter()
            .map(|outcome| LastHandler {
                handler: outcome.handler.to_string(),
                success: outcome.is_success(),
                duration_ms: millis(outcome),
                attempts: outcome.attempts,
                error: outcome.result.as_ref().err().map(ToString::to_string),
            })
            .collect(),
        recorded_at: time::rfc3339(event.accepted_at),
        at: event.accepted_at,
    }))
}

impl HandlerOf {
    fn new(subscription: &Subscription, said: &[ActivityRecord]) -> Self {
        let Subscription { interest, descriptor, .. } = subscription;
        let texts = |patterns: &[_]| patterns.iter().map(ToString::to_string).collect();
        let metadata = descriptor.as_ref().map(|descriptor| &descriptor.metadata);
        let triggers = metadata.and_then(|said| said.get("workflows")?.get("triggers")).cloned();
        let paused = said.iter().any(|record| {
            record.domain == Domain::EVENT && record.key == subscription.key && !record.accepts()
        });
        Self {
            name: subscription.name.to_string(),
            topics: texts(&interest.topics),
            max_concurrency: subscription.max_concurrency,
            priority: subscription.priority,
            fanout_policy: subscription.fanout,
            retry_policy: subscription.retry,
            filters: interest.filters.iter().map(|filter| complete(Value::from(filter.clone()))).collect(),
            when: interest.when.as_ref().map(ToString::to_string),
            tags: interest.tags.iter().cloned().collect(),
            sources: texts(&interest.sources),
            routing_keys: texts(&interest.routing_keys),
            min_priority: interest.min_priority,
            delivery: subscription.delivery,
            buffer: subscription.buffer,
            overflow: subscription.overflow,
            timeout_seconds: subscription.timeout.as_secs_f64(),
            idempotent: subscription.idempotent,
            triggers: triggers.unwrap_or_else(|| Value::Array(Vec::new())),
            paused,
        }
    }
}

/// A filter as upstream prints it: every field is there.
fn complete(filter: Value) -> Value {
    let said = |name: &str| filter.get(name).cloned().unwrap_or_default();
    let fields = ["path", "equals", "any_of", "exists"].map(|name| (name.to_owned(), said(name)));
    Value::Object(Map::from_iter(fields))
}

/// Upstream has `{}` where there is nothing to say.
#[expect(clippy::ref_option, reason = "serde passes references")]
fn or_empty<T: Serialize, S: Serializer>(said: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match said {
        Some(said) => said.serialize(serializer),
        None => Map::<String, Value>::new().serialize(serializer),
    }
}

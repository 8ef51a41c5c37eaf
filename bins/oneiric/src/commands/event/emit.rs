//! `event emit`: an event to everybody who wants it.

mod human;
mod report;

use std::time::Duration;

use oneiric_core::nearest::nearest;
use oneiric_core::roles::{DeliveryMode, Envelope, EventId, Topic};
use oneiric_core::{Clock as _, Domain, RunId};
use oneiric_dag::RunHandle;
use oneiric_runtime::{Dispatched, Error, EventReport, Oneiric, Outcome, SystemClock, UnknownNodes};
use oneiric_store::{DeliveryFilter, RunStatus, Store as _};
use serde_json::Value;

use crate::args::{EmitArgs, Promise};
use crate::commands::conduct::{Conductor, on_workers};
use crate::context::Given;
use crate::exit::Code;
use crate::failure::Failure;
use crate::report::{Standing, before};
use crate::session::{self, Session};
use report::{Report, Waiting};

/// How often a run that another process carries out is looked at: often enough that a person sees no delay.
const GLANCE: Duration = Duration::from_millis(50);

/// Emits it, and prints upstream's report.
pub(in crate::commands) fn emit(session: &mut Session, args: &EmitArgs) -> Result<Code, Failure> {
    let mut envelope = envelope(args)?;
    envelope.check()?;
    let report = on_workers(async {
        let mut conductor = Conductor::start(session, async |_| Ok(())).await?;
        let oneiric = conductor.oneiric().clone();
        let id = match oneiric.stamp(&mut envelope) {
            Ok(id) => id,
            Err(error) => return conductor.give_up(error.into()).await,
        };
        let topic = envelope.topic.clone();
        let emitting = async {
            if args.detach {
                oneiric.accept(envelope).await
            } else {
                oneiric.emit_and_wait(envelope, args.timeout).await
            }
        };
        let emitted = match conductor.until(emitting).await {
            Ok(emitted) => emitted,
            Err(code) => return interrupted(session, conductor, &id, code).await,
        };
        match emitted {
            Ok(emitted) => Box::pin(after(session, args, conductor, &topic, emitted)).await,
            Err(error) => conductor.give_up(error.into()).await,
        }
    })?;
    session.screen.emit(&report, |screen| human::print(screen, &report))?;
    report.judge(session, args.wait)
}

/// The event as it was written on the command line.
fn envelope(args: &EmitArgs) -> Result<Envelope, Failure> {
    if args.detach && args.delivery == Promise::FireAndForget {
        let message =
            "`--detach` leaves the event to another process, which `--delivery fire-and-forget` rules out";
        return Err(Failure::said(Code::Configuration, message).help("leave out one of the two"));
    }
    let read = |given: Given, text: Option<&str>| given.read(text.unwrap_or("{}"));
    let payload = read(Given::PAYLOAD, args.payload.as_deref())?;
    let headers = read(Given::HEADERS, args.headers.as_deref())?;
    let mut envelope = Envelope::new(args.topic.topic().clone(), payload);
    if let Value::Object(headers) = Value::from(headers) {
        envelope.headers = headers;
    }
    let said = [
        ("event_id", args.event_id.as_ref().map(EventId::as_str)),
        ("source", args.source.as_deref()),
        ("correlation_id", args.correlation_id.as_deref()),
    ];
    for (name, value) in said {
        if let Some(value) = value {
            envelope.headers.insert(name.to_owned(), value.into());
        }
    }
    envelope.priority = args.priority.into();
    envelope.routing_key.clone_from(&args.routing_key);
    envelope.tags = args.tags.iter().cloned().collect();
    envelope.expires_at = args.expires_in.map(|after| session::now().after(after));
    envelope.delivery = match args.delivery {
        Promise::AtLeastOnce => Some(DeliveryMode::AtLeastOnce),
        // What a handler asks for itself is kept.
        Promise::FireAndForget => None,
    };
    Ok(envelope)
}

/// What there is to know and to do once the event is out, until everything has come down.
async fn after(
    session: &Session,
    args: &EmitArgs,
    mut conductor: Conductor,
    topic: &Topic,
    emitted: EventReport,
) -> Result<Report, Failure> {
    let served = conductor.is_served().await;
    let waiting = waiting(conductor.oneiric(), &emitted).await;
    let near = if emitted.dispatched.results.is_empty() { near(conductor.oneiric(), topic) } else { None };
    let mut report = Report::new(session, emitted, served, waiting, near);
    if !args.wait || report.runs.is_empty() {
        conductor.leave().await;
        return Ok(report);
    }
    let oneiric = conductor.oneiric().clone();
    let mut here: Vec<(usize, RunHandle)> = Vec::new();
    for (place, run) in report.runs.iter().enumerate() {
        let since = session::now();
        match oneiric.resume(run.id, UnknownNodes::Keep).await {
            Ok(handle) => {
                conductor.watch(&handle, &before(&handle.report(), since));
                here.push((place, handle));
            }
            // Whoever serves was faster.
            Err(Error::Busy { .. } | Error::Over { .. }) => {}
            Err(error) => return conductor.give_up(error.into()).await,
        }
    }
    let elsewhere: Vec<usize> =
        (0..report.runs.len()).filter(|place| here.iter().all(|(at, _)| at != place)).collect();
    let following = async {
        for place in &elsewhere {
            ended(&oneiric, report.runs[*place].id).await?;
        }
        Ok::<(), Error>(())
    };
    let signal = match conductor.until(following).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => return conductor.give_up(error.into()).await,
        Err(code) => Some(code),
    };
    for place in elsewhere {
        let run = &mut report.runs[place];
        if let Ok(Some(record)) = oneiric.store().run(run.id).await {
            run.stands(Standing::At(record.state.status));
        }
    }
    let handles: Vec<_> = here.iter().map(|(_, handle)| handle.clone()).collect();
    report.signal = signal;
    if signal.is_some() {
        conductor.leave().await;
        return Ok(report);
    }
    let followed = conductor.follow(&handles).await?;
    for ((place, _), standing) in here.iter().zip(followed.standings()) {
        report.runs[*place].stands(*standing);
    }
    report.signal = followed.signal();
    Ok(report)
}

/// Waits for a run that another process carries out; a paused one waits for a person.
async fn ended(oneiric: &Oneiric, run: RunId) -> Result<(), Error> {
    let clock = SystemClock::default();
    loop {
        let status = oneiric.store().run(run).await?.map(|record| record.state.status);
        if status.is_none_or(|status| status.is_terminal() || status == RunStatus::Paused) {
            return Ok(());
        }
        clock.sleep(GLANCE).await;
    }
}

/// Why handlers have to be waited for, where somebody has said so.
async fn waiting(oneiric: &Oneiric, emitted: &EventReport) -> Vec<Waiting> {
    let pending: Vec<_> = emitted.dispatched.results.iter().filter(|outcome| outcome.pending).collect();
    if pending.is_empty() {
        return Vec::new();
    }
    // It is a word beside a row that is there anyway.
    let said = oneiric.store().activities().await.unwrap_or_default();
    let subscriptions = oneiric.dispatcher().subscriptions();
    let of = |name: &str| {
        let subscription = subscriptions.iter().find(|subscription| *subscription.name == *name)?;
        said.iter().find(|record| {
            !record.accepts() && record.domain == Domain::EVENT && record.key == subscription.key
        })
    };
    let found =
        pending.into_iter().filter_map(|outcome| Some(Waiting::new(&outcome.handler, of(&outcome.handler)?)));
    found.collect()
}

/// The topic itself where somebody wants it, else one that somebody wants and that is written much like it.
fn near(oneiric: &Oneiric, topic: &Topic) -> Option<String> {
    let subscriptions = oneiric.dispatcher().subscriptions();
    if subscriptions.iter().any(|one| {
        let topics = &one.interest.topics;
        topics.is_empty() || topics.iter().any(|pattern| pattern.matches(topic.as_str()))
    }) {
        return Some(topic.to_string());
    }
    let patterns = subscriptions.iter().flat_map(|one| &one.interest.topics);
    let wanted: Vec<_> = patterns.map(ToString::to_string).collect();
    nearest(topic.as_str(), wanted.iter().map(String::as_str)).map(str::to_owned)
}

/// A signal came before every handler had answered: what was accepted is said. It is read once everything has come
/// down, because the commit may have been under way when the signal came.
async fn interrupted(
    session: &Session,
    conductor: Conductor,
    id: &EventId,
    code: Code,
) -> Result<Report, Failure> {
    let served = conductor.is_served().await;
    conductor.leave().await;
    let lost = || Failure::said(code, "interrupted: the event was not accepted").help("emit it again");
    let store = session.store()?.ok_or_else(lost)?;
    let event = store.envelope(id).await?.ok_or_else(lost)?;
    let deliveries = store.deliveries(DeliveryFilter::of(id.clone())).await?;
    let results = deliveries.iter().map(|(_, delivery)| Outcome::of(delivery)).collect();
    let dispatched = Dispatched { topic: event.envelope.topic, event_id: Some(event.id), results };
    let (runs, unstarted) = (Vec::new(), Vec::new());
    let accepted =
        EventReport { dispatched, stored: true, duplicate: false, runs, waiting: Vec::new(), unstarted };
    Ok(Report { signal: Some(code), ..Report::new(session, accepted, served, Vec::new(), None) })
}

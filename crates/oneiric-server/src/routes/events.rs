//! Events: emitted, listed, followed, replayed.

mod dead;
mod follow;
mod replay;

use std::time::Duration;

use axum::extract::State;
use oneiric_core::Timestamp;
use oneiric_core::roles::{Envelope, EventId};
use oneiric_core::settings::HttpScope;
use oneiric_runtime::json::{AcceptedShape, EnvelopeShape, EventLine, EventShown, ReportShape, from_rfc3339};
use oneiric_runtime::{Error, EventQuery, Pattern, list_events};
use oneiric_store::{DeliveryFilter, DeliveryStatus};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::runs::{Once, patience};
use crate::access::Access;
use crate::app::App;
use crate::problem::Problem;
use crate::read::{Body, Path, Query, invalid};
use crate::route::Route;
use crate::shown::{Either, Later, Shown};

/// Events on a page, unless said.
const PAGE: usize = 50;

/// The most events on a page.
const MOST: usize = 500;

pub(super) fn routes() -> Vec<Route> {
    let (read, operate) = (Access::Scope(HttpScope::Read), Access::Scope(HttpScope::Operate));
    let mut routes = vec![
        Route::get("/v1/events", read, "A page of accepted events, the newest first.", list),
        Route::post("/v1/events", operate, "Gives an event to everybody who wants it.", emit),
        Route::get("/v1/events/stream", read, "Events, as they are accepted.", follow::follow).streaming(),
        Route::post(
            "/v1/events/replay",
            operate,
            "Takes events of the log to handlers once more.",
            replay::replay,
        ),
    ];
    routes.extend(dead::routes());
    // Behind the others: ids are read last.
    routes.push(Route::get("/v1/events/{event}", read, "An event, and where its deliveries stand.", show));
    routes
}

/// An event to be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
struct Emit(#[schemars(with = "EnvelopeShape")] Envelope);

/// How long to wait.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Waiting {
    /// Waits for the handlers, at most so many seconds and not longer than a request may take; without it, nobody is
    /// waited for.
    #[serde(default)]
    wait: Option<f64>,
}

type Emitted = Either<Shown<ReportShape>, Later<AcceptedShape>>;

async fn emit(
    State(app): State<App>,
    Once(key): Once,
    Query(waiting): Query<Waiting>,
    Body(Emit(mut envelope)): Body<Emit>,
) -> Result<Emitted, Problem> {
    app.expect_serving()?;
    if let Some(key) = key {
        // An event has its own: the same id is the same event.
        envelope.headers.entry("event_id").or_insert_with(|| key.into());
    }
    match waiting.wait {
        Some(seconds) => {
            let limit: Duration = patience(&app, seconds)?;
            Ok(Either::One(Shown::of(&app.oneiric().emit_and_wait(envelope, limit).await?)?))
        }
        None => Ok(Either::Other(Later(Shown::of(&app.oneiric().emit(envelope).await?)?))),
    }
}

/// Which events.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only of these topics, with commas between them; `order.*` is a pattern.
    #[serde(default)]
    topic: Option<String>,
    /// Only with a delivery to this handler: `key:provider`.
    #[serde(default)]
    handler: Option<String>,
    /// Only with a delivery in one of these, with commas between them.
    #[serde(default)]
    status: Option<String>,
    /// Only accepted at this time or later, as RFC 3339.
    #[serde(default)]
    since: Option<String>,
    /// Only accepted before this time, as RFC 3339.
    #[serde(default)]
    until: Option<String>,
    /// The most events, 1 to 500; 50 unless said.
    #[serde(default)]
    limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

/// A page of events.
#[derive(Debug, Serialize, JsonSchema)]
struct Events {
    /// The newest first.
    events: Vec<EventLine>,
    /// The cursor of the next page; `null` where there is none.
    next: Option<String>,
}

/// What a cursor begins with, so that nobody takes it for the place that it holds.
const CURSOR: &str = "e1.";

async fn list(State(app): State<App>, Query(which): Query<Which>) -> Result<Shown<Events>, Problem> {
    let limit = limit(which.limit)?;
    let statuses = which.status.iter().flat_map(|words| words.split(','));
    let status =
        |word: &str| word.trim().parse::<DeliveryStatus>().map_err(|error| invalid(error.to_string()));
    let query = EventQuery {
        topics: topics(which.topic.as_deref())?,
        handler: which.handler,
        statuses: statuses.map(status).collect::<Result<_, _>>()?,
        since: which.since.as_deref().map(time).transpose()?,
        until: which.until.as_deref().map(time).transpose()?,
        before: which.cursor.as_deref().map(place).transpose()?,
        // One more than is shown: it says whether there is another page.
        limit: limit + 1,
    };
    let mut found = list_events(&**app.oneiric().store(), &query).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| format!("{CURSOR}{}", last.event.n));
    Shown::of(&Events { events: found.iter().map(EventLine::of).collect(), next })
}

fn limit(said: Option<usize>) -> Result<usize, Problem> {
    let limit = said.unwrap_or(PAGE);
    if (1..=MOST).contains(&limit) { Ok(limit) } else { Err(invalid(format!("`limit` must be 1 to {MOST}"))) }
}

/// Patterns with commas between them.
fn topics(text: Option<&str>) -> Result<Vec<Pattern>, Problem> {
    let words = text.iter().flat_map(|text| text.split(',')).map(str::trim);
    words.map(|word| word.parse().map_err(|error| invalid(format!("the topic `{word}`: {error}")))).collect()
}

fn time(text: &str) -> Result<Timestamp, Problem> {
    from_rfc3339(text).ok_or_else(|| invalid(format!("`{text}` is no time: write `2026-01-31T09:30:00Z`")))
}

/// The place in a cursor.
fn place(cursor: &str) -> Result<u64, Problem> {
    let place = cursor.strip_prefix(CURSOR).and_then(|place| place.parse().ok());
    place.ok_or_else(|| invalid("`cursor` is none: it is the `next` of a page"))
}

fn ids(texts: &[String]) -> Result<Vec<EventId>, Problem> {
    texts.iter().map(|id| id.parse().map_err(|error| invalid(format!("the event `{id}`: {error}")))).collect()
}

async fn show(
    State(app): State<App>,
    Path(event): Path<String>,
) -> Result<Shown<EventShown<'static>>, Problem> {
    let (oneiric, unknown) = (app.oneiric(), || Problem::from(Error::UnknownEvent(format!("`{event}`"))));
    let store = oneiric.store();
    let id: EventId = event.parse().map_err(|_| unknown())?;
    let found = store.envelope(&id).await?.ok_or_else(unknown)?;
    let deliveries: Vec<_> =
        store.deliveries(DeliveryFilter::of(id)).await?.into_iter().map(|(_, delivery)| delivery).collect();
    let (boots, said) = (store.boots().await?, store.activities().await?);
    let now = oneiric.clock().now();
    let command = |rest: &str| format!("oneiric {rest}");
    Shown::of(&EventShown::new(&found, &deliveries, &boots, &said, now, command))
}

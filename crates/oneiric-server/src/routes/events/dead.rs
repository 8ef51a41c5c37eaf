//! Dead letters: deliveries that have failed for good.

use axum::extract::State;
use oneiric_core::settings::HttpScope;
use oneiric_runtime::json::{DeadLetter, ReplayShape};
use oneiric_runtime::{EventQuery, EventSelection, Repeat, list_events};
use oneiric_store::DeliveryStatus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::replay::Replaying;
use super::{CURSOR, ids, limit, place, topics};
use crate::access::Access;
use crate::app::App;
use crate::problem::Problem;
use crate::read::{Maybe, Query, invalid};
use crate::route::Route;
use crate::shown::Shown;

const PATH: &str = "/v1/events/dead-letters";

pub(super) fn routes() -> Vec<Route> {
    let (read, operate) = (Access::Scope(HttpScope::Read), Access::Scope(HttpScope::Operate));
    let again = "/v1/events/dead-letters/replay";
    vec![
        Route::get(PATH, read, "A page of dead letters, those of the newest events first.", list),
        Route::post(again, operate, "Takes dead letters to their handlers once more.", replay),
        Route::delete(PATH, operate, "Gives dead letters up.", give_up),
    ]
}

/// Which dead letters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only of events of these topics, with commas between them; `order.*` is a pattern.
    #[serde(default)]
    topic: Option<String>,
    /// Only to this handler: `key:provider`.
    #[serde(default)]
    handler: Option<String>,
    /// Of the most events, 1 to 500; 50 unless said.
    #[serde(default)]
    limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

/// A page of dead letters.
#[derive(Debug, Serialize, JsonSchema)]
struct DeadLetters {
    /// Those of the newest events first.
    dead_letters: Vec<DeadLetter>,
    /// The cursor of the next page; `null` where there is none.
    next: Option<String>,
}

async fn list(State(app): State<App>, Query(which): Query<Which>) -> Result<Shown<DeadLetters>, Problem> {
    let limit = limit(which.limit)?;
    let query = EventQuery {
        topics: topics(which.topic.as_deref())?,
        handler: which.handler.clone(),
        statuses: vec![DeliveryStatus::Dead],
        before: which.cursor.as_deref().map(place).transpose()?,
        limit: limit + 1,
        ..EventQuery::default()
    };
    let mut found = list_events(&**app.oneiric().store(), &query).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| format!("{CURSOR}{}", last.event.n));
    let letters = found.iter().flat_map(|logged| DeadLetter::of(logged, which.handler.as_deref()));
    Shown::of(&DeadLetters { dead_letters: letters.collect(), next })
}

async fn replay(
    State(app): State<App>,
    Maybe(replaying): Maybe<Replaying>,
) -> Result<Shown<ReplayShape>, Problem> {
    app.expect_serving()?;
    Shown::of(&app.oneiric().replay(replaying.request(Repeat::Dead)?, |_| {}).await?)
}

/// Which are given up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GivenUp {
    /// Of exactly these events, with commas between them.
    #[serde(default)]
    ids: Option<String>,
    /// Of events of these topics, with commas between them.
    #[serde(default)]
    topic: Option<String>,
    /// To this handler: `key:provider`.
    #[serde(default)]
    handler: Option<String>,
    /// Says that more may be meant than is named one by one.
    #[serde(default)]
    all: bool,
}

/// `{"dropped":3}`.
#[derive(Debug, Serialize, JsonSchema)]
struct Dropped {
    dropped: u64,
}

async fn give_up(State(app): State<App>, Query(which): Query<GivenUp>) -> Result<Shown<Dropped>, Problem> {
    if which.ids.is_none() && !which.all {
        return Err(invalid("dead letters that are not named by `ids` are given up with `all=true` only"));
    }
    let named: Vec<String> = which.ids.iter().flat_map(|ids| ids.split(',')).map(str::to_owned).collect();
    let of = EventSelection {
        ids: ids(&named)?,
        topics: topics(which.topic.as_deref())?,
        handlers: which.handler.into_iter().collect(),
        ..EventSelection::default()
    };
    Shown::of(&Dropped { dropped: app.oneiric().drop_dead_letters(of).await? })
}

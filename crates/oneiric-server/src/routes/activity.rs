//! Whether components take work, and what is in flight.

use axum::extract::State;
use oneiric_core::settings::HttpScope;
use oneiric_core::{Domain, Key};
use oneiric_runtime::activity::{Change, Wish};
use oneiric_runtime::json::{Activities, ActivityState};
use schemars::JsonSchema;
use serde::Deserialize;

use super::runs::patience;
use crate::access::Access;
use crate::app::App;
use crate::problem::Problem;
use crate::read::{Maybe, Path, invalid};
use crate::route::Route;
use crate::shown::Shown;

pub(super) fn routes() -> Vec<Route> {
    let (read, operate) = (Access::Scope(HttpScope::Read), Access::Scope(HttpScope::Operate));
    let of = "/v1/activity/{domain}/{key}";
    vec![
        Route::get(
            "/v1/activity",
            read,
            "What operators said of components, and what is in flight here.",
            all,
        ),
        Route::get(of, read, "Whether a component takes work, and what of it is in flight anywhere.", one),
        Route::post(
            "/v1/activity/{domain}/{key}/pause",
            operate,
            "Takes no new work for a component.",
            pause,
        ),
        Route::post(
            "/v1/activity/{domain}/{key}/drain",
            operate,
            "The same, and says when nothing is in flight.",
            drain,
        ),
        Route::post(
            "/v1/activity/{domain}/{key}/resume",
            operate,
            "Takes work for a component again.",
            resume,
        ),
    ]
}

/// What to note.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Noted {
    /// Why, for whoever looks; without one, the note that is there stays.
    note: Option<String>,
}

/// What to note, and how long to wait.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Draining {
    /// Why, for whoever looks; without one, the note that is there stays.
    note: Option<String>,
    /// Waits until nothing is in flight, at most so many seconds and not longer than a request may take.
    wait: f64,
}

async fn all(State(app): State<App>) -> Result<Shown<Activities>, Problem> {
    let records = app.oneiric().store().activities().await?;
    Shown::of(&Activities::new(&records, vec![app.oneiric().busy().await?]))
}

async fn one(
    State(app): State<App>,
    Path(named): Path<(String, String)>,
) -> Result<Shown<ActivityState>, Problem> {
    let (domain, key) = component(&named)?;
    Shown::of(&ActivityState::new(&app.oneiric().operator().flight(&domain, &key).await?))
}

async fn pause(
    State(app): State<App>,
    Path(named): Path<(String, String)>,
    Maybe(noted): Maybe<Noted>,
) -> Result<Shown<ActivityState>, Problem> {
    say(&app, &named, Change { wish: Wish::Pause, note: noted.note }).await
}

async fn resume(
    State(app): State<App>,
    Path(named): Path<(String, String)>,
    Maybe(noted): Maybe<Noted>,
) -> Result<Shown<ActivityState>, Problem> {
    say(&app, &named, Change { wish: Wish::Accept, note: noted.note }).await
}

async fn drain(
    State(app): State<App>,
    Path(named): Path<(String, String)>,
    Maybe(draining): Maybe<Draining>,
) -> Result<Shown<ActivityState>, Problem> {
    let (domain, key) = component(&named)?;
    let limit = patience(&app, draining.wait)?;
    let operator = app.oneiric().operator();
    operator.change(&domain, &key, &Change { wish: Wish::Drain, note: draining.note }).await?;
    let report = operator.drained(&domain, &key, limit, |_| {}).await?;
    Shown::of(&ActivityState::new(&report.flight))
}

async fn say(app: &App, named: &(String, String), change: Change) -> Result<Shown<ActivityState>, Problem> {
    let (domain, key) = component(named)?;
    let operator = app.oneiric().operator();
    operator.change(&domain, &key, &change).await?;
    Shown::of(&ActivityState::new(&operator.flight(&domain, &key).await?))
}

/// The component that a path names.
fn component((domain, key): &(String, String)) -> Result<(Domain, Key), Problem> {
    let domain = domain.parse().map_err(|error| invalid(format!("the domain `{domain}`: {error}")))?;
    let key = key.parse().map_err(|error| invalid(format!("the key `{key}`: {error}")))?;
    Ok((domain, key))
}

//! What is asked of a run, whichever process has it.

use axum::extract::State;
use oneiric_core::settings::HttpScope;
use oneiric_core::{NodeId, Payload};
use oneiric_runtime::json::{Outcome, Submitted};
use oneiric_runtime::{Again, Ask, Command, Error, Kept, NodeStatus, Obeyed, RunStatus, UnknownNodes, place};
use oneiric_store::RunRecord;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{TRIGGER, made, row};
use crate::access::Access;
use crate::app::App;
use crate::problem::Problem;
use crate::read::{Maybe, Path, invalid};
use crate::route::Route;
use crate::shown::{Made, Shown};
use crate::who::Who;

/// Why, where nobody says it.
const BY_HTTP: &str = "asked for over HTTP";

pub(super) fn routes() -> Vec<Route> {
    let operate = Access::Scope(HttpScope::Operate);
    vec![
        Route::post("/v1/runs/{run}/pause", operate, "Nothing further starts; what runs finishes.", pause),
        Route::post(
            "/v1/runs/{run}/resume",
            operate,
            "Goes on with a run that is paused or was left.",
            resume,
        ),
        Route::post("/v1/runs/{run}/cancel", operate, "Stops a run for good.", cancel),
        Route::post("/v1/runs/{run}/retry-now", operate, "Tries nodes that wait at once.", retry_now),
        Route::post("/v1/runs/{run}/rerun", operate, "Repeats a run, or a part of it, as a new one.", rerun),
        Route::post("/v1/runs/{run}/fork", operate, "Repeats a run with another context.", fork),
    ]
}

/// Why.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Why {
    /// For the record.
    reason: Option<String>,
}

/// How to stop.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Stopping {
    /// For the record.
    reason: Option<String>,
    /// What runs is dropped instead of being asked to stop.
    now: bool,
}

/// How to go on.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Resuming {
    /// What becomes of nodes whose outcome is unknown: `keep` (unless said), `retry` or `fail`.
    #[schemars(with = "Option<String>")]
    unknown: UnknownNodes,
}

/// What to try.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Trying {
    /// Which nodes; all that wait, but those whose outcome is unknown, where there is none.
    nodes: Vec<String>,
}

/// What to repeat.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Repeating {
    /// Only what did not complete, and what comes behind it.
    failed: bool,
    /// Only these nodes, and what comes behind them.
    from: Vec<String>,
}

/// With which context.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Forking {
    /// The context of the new run; the same where there is none.
    input: Option<Value>,
    /// The same, in upstream's word.
    context: Option<Value>,
}

async fn pause(
    State(app): State<App>,
    who: Who,
    Path(run): Path<String>,
    Maybe(why): Maybe<Why>,
) -> Result<Shown<Outcome>, Problem> {
    let reason = why.reason.unwrap_or_else(|| BY_HTTP.to_owned());
    tell(&app, who, &row(app.oneiric(), &run).await?, Command::Pause { reason }).await
}

async fn resume(
    State(app): State<App>,
    who: Who,
    Path(run): Path<String>,
    Maybe(resuming): Maybe<Resuming>,
) -> Result<Shown<Outcome>, Problem> {
    app.expect_serving()?;
    let command = Command::Resume { unknown: resuming.unknown };
    tell(&app, who, &row(app.oneiric(), &run).await?, command).await
}

async fn cancel(
    State(app): State<App>,
    who: Who,
    Path(run): Path<String>,
    Maybe(stopping): Maybe<Stopping>,
) -> Result<Shown<Outcome>, Problem> {
    let reason = stopping.reason.unwrap_or_else(|| BY_HTTP.to_owned());
    let command = Command::Cancel { reason, hard: stopping.now };
    tell(&app, who, &row(app.oneiric(), &run).await?, command).await
}

async fn retry_now(
    State(app): State<App>,
    who: Who,
    Path(run): Path<String>,
    Maybe(trying): Maybe<Trying>,
) -> Result<Shown<Outcome>, Problem> {
    app.expect_serving()?;
    let record = row(app.oneiric(), &run).await?;
    let mut places = Vec::new();
    if !trying.nodes.is_empty() {
        let plan = app.oneiric().plan_of(&record).await?;
        for node in nodes(&trying.nodes)? {
            places.push(place(&plan, record.id, &node)?);
        }
    }
    tell(&app, who, &record, Command::RetryNow { nodes: places }).await
}

async fn rerun(
    State(app): State<App>,
    who: Who,
    Path(run): Path<String>,
    Maybe(repeating): Maybe<Repeating>,
) -> Result<Made<Submitted>, Problem> {
    let kept = match (repeating.failed, repeating.from.is_empty()) {
        (true, false) => return Err(invalid("`failed` and `from` exclude each other")),
        (true, true) => Kept::Completed,
        (false, true) => Kept::Nothing,
        (false, false) => Kept::Before(nodes(&repeating.from)?),
    };
    again(&app, who, &run, Again::new(kept)).await
}

async fn fork(
    State(app): State<App>,
    who: Who,
    Path(run): Path<String>,
    Maybe(forking): Maybe<Forking>,
) -> Result<Made<Submitted>, Problem> {
    if forking.input.is_some() && forking.context.is_some() {
        return Err(invalid("`input` and `context` are two words for one thing: say one of them"));
    }
    let input = forking.input.or(forking.context).map(Payload::from);
    again(&app, who, &run, Again { input, ..Again::new(Kept::SameInput) }).await
}

fn nodes(names: &[String]) -> Result<Vec<NodeId>, Problem> {
    names
        .iter()
        .map(|name| NodeId::new(name).map_err(|error| invalid(format!("node `{name}`: {error}"))))
        .collect()
}

/// Tells a run something, by the way that the command line uses.
async fn tell(app: &App, who: Who, record: &RunRecord, command: Command) -> Result<Shown<Outcome>, Problem> {
    let oneiric = app.oneiric();
    let patience = oneiric_runtime::PATIENCE.min(app.patience());
    let ask = Ask { actor: who.actor, patience, ..Ask::new(command) };
    let told = oneiric.tell(record.id, ask).await?;
    if let Obeyed::Stale(why) = told.obeyed {
        return Err(Error::Stale { run: record.id, why }.into());
    }
    let nodes = oneiric.store().nodes(record.id).await?;
    let running = nodes.iter().filter(|node| node.status == NodeStatus::Running).count();
    Shown::of(&Outcome::of(&told.record, &told.obeyed, running))
}

/// Repeats a run here.
async fn again(app: &App, who: Who, run: &str, again: Again) -> Result<Made<Submitted>, Problem> {
    app.expect_serving()?;
    let again = Again { actor: who.actor, trigger: TRIGGER.to_owned(), ..again };
    let old = row(app.oneiric(), run).await?;
    // As for a new run: left to whoever serves, where this process does.
    let run = match app.oneiric().serves() {
        true => app.oneiric().submit_again(old.id, again).await?,
        false => app.oneiric().again(old.id, again).await?.id(),
    };
    made(run, &old.workflow, RunStatus::Pending, true)
}

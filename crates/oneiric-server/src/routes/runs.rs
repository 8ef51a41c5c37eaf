//! Runs: asked for, listed, looked at.

mod follow;
mod verbs;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use oneiric_core::settings::HttpScope;
use oneiric_core::{Domain, Key, Payload, RunId};
use oneiric_runtime::json::{Explained, Run, RunLine, Submitted};
use oneiric_runtime::{Error, MAX_ONCE_KEY, Oneiric, RunOptions, RunRequest, RunStatus};
use oneiric_store::{RunFilter, RunRecord};
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::Access;
use crate::app::App;
use crate::describe::{Asks, Operation};
use crate::problem::Problem;
use crate::read::{Body, Path, Query, header, invalid};
use crate::route::Route;
use crate::shown::{Made, Shown};
use crate::who::Who;

/// Runs on a page, unless said.
const PAGE: usize = 50;

/// The most runs on a page.
const MOST: usize = 500;

/// What runs are said to be caused by.
const TRIGGER: &str = "http";

pub(super) fn routes() -> Vec<Route> {
    let (read, operate) = (Access::Scope(HttpScope::Read), Access::Scope(HttpScope::Operate));
    let mut routes = vec![
        Route::get("/v1/runs", read, "A page of runs, the newest first.", list),
        Route::post("/v1/runs", operate, "Asks for a run of a workflow.", submit),
        Route::get("/v1/runs/{run}", read, "What a run did, node by node.", show),
        Route::get("/v1/runs/{run}/explain", read, "Why a run stands where it stands.", explain),
        Route::get("/v1/runs/{run}/events", read, "What happens in a run, as it happens.", follow::follow)
            .streaming(),
    ];
    routes.extend(verbs::routes());
    routes
}

/// The id of a run in a path.
///
/// # Errors
/// A [`Problem`] for what is none: then there is no such run.
pub(super) fn run_id(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|_| Error::UnknownRun(format!("`{text}`")).into())
}

/// A run by its id in a path.
///
/// # Errors
/// A [`Problem`] where there is none, or the store cannot be read.
pub(super) async fn row(oneiric: &Oneiric, text: &str) -> Result<RunRecord, Problem> {
    let run = run_id(text)?;
    Ok(oneiric.store().run(run).await?.ok_or_else(|| Error::UnknownRun(run.to_string()))?)
}

/// The header `Idempotency-Key`: the same request with the same key makes one run.
#[derive(Debug, Clone)]
pub(super) struct Once(pub(super) Option<String>);

impl<S: Sync> FromRequestParts<S> for Once {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(said) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let key = said.to_str().ok().filter(|key| (1..=MAX_ONCE_KEY).contains(&key.len()));
        let key = key.ok_or_else(|| {
            invalid(format!("`Idempotency-Key` must have 1 to {MAX_ONCE_KEY} visible characters"))
        })?;
        Ok(Self(Some(key.to_owned())))
    }
}

impl Asks for Once {
    fn ask(operation: &mut Operation, _: &mut SchemaGenerator) {
        header(
            operation,
            "Idempotency-Key",
            "The same request with the same key makes one run, also after a restart; another request with it is \
             refused with 409.",
        );
    }
}

/// A run to be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Submit {
    /// The key of the workflow.
    workflow: String,
    /// The run's context: what nodes see as `inputs`.
    #[serde(default)]
    input: Option<Value>,
    /// The same, in upstream's word.
    #[serde(default)]
    context: Option<Value>,
    /// An id of the client's own for the run, a UUID; the same request with the same id makes one run.
    #[serde(default)]
    run_id: Option<String>,
    /// The provider of the workflow; the best-ranked where there is none.
    #[serde(default)]
    provider: Option<String>,
    /// What the manifest is overridden with.
    #[serde(default)]
    options: Overrides,
}

/// What a run overrides in its manifest.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Overrides {
    /// The most nodes at a time, at least 1.
    max_parallel: Option<u32>,
    /// The longest time of the whole run, in milliseconds, at least 1.
    timeout_ms: Option<u64>,
}

impl Submit {
    fn request(self, who: Who) -> Result<RunRequest, Problem> {
        if self.input.is_some() && self.context.is_some() {
            return Err(invalid("`input` and `context` are two words for one thing: say one of them"));
        }
        let workflow: Key = self.workflow.parse().map_err(|error| invalid(format!("`workflow`: {error}")))?;
        let provider = self.provider.map(|provider| provider.parse()).transpose();
        let run = self.run_id.map(|run| run.parse::<RunId>()).transpose();
        Ok(RunRequest {
            input: self.input.or(self.context).map_or(Payload::NULL, Payload::from),
            id: run.map_err(|_| invalid("`run_id` is no UUID"))?,
            actor: who.actor,
            correlation: who.request_id,
            traceparent: who.traceparent,
            trigger: TRIGGER.to_owned(),
            options: RunOptions {
                provider: provider.map_err(|error| invalid(format!("`provider`: {error}")))?,
                max_parallel: self.options.max_parallel,
                timeout_ms: self.options.timeout_ms,
                ..RunOptions::default()
            },
            ..RunRequest::new(workflow)
        })
    }
}

async fn submit(
    State(app): State<App>,
    who: Who,
    Once(key): Once,
    Body(submit): Body<Submit>,
) -> Result<Made<Submitted>, Problem> {
    let request = submit.request(who)?;
    let (oneiric, workflow) = (app.oneiric(), request.workflow.clone());
    // What was accepted before is told of, whatever was closed since.
    let known = oneiric.asked_before(&request, key.as_deref()).await?;
    if known.is_none() {
        app.expect_serving()?;
        app.expect_open(&Domain::WORKFLOW, &workflow)?;
    }
    let once = oneiric.ask_once(request, key.as_deref()).await?;
    let status = match once.is_new {
        true => RunStatus::Pending,
        false => row(oneiric, &once.run.to_string()).await?.state.status,
    };
    made(once.run, &workflow, status, once.is_new)
}

/// A run that was made.
fn made(run: RunId, workflow: &Key, status: RunStatus, is_new: bool) -> Result<Made<Submitted>, Problem> {
    let shown = Shown::of(&Submitted::new(run, workflow, status))?;
    Ok(Made { is_new, location: format!("/v1/runs/{run}"), shown })
}

/// Which runs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Which {
    /// Only in one of these, with commas between them.
    #[serde(default)]
    status: Option<String>,
    /// Only of this workflow.
    #[serde(default)]
    workflow: Option<String>,
    /// The most runs, 1 to 500; 50 unless said.
    #[serde(default)]
    limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(default)]
    cursor: Option<String>,
}

/// A page of runs.
#[derive(Debug, Serialize, JsonSchema)]
struct Runs {
    /// The newest first.
    runs: Vec<RunLine>,
    /// The cursor of the next page; `null` where there is none.
    next: Option<String>,
}

/// What a cursor begins with, so that nobody takes it for the id that it holds.
const CURSOR: &str = "r1.";

impl Which {
    fn filter(self) -> Result<RunFilter, Problem> {
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=MOST).contains(&limit) {
            return Err(invalid(format!("`limit` must be 1 to {MOST}")));
        }
        let status =
            |word: &str| word.trim().parse::<RunStatus>().map_err(|error| invalid(error.to_string()));
        let workflow = self.workflow.map(|key| key.parse()).transpose();
        let before = self.cursor.map(|cursor| cursor.strip_prefix(CURSOR).and_then(|run| run.parse().ok()));
        Ok(RunFilter {
            workflow: workflow.map_err(|error| invalid(format!("`workflow`: {error}")))?,
            statuses: self
                .status
                .iter()
                .flat_map(|words| words.split(','))
                .map(status)
                .collect::<Result<_, _>>()?,
            before: match before {
                Some(None) => return Err(invalid("`cursor` is none: it is the `next` of a page")),
                Some(Some(run)) => Some(run),
                None => None,
            },
            ..RunFilter::newest(limit)
        })
    }
}

async fn list(State(app): State<App>, Query(which): Query<Which>) -> Result<Shown<Runs>, Problem> {
    let filter = which.filter()?;
    let limit = filter.limit;
    let store = app.oneiric().store();
    // One more than is shown: it says whether there is another page.
    let mut found = store.runs(RunFilter { limit: limit + 1, ..filter }).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let dead = store.dead().await?;
    let next = found.last().filter(|_| more).map(|last| format!("{CURSOR}{}", last.id));
    Shown::of(&Runs { runs: found.iter().map(|run| RunLine::of(run, &dead)).collect(), next })
}

/// How long to wait.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Waiting {
    /// Waits for the end of the run, at most so many seconds and not longer than a request may take; then the run is
    /// shown as it stands.
    #[serde(default)]
    wait: Option<f64>,
}

/// The time that a client wants to wait, as far as a request may take it.
///
/// # Errors
/// A [`Problem`] for what is no time.
pub(super) fn patience(app: &App, seconds: f64) -> Result<std::time::Duration, Problem> {
    let wished = std::time::Duration::try_from_secs_f64(seconds)
        .map_err(|_| invalid("`wait` must be a number of seconds, 0 or more"))?;
    Ok(wished.min(app.patience()))
}

async fn show(
    State(app): State<App>,
    Path(run): Path<String>,
    Query(waiting): Query<Waiting>,
) -> Result<Shown<Run<'static>>, Problem> {
    let oneiric = app.oneiric();
    let mut record = row(oneiric, &run).await?;
    if let Some(seconds) = waiting.wait {
        record = oneiric.rested(record.id, patience(&app, seconds)?).await?;
    }
    let report = oneiric.report_of(&record).await?;
    let progress = oneiric.find(record.id).map(|handle| handle.progress()).unwrap_or_default();
    let standing = oneiric.standing(&record).await?;
    let status = if report.status == record.state.status { standing } else { report.status.name() };
    Shown::of(&Run::new(record.workflow.as_str(), &report, status, Some(&record), &progress, |_| None))
}

async fn explain(State(app): State<App>, Path(run): Path<String>) -> Result<Shown<Explained>, Problem> {
    Shown::of(&app.oneiric().why(run_id(&run)?).await?)
}

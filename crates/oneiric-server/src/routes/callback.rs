//! `/tasks/workflow`: a queue asks for a run and waits for its results, in upstream's words.
//!
//! A queue delivers at least once. A task is therefore known by its `run_id`, or by the name that Cloud Tasks gives it:
//! delivered again, it waits for the run that it made the first time, and never makes a second one. Where the results
//! are not there in time, or a person has closed the workflow, the answer is 503 with `Retry-After`, and the queue comes
//! back.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use oneiric_core::{Domain, Key, Payload, RunId};
use oneiric_runtime::json::{Results, Submitted, rfc3339};
use oneiric_runtime::{Once, RunOptions, RunRequest, RunStatus};
use oneiric_store::RunRecord;
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::access::Access;
use crate::app::{App, REOPENED};
use crate::describe::{Asks, Operation};
use crate::problem::Problem;
use crate::read::Query;
use crate::route::Route;
use crate::shown::{Either, Later, Shown};
use crate::who::Who;

/// The name of a task, which is the same at every delivery:
/// <https://cloud.google.com/tasks/docs/creating-http-target-tasks#handler>.
const TASK_NAME: &str = "x-cloudtasks-taskname";

/// Seconds after which the results of a run that goes on may be there.
const GOES_ON: u32 = 5;

pub(super) fn routes() -> Vec<Route> {
    let summary = "A queue asks for a run and waits for its results; upstream's callback.";
    vec![Route::post("/tasks/workflow", Access::Callback, summary, run)]
}

/// A task of a queue.
#[derive(Debug, Deserialize, JsonSchema)]
struct Task {
    /// The key of the workflow.
    workflow: String,
    /// Names the run: delivered again, the task waits for the same one. A UUID becomes the run's id.
    #[serde(default)]
    run_id: Option<String>,
    /// The provider of the workflow; the best-ranked where there is none.
    #[serde(default)]
    workflow_provider: Option<String>,
    /// The run's context.
    #[serde(default)]
    context: Option<Map<String, Value>>,
    /// Must be empty: a run goes on from its own checkpoints.
    #[serde(default)]
    checkpoint: Option<Map<String, Value>>,
    /// Comes back with the results.
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    /// When it was put into the queue.
    #[serde(default)]
    #[expect(dead_code, reason = "upstream's queues send it")]
    queued_at: Option<Value>,
}

/// The body, with upstream's words for what is wrong with it.
#[derive(Debug)]
struct Given(Bytes);

impl<S: Send + Sync> axum::extract::FromRequest<S> for Given {
    type Rejection = Problem;
    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, state).await;
        bytes.map(Self).map_err(|rejection| bad("invalid-json", rejection.body_text()))
    }
}

impl Asks for Given {
    fn ask(operation: &mut Operation, schemas: &mut SchemaGenerator) {
        operation.body = Some((schemas.subschema_for::<Task>(), true));
    }
}

fn bad(code: &'static str, message: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, message)
}

impl Given {
    fn task(&self) -> Result<Task, Problem> {
        let value: Value = serde_json::from_slice(&self.0)
            .map_err(|error| bad("invalid-json", format!("the body is no JSON: {error}")))?;
        let Value::Object(fields) = &value else {
            return Err(bad("payload-must-be-object", "the body must be an object"));
        };
        match fields.get("workflow") {
            Some(Value::String(workflow)) if !workflow.is_empty() => {}
            _ => return Err(bad("workflow-key-missing", "`workflow` must name a workflow by its key")),
        }
        let task: Task = serde_path_to_error::deserialize(value)
            .map_err(|error| bad("payload-invalid", format!("`{}`: {}", error.path(), error.inner())))?;
        if task.checkpoint.as_ref().is_some_and(|checkpoint| !checkpoint.is_empty()) {
            return Err(bad("checkpoint-unsupported", "a run goes on from its own checkpoints")
                .help("leave `checkpoint` out, and name the run by its `run_id`"));
        }
        Ok(task)
    }
}

/// How.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct How {
    /// Answers 202 as soon as the run is durable, and waits for no result.
    #[serde(default, rename = "async")]
    is_async: bool,
}

/// Upstream's answer: `{"status":"completed","result":{...}}`.
#[derive(Debug, Serialize, JsonSchema)]
struct Completed<'a> {
    status: &'static str,
    result: Done<'a>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Done<'a> {
    workflow: &'a str,
    /// As the task has it; the run's id where it has none.
    run_id: &'a str,
    workflow_provider: Option<&'a str>,
    metadata: &'a Map<String, Value>,
    /// Outputs of the nodes; beside each, `node__duration` in seconds and `node__attempts`.
    #[schemars(with = "std::collections::BTreeMap<String, Value>")]
    results: Results<'a>,
    /// When the run ended.
    processed_at: String,
}

type Answer = Either<Shown<Completed<'static>>, Later<Submitted>>;

async fn run(
    State(app): State<App>,
    who: Who,
    headers: HeaderMap,
    Query(how): Query<How>,
    given: Given,
) -> Result<Answer, Problem> {
    let task = given.task()?;
    let (request, key) = request(&task, who, &headers)?;
    let (oneiric, workflow) = (app.oneiric(), request.workflow.clone());
    let known = oneiric.asked_before(&request, key.as_deref()).await?;
    if known.is_none() {
        app.expect_serving()?;
        app.expect_open(&Domain::WORKFLOW, &workflow)?;
    }
    // Detached from the request: whoever hangs up has asked for a run all the same.
    let begun: Result<Once, Problem> = if how.is_async {
        oneiric.ask_once(request, key.as_deref()).await.map_err(Problem::from)
    } else {
        let oneiric = oneiric.clone();
        let beginning = tokio::spawn(async move { oneiric.run_once(request, key.as_deref()).await });
        match beginning.await {
            Ok(begun) => begun.map_err(Problem::from),
            Err(_) => Err(failed("the run could not be begun")),
        }
    };
    let once = begun.map_err(in_upstreams_words)?;
    if how.is_async {
        let record = super::runs::row(oneiric, &once.run.to_string()).await?;
        return Ok(Either::Other(Later(Shown::of(&Submitted::new(
            once.run,
            &workflow,
            record.state.status,
        ))?)));
    }
    let record = oneiric.rested(once.run, app.patience()).await?;
    let report = oneiric.report_of(&record).await?;
    expect_completed(&record, report.fault.as_ref().map(|fault| fault.message.as_str()))?;
    let (none, id) = (Map::new(), record.id.to_string());
    let done = Done {
        workflow: record.workflow.as_str(),
        run_id: task.run_id.as_deref().unwrap_or(&id),
        workflow_provider: task.workflow_provider.as_deref(),
        metadata: task.metadata.as_ref().unwrap_or(&none),
        results: Results(&report.nodes),
        processed_at: rfc3339(record.state.ended_at.unwrap_or(record.created_at)),
    };
    Ok(Either::One(Shown::of(&Completed { status: "completed", result: done })?))
}

/// What the task asks for, and the key under which it is known where its `run_id` cannot be the run's own.
fn request(task: &Task, who: Who, headers: &HeaderMap) -> Result<(RunRequest, Option<String>), Problem> {
    let workflow: Key = task
        .workflow
        .parse()
        .map_err(|error| bad("workflow-key-missing", format!("`workflow` is no key: {error}")))?;
    let provider = task.workflow_provider.as_deref().map(str::parse).transpose();
    let (id, key) = match &task.run_id {
        Some(run) => match run.parse::<RunId>() {
            Ok(id) => (Some(id), None),
            Err(_) => (None, Some(format!("callback:{run}"))),
        },
        None => {
            let name = headers.get(TASK_NAME).and_then(|name| name.to_str().ok());
            (None, name.map(|name| format!("cloudtasks:{name}")))
        }
    };
    let request = RunRequest {
        input: Payload::from(Value::Object(task.context.clone().unwrap_or_default())),
        id,
        actor: who.actor,
        correlation: who.request_id,
        traceparent: who.traceparent,
        trigger: "callback".to_owned(),
        options: RunOptions {
            provider: provider
                .map_err(|error| bad("payload-invalid", format!("`workflow_provider`: {error}")))?,
            ..RunOptions::default()
        },
        ..RunRequest::new(workflow)
    };
    Ok((request, key))
}

fn failed(message: impl Into<String>) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "workflow-execution-failed", message)
}

/// Upstream has one word for whatever keeps a workflow from running; what can be told apart by a status is.
fn in_upstreams_words(problem: Problem) -> Problem {
    match problem.status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT => problem,
        _ => Problem { help: problem.help, ..failed(problem.message) },
    }
}

/// That the run has its results.
fn expect_completed(record: &RunRecord, why: Option<&str>) -> Result<(), Problem> {
    let (run, why) = (record.id, why.unwrap_or("no reason was recorded"));
    let later = |code, message: String, seconds| {
        Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, message).retry_after(seconds))
    };
    match record.state.status {
        RunStatus::Completed => Ok(()),
        RunStatus::Failed | RunStatus::Cancelled => {
            Err(failed(format!("run {run} is {}: {why}", record.state.status))
                .help(format!("`oneiric run show {run}` shows what went wrong")))
        }
        RunStatus::Paused => later("run-paused", format!("run {run} waits for a person: {why}"), REOPENED),
        RunStatus::Pending | RunStatus::Running => {
            later("run-goes-on", format!("run {run} goes on; ask again for its results"), GOES_ON)
        }
    }
}

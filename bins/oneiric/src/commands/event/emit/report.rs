//! What an emitted event did, and how the process ends with it.

use oneiric_core::{Key, RunId};
use oneiric_runtime::{Dispatched, EventReport, Outcome, StartedRun, Unstarted, WaitingRun};
use oneiric_store::{ActivityRecord, RunStatus};
use serde::Serialize;

use crate::exit::Code;
use crate::failure::Failure;
use crate::find::short;
use crate::output::text::count;
use crate::report::Standing;
use crate::session::Session;

/// Upstream's shape, and beside it `"event_id"`, `"stored"`, `"duplicate"` and
/// `"runs":[{"workflow":"shop.fulfil","run_id":"…","status":"pending"}]`; where there are any, also
/// `"waiting":[{"workflow":"…","key":"ada","due_at":"…"}]` and `"unstarted":[{"workflow":"…","reason":"…"}]`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    #[serde(flatten)]
    pub(super) dispatched: Dispatched,
    pub(super) stored: bool,
    pub(super) duplicate: bool,
    pub(super) runs: Vec<RunOf>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) waiting: Vec<WaitingRun>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unstarted: Vec<Unstarted>,
    #[serde(skip)]
    pub(super) told: Told,
    /// The signal that ended the waiting.
    #[serde(skip)]
    pub(super) signal: Option<Code>,
}

/// What is said to people only.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Whether a live process takes what waits for one.
    pub(super) served: bool,
    /// Who is waited for, and why.
    pub(super) waiting: Vec<Waiting>,
    /// A topic much like that of the event, which somebody wants.
    pub(super) near: Option<String>,
    /// What takes waiting events to their handlers.
    pub(super) serve: String,
    /// What tells who wants what.
    pub(super) wanted: String,
}

/// A run that the event started.
#[derive(Debug, Serialize)]
pub(super) struct RunOf {
    pub(super) workflow: Key,
    #[serde(rename = "run_id")]
    pub(super) id: RunId,
    pub(super) status: &'static str,
    #[serde(skip)]
    pub(super) standing: Standing,
    /// What to type about it next.
    #[serde(skip)]
    pub(super) next: String,
}

/// Why a handler takes nothing now.
#[derive(Debug)]
pub(super) struct Waiting {
    handler: String,
    why: String,
}

impl Waiting {
    /// What an operator said of it.
    pub(super) fn new(handler: &str, said: &ActivityRecord) -> Self {
        let word = if said.paused { "paused" } else { "draining" };
        let note = said.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
        let why = format!("{} is {word}{note}", said.key);
        Self { handler: handler.to_owned(), why }
    }
}

impl RunOf {
    /// How it ended, or stands.
    pub(super) fn stands(&mut self, standing: Standing) {
        (self.standing, self.status) = (standing, standing.word());
    }

    /// Whether it has done all that it was to do.
    fn is_completed(&self) -> bool {
        self.standing == Standing::At(RunStatus::Completed)
    }
}

impl Report {
    /// What became of the event, before any run of it has begun.
    pub(super) fn new(
        session: &Session,
        emitted: EventReport,
        served: bool,
        waiting: Vec<Waiting>,
        near: Option<String>,
    ) -> Self {
        let EventReport { dispatched, stored, duplicate, runs, waiting: later, unstarted } = emitted;
        let pending = Standing::At(RunStatus::Pending);
        let verb = if served { "watch" } else { "resume" };
        let runs = runs
            .into_iter()
            .map(|StartedRun { workflow, run }| RunOf {
                workflow,
                id: run,
                status: pending.word(),
                standing: pending,
                next: session.run_command(verb, run),
            })
            .collect();
        let topic = crate::session::quoted(dispatched.topic.as_str());
        let told = Told {
            served,
            waiting,
            near,
            serve: session.command_on_manifests("orchestrate"),
            wanted: session.command_on_manifests(&format!("orchestrate --events --topic {topic}")),
        };
        Self { dispatched, stored, duplicate, runs, waiting: later, unstarted, told, signal: None }
    }

    /// Those whose result is still to come.
    pub(super) fn pending(&self) -> usize {
        self.dispatched.results.iter().filter(|outcome| outcome.pending).count()
    }

    /// Why a handler is waited for, where that is known.
    pub(super) fn why(&self, handler: &str) -> Option<&str> {
        self.told.waiting.iter().find(|waiting| waiting.handler == handler).map(|waiting| &*waiting.why)
    }

    /// How the process ends: a failed handler and a run that was waited for in vain are failures.
    pub(super) fn judge(&self, session: &Session, waited: bool) -> Result<Code, Failure> {
        let results = &self.dispatched.results;
        let failed = results.iter().filter(|outcome| Outcome::is_failure(outcome)).count();
        let open: Vec<&RunOf> = self.runs.iter().filter(|run| waited && !run.is_completed()).collect();
        if let Some(code) = self.signal {
            let id = self.dispatched.event_id.as_ref().map(|id| format!("event {id}")).unwrap_or_default();
            let message = match self.pending() {
                0 => format!("interrupted; {id} was accepted"),
                some => {
                    format!("interrupted; {id} was accepted and is waited for by {}", count(some, "handler"))
                }
            };
            let help = format!("whoever serves goes on with it: `{}`", self.told.serve);
            return Err(Failure::said(code, message).help(help));
        }
        match (failed, open.as_slice()) {
            (0, []) => Ok(Code::Ok),
            (0, [run, ..]) => {
                let message = format!("run {} of `{}` is {}", short(run.id), run.workflow, run.status);
                let help = format!("`{}` has the details", session.run_command("show", run.id));
                Err(Failure::said(Code::Execution, message).help(help))
            }
            (failed, _) => {
                let all = count(results.len(), "handler");
                let failure = Failure::said(Code::Execution, format!("{failed} of {all} failed"));
                Err(match &self.dispatched.event_id {
                    Some(id) if self.stored => failure.help(format!(
                        "`{}` has what there is of it",
                        session.command(&format!("event show {id}"))
                    )),
                    Some(_) | None => failure,
                })
            }
        }
    }
}

//! Runs under way in this process: told live, stopped in an orderly way, reported at the end.

use std::future::Future;
use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::RunId;
use oneiric_dag::{Ended, RunHandle};
use oneiric_runtime::{Error, Loaded, Oneiric};
use oneiric_store::{NodeStatus, RunFilter, RunStatus};
use serde::Serialize;

use super::run::is_free;
use crate::exit::Code;
use crate::failure::Failure;
use crate::find::short;
use crate::live::{Live, Tails, Telling};
use crate::output::text::count;
use crate::report::{Report, Standing};
use crate::session::{self, Session};
use crate::signals::Signals;

/// How long what runs may take to stop: Cloud Run and Kubernetes give ten seconds at least.
const DEADLINE: Duration = Duration::from_secs(10);

/// How long tasks that were given up may hold up the end of the process.
const LEFTOVERS: Duration = Duration::from_millis(500);

/// Interrupted runs that are looked for; beyond that they are many.
const LOOKED_AT: usize = 100;

/// Does work on a runtime with a worker per core, and takes it down.
pub(super) fn on_workers<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        Failure::said(Code::Execution, format!("cannot start the worker threads: {error}"))
    })?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LEFTOVERS);
    done
}

/// An orchestrator on the state folder, whose runs are told live.
#[derive(Debug)]
pub(super) struct Conductor {
    oneiric: Oneiric,
    live: Live,
    signals: Signals,
}

impl Conductor {
    /// Opens the state, and catches signals from here on. `check` sees the manifests first, so that a
    /// mistake in them creates nothing.
    pub(super) async fn start(
        session: &Session,
        check: impl AsyncFnOnce(&Loaded) -> Result<(), Error>,
    ) -> Result<Self, Failure> {
        let signals = Signals::catch()
            .map_err(|error| Failure::said(Code::Execution, format!("cannot catch signals: {error}")))?;
        let manner = session::manner(false);
        let live = Live::open(telling(session), manner);
        let mut builder = session.builder()?.state_dir(session.state_dir()?);
        for path in &session.manifests {
            builder = builder.manifest(path);
        }
        let board = Arc::clone(live.board());
        let loaded = builder.observer(board.clone()).log(board).load()?;
        session::warn_of_unmet(loaded.catalog().registry());
        check(&loaded).await?;
        let oneiric = loaded.start().await?;
        Ok(Self { oneiric, live, signals })
    }

    /// The orchestrator.
    pub(super) fn oneiric(&self) -> &Oneiric {
        &self.oneiric
    }

    /// Shows a run; `before` is what its nodes were at when this process began with it.
    pub(super) fn watch(&self, handle: &RunHandle, before: &[NodeStatus]) {
        self.live.board().watch(handle, before);
    }

    /// Says how many runs wait for somebody to go on with them.
    pub(super) async fn hint_at_interrupted(&self, session: &Session) {
        if session.for_programs() {
            return;
        }
        let filter = RunFilter {
            statuses: vec![RunStatus::Pending, RunStatus::Running],
            ..RunFilter::newest(LOOKED_AT)
        };
        let store = self.oneiric.store();
        // A hint is no reason to fail.
        let (Ok(runs), Ok(dead)) = (store.runs(filter).await, store.dead().await) else { return };
        let free: Vec<RunId> = runs.iter().filter(|run| is_free(run, &dead)).map(|run| run.id).collect();
        match free.as_slice() {
            [] => {}
            [one] => {
                let command = session.run_command("resume", *one);
                self.live.board().say(format!("1 run was interrupted; go on with `{command}`"));
            }
            many => {
                let more = if many.len() == LOOKED_AT { " or more" } else { "" };
                let command = session.command("run resume --all");
                self.live
                    .board()
                    .say(format!("{}{more} runs were interrupted; go on with `{command}`", many.len()));
            }
        }
    }

    /// Says that nobody is there who would take up a run that was left to others.
    pub(super) async fn hint_at_nobody(&self, session: &Session, run: RunId) {
        if !self.is_served().await {
            let command = session.run_command("resume", run);
            self.say(session, format!("no process serves this state: it waits for one, or for `{command}`"));
        }
    }

    /// Takes everything down after nothing was begun, which is a failure.
    pub(super) async fn give_up<T>(self, failure: Failure) -> Result<T, Failure> {
        self.leave().await;
        Err(failure)
    }

    /// Does work until it is done or a signal comes; with the code of the signal the work is given up.
    pub(super) async fn until<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Code> {
        tokio::select! {
            biased;
            done = work => Ok(done),
            code = self.signals.next() => Err(code),
        }
    }

    /// Says something to whoever looks on, unless a program does.
    pub(super) fn say(&self, session: &Session, text: String) {
        if !session.for_programs() {
            self.live.board().say(text);
        }
    }

    /// Whether a live process takes what waits for one.
    pub(super) async fn is_served(&self) -> bool {
        let boots = self.oneiric.store().boots().await;
        boots.is_ok_and(|boots| boots.iter().any(|seen| seen.boot.serves && !seen.dead))
    }

    /// Takes everything down where nothing is under way that has to end. A signal leaves at once.
    pub(super) async fn leave(self) {
        let Self { oneiric, live, mut signals } = self;
        let stopped = tokio::select! {
            stopped = oneiric.shutdown(DEADLINE) => Some(stopped),
            _ = signals.next() => None,
        };
        drop(live);
        if let Some(Err(error)) = stopped {
            tracing::warn!(%error, "the store was not closed cleanly");
        }
    }

    /// Waits for the runs, or for a signal, and takes everything down. The first signal suspends, the
    /// second one leaves at once.
    pub(super) async fn follow(self, handles: &[RunHandle]) -> Result<Followed, Failure> {
        let Self { oneiric, live, mut signals } = self;
        let all = async {
            for handle in handles {
                handle.ended().await;
            }
        };
        let signal = tokio::select! {
            () = all => None,
            code = signals.next() => Some(code),
        };
        if signal.is_some() {
            live.board().say("stopping: what runs is asked to stop; once more leaves at once".to_owned());
        }
        let down = tokio::select! {
            down = oneiric.shutdown(DEADLINE) => Some(down),
            _ = signals.next() => None,
        };
        let mut ended = Vec::with_capacity(handles.len());
        for handle in handles {
            let standing = match (&down, handle) {
                (None, _) => Standing::Suspended,
                (Some(_), handle) => standing(handle.ended().await),
            };
            ended.push(standing);
        }
        let tails = live.close();
        match &down {
            Some(Err(error)) => tracing::warn!(%error, "the store was not closed cleanly"),
            Some(Ok(false)) => tracing::warn!("something did not stop in time and was dropped"),
            Some(Ok(true)) | None => {}
        }
        Ok(Followed { ended, tails, signal: signal.or(down.is_none().then_some(Code::Interrupted)) })
    }
}

/// How much is told on standard error.
pub(super) fn telling(session: &Session) -> Telling {
    if std::io::stderr().is_terminal() && !session::is_dumb() {
        Telling::Rows
    } else if session.for_programs() {
        Telling::Failures
    } else {
        Telling::Lines
    }
}

fn standing(ended: Ended) -> Standing {
    match ended {
        Ended::Reached(status) => Standing::At(status),
        Ended::Suspended => Standing::Suspended,
        Ended::Lost(fault) => {
            tracing::error!(%fault, "a run was lost");
            Standing::Lost
        }
    }
}

/// How runs ended here.
#[derive(Debug)]
pub(super) struct Followed {
    ended: Vec<Standing>,
    tails: Tails,
    signal: Option<Code>,
}

/// Several runs: `{"runs":[...]}`.
#[derive(Serialize)]
struct Several<'a> {
    runs: &'a [Report<'a>],
}

impl Followed {
    /// How each of the runs ended here, in their order.
    pub(super) fn standings(&self) -> &[Standing] {
        &self.ended
    }

    /// The signal that ended this process's part of it.
    pub(super) fn signal(&self) -> Option<Code> {
        self.signal
    }

    /// Prints what one run did, and judges it.
    ///
    /// `parent` is the run that it repeats.
    pub(super) fn report(
        &self,
        session: &mut Session,
        handle: &RunHandle,
        parent: Option<RunId>,
    ) -> Result<Code, Failure> {
        let report = Report { parent, ..self.of(session, handle, self.ended.first().copied()) };
        session.screen.emit(&report, |screen| report.print(screen))?;
        judge(session, &report, self.signal)
    }

    /// Prints what several runs did, and judges them together.
    pub(super) fn report_all(&self, session: &mut Session, handles: &[RunHandle]) -> Result<Code, Failure> {
        let reports: Vec<_> = handles
            .iter()
            .zip(&self.ended)
            .map(|(handle, ended)| self.of(session, handle, Some(*ended)))
            .collect();
        session.screen.emit(&Several { runs: &reports }, |screen| {
            for (index, report) in reports.iter().enumerate() {
                if index > 0 {
                    use std::io::Write as _;
                    writeln!(screen)?;
                }
                report.print(screen)?;
            }
            Ok(())
        })?;
        let mut bad: Vec<_> =
            reports.iter().filter_map(|report| judge(session, report, self.signal).err()).collect();
        match bad.len() {
            0 => Ok(Code::Ok),
            1 => Err(bad.remove(0)),
            some => {
                let code = bad.iter().fold(Code::Ok, |code, failure| code.worst(failure.code()));
                Err(Failure::said(
                    code,
                    format!("{some} of {} did not complete", count(reports.len(), "run")),
                )
                .help(session.command("run list")))
            }
        }
    }

    fn of<'a>(&'a self, session: &Session, handle: &'a RunHandle, ended: Option<Standing>) -> Report<'a> {
        Report {
            workflow: handle.plan().workflow(),
            run: handle.report(),
            standing: ended.unwrap_or(Standing::Lost),
            record: None,
            parent: None,
            tails: &self.tails,
            progress: handle.progress(),
            again: session.run_command("show", handle.id()),
        }
    }
}

/// How the process ends with a run that stands so. `signal` is what ended this process's part of it.
pub(super) fn judge(session: &Session, report: &Report<'_>, signal: Option<Code>) -> Result<Code, Failure> {
    let run = short(report.id());
    let why = report.why().map(|why| format!(": {why}")).unwrap_or_default();
    let (code, help) = match report.standing {
        Standing::At(RunStatus::Completed) => return Ok(Code::Ok),
        Standing::At(RunStatus::Paused) => {
            let resume = session.run_command("resume", report.id());
            let stands = |status| report.run.nodes.iter().any(|node| node.status == status);
            let help = if stands(NodeStatus::Unknown) {
                format!("find out whether it happened, then `{resume} --unknown fail` or `retry`")
            } else if stands(NodeStatus::Parked) {
                format!("see to what is wrong, then `{resume} --unknown retry` or `fail`")
            } else {
                format!("go on with `{resume}`")
            };
            (Code::Execution, help)
        }
        Standing::At(RunStatus::Failed | RunStatus::Cancelled | RunStatus::Pending | RunStatus::Running) => {
            (Code::Execution, format!("`{}` has the details", session.run_command("show", report.id())))
        }
        Standing::Suspended | Standing::Interrupted | Standing::Lost => (
            signal.unwrap_or(Code::Execution),
            format!("go on with `{}`", session.run_command("resume", report.id())),
        ),
    };
    let word = match report.standing {
        Standing::Suspended => "was suspended",
        Standing::Interrupted => "was interrupted",
        Standing::Lost => "was lost by this process",
        Standing::At(RunStatus::Paused) => "is paused",
        Standing::At(RunStatus::Cancelled) => "was cancelled",
        Standing::At(_) => "failed",
    };
    Err(Failure::said(code, format!("run {run} {word}{why}")).help(help))
}

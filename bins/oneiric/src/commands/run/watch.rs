//! `run watch`: a run of any process, followed until it ends.
//!
//! What happens is read from the store: there is no wire to the process that works on the run, and none that
//! could break. Looking is cheap (a number, then what is new) and only done while somebody watches.

use std::collections::HashMap;
use std::time::Duration;

use oneiric_core::{Clock as _, NodeId, Timestamp};
use oneiric_dag::Observer as _;
use oneiric_runtime::{RunOptions, SystemClock};
use oneiric_store::{NodeRecord, NodeStatus, RunRecord, RunStatus, SqliteStore, Store as _};

use super::journal::Line;
use super::show::{catalog, reported};
use super::{is_free, log, standing};
use crate::args::WatchArgs;
use crate::commands::conduct::{judge, telling};
use crate::exit::Code;
use crate::failure::Failure;
use crate::find::{find, short};
use crate::live::Live;
use crate::report::Report;
use crate::session::{self, Session};
use crate::signals::Signals;
use crate::wait::wait;

/// How often a run is looked at: often enough that a person sees no delay.
const GLANCE: Duration = Duration::from_millis(100);

/// A look may take this part of the time, so that watching a run of a million nodes leaves the disk to it.
const SHARE: u32 = 10;

/// Events that are read at a time.
const PAGE: usize = 1000;

/// Follows it.
pub(in crate::commands) fn watch(session: &mut Session, args: &WatchArgs) -> Result<Code, Failure> {
    let store = session.store()?;
    let record = find(session::reading(store.as_ref()), &args.run)?;
    let store = store.expect("a run was found in it");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime
        .map_err(|error| Failure::said(Code::Execution, format!("cannot start a runtime: {error}")))?;
    let (record, code) = runtime.block_on(follow(session, &store, record))?;
    let run = reported(&store, &record)?;
    let tails = log::tails(&session.state_dir()?, &run)?;
    let report = Report {
        workflow: &record.workflow,
        run,
        standing: standing(&record, &wait(store.dead())?),
        record: Some(&record),
        parent: record.parent,
        tails: &tails,
        progress: Vec::new(),
        again: session.run_command("show", record.id),
    };
    if session.for_programs() {
        session.lines(&report)?;
    } else if code.is_none() {
        session.screen.emit(&report, |screen| report.print(screen))?;
    }
    match code {
        Some(code) => Ok(code),
        None => judge(session, &report, None),
    }
}

/// Tells what happens until the run ends or pauses, or somebody has seen enough.
async fn follow(
    session: &mut Session,
    store: &SqliteStore,
    record: RunRecord,
) -> Result<(RunRecord, Option<Code>), Failure> {
    let mut signals = Signals::catch()
        .map_err(|error| Failure::said(Code::Execution, format!("cannot catch signals: {error}")))?;
    let clock = SystemClock::default();
    let mut watching = Watching::begin(session, store, record);
    let code = loop {
        let began = clock.monotonic();
        if !watching.look(session, store)? {
            break None;
        }
        let took = clock.monotonic().saturating_sub(began);
        tokio::select! {
            () = clock.sleep(GLANCE.max(took * SHARE)) => {}
            code = signals.next() => break Some(code),
        }
    };
    if code.is_some() {
        let (run, again) = (short(watching.record.id), session.run_command("watch", watching.record.id));
        watching.say(format!("run {run} goes on without being watched; watch it again with `{again}`"));
    }
    Ok((watching.end(), code))
}

struct Watching {
    record: RunRecord,
    live: Option<Live>,
    seq: Option<u64>,
    rows: HashMap<u32, (NodeStatus, u32, Option<Timestamp>)>,
    names: HashMap<u32, NodeId>,
    told_free: bool,
}

impl Watching {
    fn begin(session: &Session, store: &SqliteStore, record: RunRecord) -> Self {
        // Programs read the events; everybody else sees what follows from them.
        let live = (!session.for_programs()).then(|| {
            let live = Live::open(telling(session), session::manner(false));
            let options: RunOptions = serde_json::from_value(record.options.clone()).unwrap_or_default();
            let plan = catalog(store, &record).and_then(|catalog| catalog.plan(&record.workflow, &options));
            if let Ok(plan) = plan {
                live.board().expect(record.id, plan.into());
            }
            live
        });
        Self { record, live, seq: None, rows: HashMap::new(), names: HashMap::new(), told_free: false }
    }

    fn say(&self, text: String) {
        if let Some(live) = &self.live {
            live.board().say(text);
        }
    }

    /// Tells what is new; whether there is more to come.
    fn look(&mut self, session: &mut Session, store: &SqliteStore) -> Result<bool, Failure> {
        let run = self.record.id;
        // The row first: what it says the events behind it explain.
        self.record = wait(store.run(run))?.unwrap_or_else(|| self.record.clone());
        let last = wait(store.last_seq(run))?;
        if self.seq != Some(last) {
            let rows = wait(store.nodes(run))?;
            if self.live.is_some() {
                self.draw(&rows);
            } else {
                self.names.extend(rows.into_iter().map(|row| (row.node, row.name)));
                self.print(session, store, last)?;
            }
            self.seq = Some(last);
        }
        let status = self.record.state.status;
        let over = status.is_terminal() || status == RunStatus::Paused;
        if !over && !self.told_free && is_free(&self.record, &wait(store.dead())?) {
            self.told_free = true;
            self.say(format!("nobody works on it; `{}` says more", session.run_command("explain", run)));
        }
        Ok(!over)
    }

    /// The rows that have changed, to the board. What had ended before is counted and not told.
    fn draw(&mut self, rows: &[NodeRecord]) {
        let Some(live) = &self.live else { return };
        let begins = self.seq.is_none();
        for row in rows {
            let now = (row.status, row.attempt, row.ended_at);
            if self.rows.insert(row.node, now) == Some(now) {
                continue;
            }
            if begins && row.status.is_terminal() {
                live.board().count(row.status);
            } else {
                live.board().node(row);
            }
        }
    }

    /// The events that are new, a line of JSON each.
    fn print(&self, session: &mut Session, store: &SqliteStore, last: u64) -> Result<(), Failure> {
        let mut after = self.seq.unwrap_or(0);
        while after < last {
            let page = wait(store.journal(self.record.id, after, PAGE))?;
            let Some(end) = page.last() else { break };
            after = end.seq;
            for entry in page {
                session.lines(&Line::of(entry, |node| self.names.get(&node).map(ToString::to_string)))?;
            }
        }
        Ok(())
    }

    fn end(self) -> RunRecord {
        drop(self.live);
        self.record
    }
}

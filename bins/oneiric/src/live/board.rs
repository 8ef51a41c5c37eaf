//! What is known of runs under way, kept small.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oneiric_core::roles::{LogSink, Stream, TaskContext};
use oneiric_core::{NodeId, RunId, Timestamp};
use oneiric_dag::{Observer, Plan, Pulses, RunHandle};
use oneiric_store::{NodeRecord, NodeStatus, RunState, SkipReason};

use super::Telling;
use crate::output::text::{clean, cut, duration};

/// Lines that are kept of each node, for its failure.
pub(crate) const TAIL: usize = 20;

/// Bytes that are kept of such a line.
const TAIL_LINE: usize = 400;

/// Nodes of which lines are kept after they failed.
const TAILS: usize = 100;

/// Lines of tasks that wait to be told; what comes on top of that between two drawings is counted.
const WAITING: usize = 500;

/// The last lines of nodes, the latest last.
pub(crate) type Tails = HashMap<(RunId, NodeId), VecDeque<String>>;

/// What is known of runs under way.
#[derive(Debug)]
pub(crate) struct Board {
    telling: Telling,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    closed: bool,
    // What another process runs says nothing here of its progress.
    plans: HashMap<RunId, (Arc<Plan>, Option<Arc<Pulses>>)>,
    active: BTreeMap<(RunId, u32), Active>,
    tally: Tally,
    // Nodes that count as stopped until somebody has found out, or decided.
    resting: HashSet<(RunId, u32)>,
    said: Vec<Said>,
    dropped: usize,
    tails: Tails,
    failed_tails: usize,
}

/// A node that runs or waits for its next try.
#[derive(Debug, Clone)]
pub(super) struct Active {
    pub(super) name: NodeId,
    pub(super) attempt: u32,
    /// Tries that its policy allows; 0 where that is not known yet.
    pub(super) attempts: u32,
    pub(super) since: Timestamp,
    /// When the next try is due, where it waits for that.
    pub(super) wake_at: Option<Timestamp>,
    /// How far it is, where it says.
    pub(super) progress: Option<String>,
}

/// How many nodes there are of each kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(super) total: usize,
    pub(super) ok: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
    pub(super) stopped: usize,
}

impl Tally {
    /// Nodes that will not change again.
    pub(super) fn done(self) -> usize {
        self.ok + self.failed + self.skipped + self.stopped
    }

    fn add(&mut self, status: NodeStatus) {
        match status {
            NodeStatus::Completed => self.ok += 1,
            NodeStatus::Failed => self.failed += 1,
            NodeStatus::Skipped => self.skipped += 1,
            NodeStatus::Cancelled | NodeStatus::Unknown | NodeStatus::Parked => self.stopped += 1,
            NodeStatus::Pending | NodeStatus::Running | NodeStatus::Waiting | NodeStatus::Held => {}
        }
    }
}

/// A line that stays.
#[derive(Debug, Clone)]
pub(super) enum Said {
    /// A node ended, or a try of it did.
    Node { status: NodeStatus, name: NodeId, took: Option<Duration>, attempt: u32, note: Option<String> },
    /// A task wrote it.
    Task { name: NodeId, text: String },
    /// Anything else.
    Text(String),
}

/// What there is to draw.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) said: Vec<Said>,
    pub(super) dropped: usize,
    pub(super) active: Vec<Active>,
    pub(super) more: usize,
    pub(super) tally: Tally,
    pub(super) closed: bool,
}

impl Board {
    pub(super) fn new(telling: Telling) -> Self {
        Self { telling, state: Mutex::default(), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is told.
    pub(super) fn telling(&self) -> Telling {
        self.telling
    }

    /// Whether somebody draws it.
    pub(crate) fn is_open(&self) -> bool {
        !self.lock().closed
    }

    /// Says a line above everything that changes.
    pub(crate) fn say(&self, text: String) {
        self.lock().say(Said::Text(text));
    }

    /// Names a run, so that its nodes can be counted. What it had done before counts as done.
    pub(crate) fn watch(&self, handle: &RunHandle, before: &[NodeStatus]) {
        let mut state = self.lock();
        state.tally.total += handle.plan().graph().len();
        before.iter().filter(|status| status.is_terminal()).for_each(|status| state.tally.add(*status));
        state.plans.insert(handle.id(), (Arc::clone(handle.plan()), Some(Arc::clone(handle.pulses()))));
    }

    /// Names a run of another process, so that its nodes can be counted.
    pub(crate) fn expect(&self, run: RunId, plan: Arc<Plan>) {
        let mut state = self.lock();
        state.tally.total += plan.graph().len();
        state.plans.insert(run, (plan, None));
    }

    /// Counts a node that had come to this before anybody looked.
    pub(crate) fn count(&self, status: NodeStatus) {
        self.lock().tally.add(status);
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    pub(super) fn take_tails(&self) -> Tails {
        std::mem::take(&mut self.lock().tails)
    }

    /// Waits for `pause` or the end, and takes what is to be drawn: at most `rows` active nodes, those
    /// that have been so the longest.
    pub(super) fn next(&self, pause: Duration, rows: usize) -> View {
        let state = self.lock();
        let waited = self.changed.wait_timeout_while(state, pause, |state| !state.closed);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let mut active: Vec<_> = state.active.iter().collect();
        active.sort_by_key(|(place, node)| (node.since, **place));
        let more = active.len().saturating_sub(rows);
        let named = |(place, node): &(&(RunId, u32), &Active)| {
            let known = state.plans.get(&place.0);
            let policy = known.map(|(plan, _)| plan.retry(place.1).map_or(1, |policy| policy.attempts));
            let said = known.and_then(|(_, pulses)| pulses.as_ref()?.said(place.1));
            let said = said.filter(|_| node.wake_at.is_none());
            let progress = said.map(|said| said.progress.to_string());
            Active { attempts: policy.unwrap_or(0), progress, ..(*node).clone() }
        };
        let active = active.iter().take(rows).map(named).collect();
        View {
            active,
            more,
            tally: state.tally,
            closed: state.closed,
            said: std::mem::take(&mut state.said),
            dropped: std::mem::take(&mut state.dropped),
        }
    }
}

impl State {
    fn say(&mut self, said: Said) {
        if matches!(said, Said::Task { .. }) && self.said.len() >= WAITING {
            self.dropped += 1;
        } else {
            self.said.push(said);
        }
    }

    fn forget(&mut self, row: &NodeRecord) {
        let id = (row.run, row.name.clone());
        if row.status == NodeStatus::Failed && self.failed_tails < TAILS {
            self.failed_tails += usize::from(self.tails.contains_key(&id));
        } else {
            self.tails.remove(&id);
        }
    }
}

impl Observer for Board {
    fn node(&self, row: &NodeRecord) {
        let mut state = self.lock();
        let place = (row.run, row.node);
        if state.resting.remove(&place) {
            state.tally.stopped -= 1;
        }
        let since = row.started_at.unwrap_or_default();
        let active = Active {
            name: row.name.clone(),
            attempt: row.attempt,
            attempts: 0,
            since,
            wake_at: row.wake_at,
            progress: None,
        };
        match row.status {
            NodeStatus::Running => {
                state.active.insert(place, Active { wake_at: None, ..active });
                return;
            }
            NodeStatus::Waiting | NodeStatus::Held => drop(state.active.insert(place, active)),
            NodeStatus::Pending => {
                state.active.remove(&place);
                return;
            }
            NodeStatus::Completed
            | NodeStatus::Failed
            | NodeStatus::Skipped
            | NodeStatus::Cancelled
            | NodeStatus::Unknown
            | NodeStatus::Parked => {
                state.active.remove(&place);
                state.forget(row);
                if matches!(row.status, NodeStatus::Unknown | NodeStatus::Parked) {
                    state.resting.insert(place);
                }
            }
        }
        state.tally.add(row.status);
        let worth = match (self.telling, row.status) {
            // A failure that takes a thousand nodes with it is one line, not a thousand and one.
            (_, NodeStatus::Skipped) => {
                row.skip == Some(SkipReason::Condition) && self.telling == Telling::Lines
            }
            (_, NodeStatus::Failed | NodeStatus::Unknown | NodeStatus::Parked) => true,
            (telling, _) => telling == Telling::Lines,
        };
        if worth {
            state.say(Said::of(row));
        }
    }

    fn run(&self, _: RunId, _: &RunState) {}
}

impl Said {
    fn of(row: &NodeRecord) -> Self {
        let fault = row.fault.as_ref().map(|fault| clean(&fault.message));
        let wait = row.wake_at.zip(row.ended_at).map(|(wake, ended)| wake.since(ended));
        let note = match (fault, wait.filter(|_| row.status == NodeStatus::Waiting)) {
            (Some(fault), Some(wait)) => Some(format!("again in {}: {fault}", duration(wait))),
            (fault, None) => fault,
            (None, Some(wait)) => Some(format!("again in {}", duration(wait))),
        };
        let took = row.ended_at.zip(row.started_at).map(|(ended, started)| ended.since(started));
        Said::Node { status: row.status, name: row.name.clone(), took, attempt: row.attempt, note }
    }
}

impl LogSink for Board {
    fn line(&self, cx: &TaskContext<'_>, _: Stream, line: &str) {
        let text = clean(line);
        let mut state = self.lock();
        let tail = state.tails.entry((cx.run, cx.node.clone())).or_default();
        if tail.len() == TAIL {
            tail.pop_front();
        }
        tail.push_back(cut(&text, TAIL_LINE));
        state.say(Said::Task { name: cx.node.clone(), text });
    }
}

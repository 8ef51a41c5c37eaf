//! The rules of one run. Statuses are counted where they are needed, never kept in step.

use std::sync::Arc;

use oneiric_dag::OnFailure;
use oneiric_store::{NodeStatus, RunStatus, SkipReason, UnknownNodes};

use super::command::{Ask, How, Stepped, WAITING, What};
use super::shape::Shape;

/// Where a run stands.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) shape: usize,
    pub(super) plan: Arc<Shape>,
    pub(super) status: RunStatus,
    pub(super) owner: Option<usize>,
    pub(super) epoch: u64,
    pub(super) deaths: u32,
    pub(super) deadline: Option<i64>,
    pub(super) started_at: Option<i64>,
    pub(super) ended_at: Option<i64>,
    pub(super) stop: Option<Stop>,
    pub(super) pause: Option<u8>,
    pub(super) nodes: Vec<Node>,
    /// How much has happened.
    pub(super) seq: u64,
    /// Its first node has an output on its input already.
    pub(super) carried: bool,
    // The rest is known to its owner alone.
    /// Whether somebody has decided what was in flight before.
    pub(super) live: bool,
    /// Nodes that can start, in the order in which they do.
    queue: Vec<usize>,
    hard: bool,
    /// Failed nodes in the order in which they failed.
    failures: Vec<usize>,
}

/// Why nothing further starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    FailFast,
    Cancelled,
    TimedOut,
}

/// Where a node stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) status: NodeStatus,
    /// Something has happened to it.
    pub(super) known: bool,
    pub(super) attempt: u32,
    pub(super) deaths: u32,
    pub(super) input: bool,
    pub(super) started_at: Option<i64>,
    pub(super) ended_at: Option<i64>,
    pub(super) wake_at: Option<i64>,
    pub(super) fault: Option<&'static str>,
    pub(super) skip: Option<SkipReason>,
    /// Those who wait for it know that it has ended.
    gone: bool,
}

impl How {
    /// The code of the fault.
    pub(super) const fn code(self) -> &'static str {
        match self {
            How::Flaky => "flaky",
            How::Broken => "broken",
            How::Denied => "paused",
            How::Stopped => "cancelled",
            How::Lost => "lost",
        }
    }
}

impl Run {
    /// One that nobody has begun.
    pub(super) fn new(number: usize, plan: &Arc<Shape>, carried: bool) -> Self {
        let node = Node {
            status: NodeStatus::Pending,
            known: false,
            attempt: 0,
            deaths: 0,
            input: false,
            started_at: None,
            ended_at: None,
            wake_at: None,
            fault: None,
            skip: None,
            gone: false,
        };
        Self {
            shape: number,
            plan: Arc::clone(plan),
            status: RunStatus::Pending,
            owner: None,
            epoch: 0,
            deaths: 0,
            deadline: None,
            started_at: None,
            ended_at: None,
            stop: None,
            pause: None,
            nodes: vec![node; plan.nodes.len()],
            seq: 0,
            carried,
            live: false,
            queue: Vec::new(),
            hard: false,
            failures: Vec::new(),
        }
    }

    /// What a new owner knows of it: all that is written down.
    pub(super) fn picked_up(&self) -> Self {
        let mut run = Self { live: false, hard: false, queue: Vec::new(), ..self.clone() };
        if run.started_at.is_some() && run.stop.is_none() {
            let can_start = |node: &usize| run.is(*node, NodeStatus::Pending) && run.is_free(*node);
            run.queue = (0..run.nodes.len()).filter(can_start).collect();
        }
        run
    }

    /// Puts something to it; `None` where that does not belong.
    pub(super) fn happen(&mut self, at: i64, what: &What, slots: u32) -> Option<Stepped> {
        if !self.belongs(what) {
            return None;
        }
        let mut out = Stepped::default();
        let slots = match what {
            What::Started => {
                self.begin(at);
                slots
            }
            What::Resumed(unknown) => {
                self.resume(at, *unknown, &mut out);
                slots
            }
            What::Succeeded { node, .. } => {
                self.complete(*node as usize, at);
                slots
            }
            What::Failed { node, how, .. } => {
                self.fail(*node as usize, *how, at, &mut out);
                slots
            }
            What::Held { node, timed, .. } => {
                self.hold(*node as usize, timed.then_some(at + super::HELD_FOR), at, &mut out);
                slots
            }
            What::Due { node, .. } => {
                self.wake(*node as usize);
                slots
            }
            What::Granted => slots,
            What::Released(nodes) | What::Asked(Ask::RetryNow(nodes)) => {
                if self.status == RunStatus::Paused {
                    // Whoever wants a node tried wants the run to go on.
                    self.resume(at, UnknownNodes::Keep, &mut out);
                }
                nodes.iter().for_each(|node| self.wake(*node as usize));
                slots
            }
            What::Reconciled { node, done: true } => {
                self.complete(*node as usize, at);
                slots
            }
            What::Reconciled { node, done: false } => {
                self.wake(*node as usize);
                slots
            }
            What::Asked(Ask::Pause(reason)) => {
                self.pause = Some(*reason);
                self.status = RunStatus::Running;
                0
            }
            What::Asked(Ask::Resume) => {
                self.pause = None;
                slots
            }
            What::Asked(Ask::Extend(to)) => {
                self.deadline = Some(super::deadline(*to));
                0
            }
            What::Asked(Ask::Cancel { hard }) => {
                self.hard |= *hard;
                out.abort = *hard && self.under_way() > 0;
                self.stop(Stop::Cancelled, at, &mut out);
                0
            }
            What::TimedOut => {
                self.stop(Stop::TimedOut, at, &mut out);
                0
            }
        };
        self.fill(slots, at, &mut out);
        self.settle(at, &mut out);
        if self.status != RunStatus::Running {
            self.owner = None;
        }
        self.seq += 1;
        Some(out)
    }

    fn belongs(&self, what: &What) -> bool {
        let running = self.status == RunStatus::Running;
        let open = !self.status.is_terminal();
        let tried = |node: u32, late: bool| self.live && !late && self.is(node as usize, NodeStatus::Running);
        let waits = |node: &u32, statuses: &[NodeStatus]| {
            statuses.iter().any(|status| self.is(*node as usize, *status))
        };
        match what {
            What::Started => self.status == RunStatus::Pending,
            What::Resumed(_) => open && self.status != RunStatus::Pending && self.under_way() == 0,
            What::Succeeded { node, late }
            | What::Failed { node, late, .. }
            | What::Held { node, late, .. } => tried(*node, *late),
            What::Due { node, named, late } => {
                let waits = waits(node, &[NodeStatus::Waiting, NodeStatus::Held]);
                running && waits && !(*named && *late) && self.stop.is_none()
            }
            What::Granted => running,
            What::Released(nodes) => running && nodes.iter().any(|node| waits(node, &[NodeStatus::Held])),
            What::Asked(Ask::RetryNow(nodes)) => {
                let open = running || self.status == RunStatus::Paused;
                open && self.stop.is_none() && nodes.iter().any(|node| waits(node, &WAITING))
            }
            What::Reconciled { node, .. } => running && waits(node, &[NodeStatus::Unknown]),
            What::Asked(Ask::Pause(_)) => {
                open && self.status != RunStatus::Paused && self.stop.is_none() && self.pause.is_none()
            }
            What::Asked(Ask::Resume) => running && self.pause.is_some(),
            What::Asked(Ask::Extend(to)) => {
                open && self.stop.is_none() && self.deadline != Some(super::deadline(*to))
            }
            What::Asked(Ask::Cancel { hard }) => {
                open && (self.stop != Some(Stop::Cancelled) || (*hard && !self.hard))
            }
            What::TimedOut => running && self.stop.is_none(),
        }
    }

    fn is(&self, node: usize, status: NodeStatus) -> bool {
        self.nodes.get(node).is_some_and(|node| node.status == status)
    }

    fn count(&self, statuses: &[NodeStatus]) -> usize {
        self.nodes.iter().filter(|node| statuses.contains(&node.status)).count()
    }

    fn under_way(&self) -> usize {
        if self.live { self.count(&[NodeStatus::Running]) } else { 0 }
    }

    /// Whether everything it waits for has let it go.
    fn is_free(&self, node: usize) -> bool {
        self.plan.nodes[node].after.iter().all(|upstream| self.nodes[*upstream].gone)
    }

    fn change(&mut self, node: usize, status: NodeStatus) -> &mut Node {
        let node = &mut self.nodes[node];
        node.known = true;
        node.status = status;
        node
    }

    fn begin(&mut self, at: i64) {
        self.status = RunStatus::Running;
        self.started_at = Some(at);
        self.deaths = 0;
        self.live = true;
        for node in 0..self.nodes.len() {
            if self.plan.nodes[node].after.is_empty() && self.reach(node, at) {
                self.let_go(node, at);
            }
        }
    }

    /// Its inputs are there: it can start, or ends here by its condition (true).
    fn reach(&mut self, node: usize, at: i64) -> bool {
        let skipped = self.plan.nodes[node].skipped;
        if skipped {
            let row = self.change(node, NodeStatus::Skipped);
            (row.ended_at, row.skip) = (Some(at), Some(SkipReason::Condition));
        } else {
            self.queue.push(node);
        }
        skipped
    }

    /// Those who wait for it do not any more.
    fn let_go(&mut self, node: usize, at: i64) {
        let plan = Arc::clone(&self.plan);
        let mut ended = vec![node];
        while let Some(node) = ended.pop() {
            self.nodes[node].gone = true;
            for next in plan.successors(node) {
                let reached = self.is(next, NodeStatus::Pending) && self.is_free(next) && self.stop.is_none();
                if reached && self.reach(next, at) {
                    ended.push(next);
                }
            }
        }
    }

    fn complete(&mut self, node: usize, at: i64) {
        let row = self.change(node, NodeStatus::Completed);
        (row.ended_at, row.deaths, row.fault) = (Some(at), 0, None);
        self.let_go(node, at);
    }

    fn fail(&mut self, node: usize, how: How, at: i64, out: &mut Stepped) {
        let row = &mut self.nodes[node];
        (row.ended_at, row.fault) = (Some(at), Some(how.code()));
        let attempt = row.attempt;
        let wait = self.plan.nodes[node].wait_after(attempt);
        if self.stop.is_some() {
            self.change(node, NodeStatus::Cancelled);
            return;
        }
        match (how, wait) {
            (How::Lost, _) => drop(self.change(node, NodeStatus::Unknown)),
            (How::Flaky, Some(0)) => {
                self.change(node, NodeStatus::Pending);
                self.queue.push(node);
            }
            (How::Flaky, Some(wait)) => {
                self.change(node, NodeStatus::Waiting).wake_at = Some(at + wait);
                out.timers.push((node as u32, attempt, at + wait));
            }
            (How::Flaky, None) if self.plan.nodes[node].tries > 0 && self.plan.nodes[node].parks => {
                self.change(node, NodeStatus::Parked);
            }
            (How::Flaky | How::Broken | How::Denied | How::Stopped, _) => {
                self.fail_for_good(node, how.code(), at, out);
            }
        }
    }

    fn fail_for_good(&mut self, node: usize, code: &'static str, at: i64, out: &mut Stepped) {
        let row = self.change(node, NodeStatus::Failed);
        (row.ended_at, row.fault) = (Some(at), Some(code));
        self.failures.push(node);
        match self.plan.on_failure {
            OnFailure::Continue => self.let_go(node, at),
            OnFailure::FailFast => self.stop(Stop::FailFast, at, out),
            OnFailure::FinishIndependent => {
                let mut lost = vec![node];
                let plan = Arc::clone(&self.plan);
                while let Some(node) = lost.pop() {
                    for next in plan.successors(node) {
                        if self.is(next, NodeStatus::Pending) {
                            let row = self.change(next, NodeStatus::Skipped);
                            (row.ended_at, row.skip) = (Some(at), Some(SkipReason::Upstream));
                            lost.push(next);
                        }
                    }
                }
            }
        }
    }

    fn hold(&mut self, node: usize, until: Option<i64>, at: i64, out: &mut Stepped) {
        let stopping = self.stop.is_some();
        let row = self.change(node, if stopping { NodeStatus::Cancelled } else { NodeStatus::Held });
        row.attempt -= 1;
        (row.ended_at, row.fault) = (Some(at), Some("held"));
        if !stopping {
            row.wake_at = until;
            out.timers.extend(until.map(|until| (node as u32, row.attempt, until)));
        }
    }

    /// It waited, and can start.
    fn wake(&mut self, node: usize) {
        if !WAITING.iter().any(|status| self.is(node, *status)) {
            return;
        }
        if self.is(node, NodeStatus::Parked) {
            self.nodes[node].deaths = 0;
        }
        self.change(node, NodeStatus::Pending).wake_at = None;
        self.queue.push(node);
    }

    fn stop(&mut self, why: Stop, at: i64, out: &mut Stepped) {
        if self.stop.is_none() || why == Stop::Cancelled {
            self.stop = Some(why);
        }
        out.cancel = self.under_way() > 0;
        self.queue.clear();
        self.pause = None;
        self.status = RunStatus::Running;
        for node in 0..self.nodes.len() {
            let left_behind = !self.live && self.is(node, NodeStatus::Running);
            if left_behind || WAITING.iter().any(|status| self.is(node, *status)) {
                let row = self.change(node, NodeStatus::Cancelled);
                (row.ended_at, row.wake_at) = (Some(at), None);
            }
        }
    }

    /// What was in flight is decided, and what a person said of the unknown is done, by place.
    fn resume(&mut self, at: i64, unknown: UnknownNodes, out: &mut Stepped) {
        if self.status == RunStatus::Paused {
            self.pause = None;
        }
        let died = std::mem::take(&mut self.deaths) > 0;
        if self.started_at.is_none() {
            self.begin(at);
            return;
        }
        self.status = RunStatus::Running;
        for node in 0..self.nodes.len() {
            match (self.nodes[node].status, unknown) {
                (NodeStatus::Running, _) => self.decide(node, died, at),
                (NodeStatus::Waiting, _) => {
                    let row = &self.nodes[node];
                    out.timers.push((node as u32, row.attempt, row.wake_at.unwrap_or(at)));
                }
                (NodeStatus::Held, _) | (NodeStatus::Unknown | NodeStatus::Parked, UnknownNodes::Retry) => {
                    self.wake(node);
                }
                (NodeStatus::Unknown, UnknownNodes::Fail) => {
                    self.fail_for_good(node, "unknown-outcome", at, out);
                }
                (NodeStatus::Parked, UnknownNodes::Fail) => {
                    let code = self.nodes[node].fault.unwrap_or("parked");
                    self.fail_for_good(node, code, at, out);
                }
                _ => {}
            }
        }
        self.live = true;
        self.queue.sort_unstable();
    }

    /// A try was under way when its process ended.
    fn decide(&mut self, node: usize, died: bool, at: i64) {
        if self.stop.is_some() {
            self.change(node, NodeStatus::Cancelled).ended_at = Some(at);
        } else if self.plan.nodes[node].idempotent == Some(false) {
            let row = self.change(node, NodeStatus::Unknown);
            (row.ended_at, row.fault) = (Some(at), Some("interrupted"));
        } else {
            let row = &mut self.nodes[node];
            row.deaths += u32::from(died);
            row.ended_at = Some(at);
            if row.deaths >= self.plan.deliveries {
                self.change(node, NodeStatus::Parked).fault = Some("process-died");
            } else {
                self.change(node, NodeStatus::Pending);
                self.queue.push(node);
            }
        }
    }

    fn fill(&mut self, mut slots: u32, at: i64, out: &mut Stepped) {
        while slots > 0
            && (self.under_way() as u64) < u64::from(self.plan.limit)
            && self.stop.is_none()
            && self.pause.is_none()
            && !self.queue.is_empty()
        {
            let node = self.queue.remove(0);
            if node == 0 && self.carried {
                let row = self.change(node, NodeStatus::Completed);
                (row.input, row.started_at, row.ended_at) = (true, Some(at), Some(at));
                self.let_go(node, at);
                continue;
            }
            let row = self.change(node, NodeStatus::Running);
            row.attempt += 1;
            (row.input, row.started_at, row.ended_at, row.wake_at) = (true, Some(at), None, None);
            out.start.push((node as u32, row.attempt));
            slots -= 1;
        }
        out.returned = slots;
    }

    /// Ends or pauses it where nothing moves any more.
    fn settle(&mut self, at: i64, out: &mut Stepped) {
        let moves = self.count(&[NodeStatus::Waiting, NodeStatus::Held]) > 0 || !self.queue.is_empty();
        let told = self.stop.is_some() || self.pause.is_some();
        if self.status != RunStatus::Running || self.count(&[NodeStatus::Running]) > 0 || (moves && !told) {
            return;
        }
        let left = self.started_at.is_none() || moves || self.count(&WAITING) > 0;
        self.status = match self.stop {
            Some(Stop::Cancelled) => RunStatus::Cancelled,
            Some(Stop::FailFast | Stop::TimedOut) => RunStatus::Failed,
            None if self.pause.is_some() && left => RunStatus::Paused,
            None if self.count(&[NodeStatus::Unknown, NodeStatus::Parked]) > 0 => RunStatus::Paused,
            None if !self.failures.is_empty() => RunStatus::Failed,
            None => RunStatus::Completed,
        };
        self.ended_at = self.status.is_terminal().then_some(at);
        out.ended = Some(self.status);
    }

    /// The code of the run's own fault, and the reason that a person gave.
    pub(super) fn fault(&self) -> Option<(&'static str, Option<String>)> {
        let node = || self.failures.first().and_then(|node| self.nodes[*node].fault).map(|code| (code, None));
        match (self.stop, self.status) {
            (_, RunStatus::Completed) => None,
            (Some(Stop::Cancelled), _) => Some(("cancelled", None)),
            (Some(Stop::TimedOut), _) => Some(("run-timeout", None)),
            (Some(Stop::FailFast), RunStatus::Running) => Some(("fail-fast", None)),
            (Some(Stop::FailFast), _) | (None, RunStatus::Failed) => node(),
            (None, RunStatus::Running | RunStatus::Paused) if self.pause.is_some() => {
                self.pause.map(|reason| ("paused", Some(reason.to_string())))
            }
            (None, RunStatus::Paused) if self.count(&[NodeStatus::Unknown]) > 0 => {
                Some(("unknown-nodes", None))
            }
            (None, RunStatus::Paused) => Some(("parked-nodes", None)),
            (None, _) => None,
        }
    }

    /// The outputs that are kept: by node.
    pub(super) fn outputs(&self) -> impl Iterator<Item = u32> + use<'_> {
        let kept = move |node: usize| self.is(node, NodeStatus::Completed) || (node == 0 && self.carried);
        (0..self.nodes.len()).filter(move |node| kept(*node)).map(|node| node as u32)
    }
}

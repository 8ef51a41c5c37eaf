//! From rows to reasons.

use oneiric_core::{Domain, Key, NodeId, Timestamp};
use oneiric_store::liveness::CANNOT_RESUME;
use oneiric_store::{BootSeen, Command, NodeRecord, NodeStatus, RunStatus, SkipReason};

use super::{Explained, Explanation, Facts, Reason};
use crate::graph::OnFailure;

/// The most nodes of one kind that are named: a person reads no more, and a run may have a million.
const MOST: usize = 10;

/// Why a run stands where it stands.
pub fn explain(facts: &Facts<'_>) -> Explanation {
    let mut found = Found { facts, reasons: Vec::new(), more: 0 };
    let state = &facts.run.state;
    if state.status.is_terminal() {
        let why = state.fault.as_ref().map(|fault| fault.message.clone());
        found.add(Reason::Ended { status: state.status, why }, state.ended_at);
    } else {
        found.commands();
        found.owner();
        found.standing();
        found.nodes();
        found.not_started();
        found.deadline();
    }
    if found.reasons.is_empty() {
        // It is under way, and nothing of it is in a row: its owner has just begun.
        found.add(Reason::Dependencies { nodes: Vec::new(), more: 0 }, state.started_at);
    }
    Explanation { reasons: found.reasons, more: found.more }
}

struct Found<'a> {
    facts: &'a Facts<'a>,
    reasons: Vec<Explained>,
    more: usize,
}

impl Found<'_> {
    fn add(&mut self, reason: Reason, since: Option<Timestamp>) {
        self.reasons.push(Explained { reason, since });
    }

    fn owner_seen(&self) -> Option<&BootSeen> {
        let owner = self.facts.run.state.owner?;
        self.facts.boots.iter().find(|seen| seen.boot.id == owner)
    }

    /// Somebody alive who serves, other than the owner.
    fn heir(&self) -> Option<u32> {
        let owner = self.facts.run.state.owner;
        let serves = |seen: &&BootSeen| seen.boot.serves && !seen.dead && Some(seen.boot.id) != owner;
        self.facts.boots.iter().find(serves).map(|seen| seen.boot.pid)
    }

    fn is_silent(&self, seen: &BootSeen) -> bool {
        self.facts.now.since(seen.boot.beat_at) > seen.boot.lease()
    }

    fn commands(&mut self) {
        let pid = self.owner_seen().map(|seen| seen.boot.pid);
        for asked in self.facts.commands.iter().take(MOST) {
            let reason = Reason::Command { verb: asked.command.verb(), actor: asked.actor.clone(), pid };
            self.add(reason, Some(asked.at));
        }
        self.more += self.facts.commands.len().saturating_sub(MOST);
    }

    fn owner(&mut self) {
        let state = &self.facts.run.state;
        if state.status == RunStatus::Paused {
            return;
        }
        let heir = self.heir();
        let free_since = self.facts.last_event.or(Some(self.facts.run.created_at));
        match (state.owner, self.owner_seen()) {
            (Some(_), Some(seen)) if seen.dead => {
                let (pid, since) = (seen.boot.pid, seen.boot.beat_at);
                self.add(Reason::OwnerDead { pid, heir }, Some(since));
            }
            (Some(_), Some(seen)) if self.is_silent(seen) => {
                let (pid, since) = (seen.boot.pid, seen.boot.beat_at);
                self.add(Reason::OwnerSilent { pid, heir }, Some(since));
            }
            (Some(_), Some(_)) => {}
            // Whoever had it has ended.
            (Some(_) | None, _) => {
                let reason = heir.map_or(Reason::NobodyServes, |pid| Reason::TakeoverDue { pid });
                self.add(reason, free_since);
            }
        }
    }

    fn standing(&mut self) {
        let state = &self.facts.run.state;
        let Some(fault) = &state.fault else { return };
        let (why, since) = (fault.message.clone(), self.facts.last_event);
        let running = || self.named(NodeStatus::Running);
        match (fault.code.as_str(), state.status) {
            (CANNOT_RESUME, RunStatus::Paused) => self.add(Reason::CannotResume { why }, since),
            ("paused", RunStatus::Paused) => self.add(Reason::Paused { why }, since),
            ("paused", _) => self.add(Reason::Pausing { why, running: running() }, since),
            // Their nodes say more.
            ("unknown-nodes" | "parked-nodes", RunStatus::Paused) => {}
            (_, RunStatus::Paused) => self.add(Reason::CannotResume { why }, since),
            (_, RunStatus::Running) => self.add(Reason::Stopping { why, running: running() }, since),
            (_, RunStatus::Pending | RunStatus::Completed | RunStatus::Failed | RunStatus::Cancelled) => {}
        }
    }

    fn named(&self, status: NodeStatus) -> Vec<NodeId> {
        self.facts.nodes.iter().filter(|node| node.status == status).map(|node| node.name.clone()).collect()
    }

    fn nodes(&mut self) {
        let kinds = [
            NodeStatus::Unknown,
            NodeStatus::Parked,
            NodeStatus::Held,
            NodeStatus::Waiting,
            NodeStatus::Running,
        ];
        let alive = self.owner_seen().is_some_and(|seen| !seen.dead);
        for kind in kinds {
            if kind == NodeStatus::Running && !alive {
                continue;
            }
            let mut of_kind = self.facts.nodes.iter().filter(|node| node.status == kind);
            for node in of_kind.by_ref().take(MOST) {
                let (reason, since) = self.of_node(node);
                self.add(reason, since);
            }
            self.more += of_kind.count();
        }
    }

    fn of_node(&self, row: &NodeRecord) -> (Reason, Option<Timestamp>) {
        let node = row.name.clone();
        let why = row.fault.as_ref().map_or_else(String::new, |fault| fault.message.clone());
        let code = row.fault.as_ref().map_or("", |fault| fault.code.as_str());
        let reason = match row.status {
            NodeStatus::Unknown => Reason::UnknownOutcome { node, why },
            NodeStatus::Parked if code == "process-died" => Reason::Deadly { node, deaths: row.deaths },
            NodeStatus::Parked => Reason::Exhausted { node, attempts: row.attempt, why },
            NodeStatus::Waiting => Reason::Retry {
                node,
                attempt: row.attempt + 1,
                attempts: Some(self.attempts(row.node)).filter(|most| *most > row.attempt).unwrap_or(0),
                at: row.wake_at.unwrap_or(self.facts.now),
                why,
            },
            NodeStatus::Held => self.held(row, why, code),
            NodeStatus::Running
            | NodeStatus::Pending
            | NodeStatus::Completed
            | NodeStatus::Failed
            | NodeStatus::Skipped
            | NodeStatus::Cancelled => {
                return (Reason::Running { node, attempt: row.attempt }, row.started_at);
            }
        };
        (reason, row.ended_at)
    }

    fn attempts(&self, place: u32) -> u32 {
        self.facts.plan.map_or(0, |plan| plan.retry(place).map_or(1, |policy| policy.attempts))
    }

    fn held(&self, row: &NodeRecord, why: String, code: &str) -> Reason {
        let (node, until) = (row.name.clone(), row.wake_at);
        let said = self.task(row.node).and_then(|task| {
            let mut said = self.facts.activities.iter();
            let said = said.find(|said| said.domain == Domain::TASK && said.key == task)?;
            Some((task, said))
        });
        match (code, said) {
            ("denied-activity", Some((task, said))) if said.draining => {
                Reason::TaskDraining { node, task, note: said.note.clone() }
            }
            ("denied-activity", Some((task, said))) if said.paused => {
                Reason::TaskPaused { node, task, note: said.note.clone() }
            }
            ("denied-breaker", _) => Reason::BreakerOpen { node, why, until },
            _ => Reason::Held { node, why, until },
        }
    }

    fn task(&self, place: u32) -> Option<Key> {
        let graph = self.facts.plan?.graph();
        Some(graph.tasks()[graph.nodes().get(place as usize)?.task as usize].clone())
    }

    /// Nodes that have not started: for want of a slot, or of what comes before them.
    fn not_started(&mut self) {
        let (Some(plan), state) = (self.facts.plan, &self.facts.run.state) else { return };
        let stands_still = state.status != RunStatus::Running || state.fault.is_some();
        let mut rows = vec![None; plan.graph().len()];
        for row in self.facts.nodes {
            if let Some(slot) = rows.get_mut(row.node as usize) {
                *slot = Some(row);
            }
        }
        let through =
            |place: u32| rows[place as usize].is_some_and(|row| is_through(row, plan.graph().on_failure()));
        let (mut ready, mut waiting, mut more) = (Vec::new(), Vec::new(), 0);
        for place in 0..plan.graph().len() as u32 {
            if rows[place as usize].is_some_and(|row| row.status != NodeStatus::Pending) {
                continue;
            }
            let name = plan.graph().node(place).id.clone();
            let open = plan.graph().dependencies(place).iter().filter(|upstream| !through(**upstream));
            let open: Vec<_> = open.map(|upstream| plan.graph().node(*upstream).id.clone()).collect();
            match (open.is_empty(), ready.len() + waiting.len() < MOST) {
                (_, false) => more += 1,
                (true, true) => ready.push(name),
                (false, true) => waiting.push((name, open)),
            }
        }
        let running = self.facts.nodes.iter().filter(|row| row.status == NodeStatus::Running).count();
        let limit = plan.limits().max_parallel;
        let alive = self.owner_seen().is_some_and(|seen| !seen.dead && !self.is_silent(seen));
        if !ready.is_empty() && !stands_still && alive {
            let reason = match running >= limit as usize {
                true => Reason::RunSlots { nodes: ready, limit },
                false => Reason::ProcessSlots { nodes: ready },
            };
            self.add(reason, self.facts.last_event);
        }
        if !waiting.is_empty() {
            self.add(Reason::Dependencies { nodes: waiting, more }, state.started_at);
        }
    }

    fn deadline(&mut self) {
        let at = self.facts.plan.map_or(self.facts.run.state.deadline.or(self.facts.run.deadline), |plan| {
            plan.deadline(self.facts.run, self.facts.now)
        });
        if let Some(at) = at.filter(|at| *at != Command::NO_DEADLINE) {
            self.add(Reason::Deadline { at }, self.facts.run.state.started_at);
        }
    }
}

/// Whether what comes behind a node need not wait for it.
fn is_through(row: &NodeRecord, on_failure: OnFailure) -> bool {
    match row.status {
        NodeStatus::Completed => true,
        NodeStatus::Failed => on_failure == OnFailure::Continue,
        NodeStatus::Skipped => row.skip == Some(SkipReason::Condition),
        NodeStatus::Pending
        | NodeStatus::Running
        | NodeStatus::Waiting
        | NodeStatus::Cancelled
        | NodeStatus::Unknown
        | NodeStatus::Held
        | NodeStatus::Parked => false,
    }
}

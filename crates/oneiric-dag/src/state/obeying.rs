//! What people ask of a run, as events.
//!
//! A command says what somebody wants to be so, an event what happens: the one becomes the other by how
//! the run stands. So a command that is asked twice is done once, and one that comes too late changes
//! nothing and says why.

use oneiric_core::Timestamp;
use oneiric_store::{Command, Event, NodeStatus, RunStatus, UnknownNodes};

use super::{Effects, State, Stop};
use crate::plan::Plan;

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obeyed {
    /// It is so now.
    Done,
    /// It was so already.
    Already,
    /// It does not apply to the run as it stands; why, as the end of "run X ...".
    Stale(String),
}

impl State {
    /// Puts a command to the machine, as the events that it comes to. None of them asks for slots: who
    /// goes on with the run fills those afterwards.
    pub fn obey(&mut self, plan: &Plan, at: Timestamp, command: &Command, fx: &mut Effects) -> Obeyed {
        let events = match self.wish(command) {
            Ok(events) if events.is_empty() => return Obeyed::Already,
            Ok(events) => events,
            Err(why) => return Obeyed::Stale(why),
        };
        for event in events {
            if let Err(illegal) = self.step(plan, at, event, fx) {
                // The wish looked at the same state; only an event of its own can have ended the run.
                return Obeyed::Stale(format!("is {}", illegal.status));
            }
        }
        Obeyed::Done
    }

    /// What was in flight when the last owner went, decided without starting anything: a run that nobody
    /// goes on with has nothing under way.
    pub(crate) fn come_to_rest(&mut self, plan: &Plan, at: Timestamp, fx: &mut Effects) {
        let event = Event::Resumed { unknown: UnknownNodes::Keep, deaths: self.deaths, slots: 0 };
        if self.progress.status == RunStatus::Running && self.interrupted > 0 {
            self.step(plan, at, event, fx).expect("a run that is restored may be resumed");
        }
    }

    /// The events that make it so; none where it is so already.
    fn wish(&self, command: &Command) -> Result<Vec<Event>, String> {
        let status = self.progress.status;
        if status.is_terminal() {
            return Err(format!("is {status}"));
        }
        let stopping = || Err("is being stopped".to_owned());
        match command {
            Command::Pause { reason } => match status {
                _ if self.stopping.is_some() => stopping(),
                RunStatus::Paused => Ok(Vec::new()),
                _ if self.pausing.is_some() => Ok(Vec::new()),
                _ => Ok(vec![Event::PauseRequested { reason: reason.clone() }]),
            },
            Command::Resume { .. } if self.stopping.is_some() => stopping(),
            Command::Resume { unknown } if status == RunStatus::Paused => {
                Ok(vec![Event::Resumed { unknown: *unknown, deaths: self.deaths, slots: 0 }])
            }
            Command::Resume { unknown } => {
                let mut events = Vec::new();
                if self.pausing.is_some() {
                    events.push(Event::PauseWithdrawn { slots: 0 });
                }
                let waiting = self.places(&[], &[NodeStatus::Unknown, NodeStatus::Parked]);
                match unknown {
                    UnknownNodes::Retry if !waiting.is_empty() => {
                        events.push(Event::Retried { nodes: waiting, slots: 0 });
                    }
                    UnknownNodes::Fail if !waiting.is_empty() => {
                        return Err("is under way: nodes are counted as failed once it is paused".to_owned());
                    }
                    UnknownNodes::Keep | UnknownNodes::Retry | UnknownNodes::Fail => {}
                }
                Ok(events)
            }
            Command::Cancel { reason, hard } => match &self.stopping {
                Some(Stop::Cancelled(_)) if self.aborted || !hard => Ok(Vec::new()),
                _ => Ok(vec![Event::CancelRequested { reason: reason.clone(), hard: *hard }]),
            },
            Command::RetryNow { .. } if self.stopping.is_some() => stopping(),
            Command::RetryNow { nodes } => {
                let mut wanted = vec![NodeStatus::Waiting, NodeStatus::Held, NodeStatus::Parked];
                if !nodes.is_empty() {
                    wanted.push(NodeStatus::Unknown);
                }
                match self.places(nodes, &wanted) {
                    nodes if nodes.is_empty() => Err("has no such node that waits".to_owned()),
                    nodes => Ok(vec![Event::Retried { nodes, slots: 0 }]),
                }
            }
            Command::Extend { .. } if self.stopping.is_some() => stopping(),
            Command::Extend { deadline } if self.deadline == Some(*deadline) => Ok(Vec::new()),
            Command::Extend { deadline } => Ok(vec![Event::Extended { deadline: *deadline }]),
        }
    }

    /// The places among `of` (empty is all) whose nodes stand so.
    fn places(&self, of: &[u32], statuses: &[NodeStatus]) -> Vec<u32> {
        let stands =
            |place: &u32| self.nodes.get(*place as usize).is_some_and(|node| statuses.contains(&node.status));
        if of.is_empty() {
            (0..self.nodes.len() as u32).filter(stands).collect()
        } else {
            of.iter().copied().filter(stands).collect()
        }
    }
}

//! What operators want of one service, and when they have it.

use std::collections::BTreeSet;

use oneiric_core::Key;
use tokio::sync::oneshot;

use super::Engine;
use crate::service::machine::{Event, Stand};
use crate::service::{Roster, Status, turn};
use crate::supervisor::CommandError;

/// What the engine is told.
pub(in crate::supervisor) enum Command {
    Aim { key: Key, goal: Goal, reply: Reply },
    Adopt { roster: Roster, changed: BTreeSet<Key> },
    Close { deadline: std::time::Duration },
}

pub(in crate::supervisor) type Reply = oneshot::Sender<Result<Status, CommandError>>;

/// What is wanted of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::supervisor) enum Goal {
    Up,
    Down,
    Again,
}

/// Somebody who waits until it is so. There are as many as callers.
pub(super) struct Waiter {
    key: Key,
    goal: Goal,
    reply: Reply,
}

impl Engine {
    pub(in crate::supervisor) fn obey(&mut self, command: Command) {
        match command {
            Command::Adopt { roster, changed } => self.adopt(roster, &changed),
            Command::Close { deadline } => {
                let at = self.parts.clock.monotonic().saturating_add(deadline);
                self.closing = Some(self.closing.map_or(at, |before| before.min(at)));
            }
            Command::Aim { key, goal, reply } => match self.set_out(&key, goal) {
                Ok(()) => self.waiters.push(Waiter { key, goal, reply }),
                // Nobody waits any more.
                Err(error) => drop(reply.send(Err(error))),
            },
        }
    }

    fn set_out(&mut self, key: &Key, goal: Goal) -> Result<(), CommandError> {
        let known = self.place(key).filter(|place| !self.kept[*place].leaving);
        let Some(place) = known else {
            let names = self.kept.iter().filter(|kept| !kept.leaving).map(|kept| kept.key().as_str());
            let nearest = oneiric_core::nearest::nearest(key.as_str(), names);
            return Err(CommandError::Unknown { key: key.clone(), nearest: nearest.map(str::to_owned) });
        };
        if goal == Goal::Down {
            self.kept[place].wanted = false;
            return Ok(());
        }
        if self.closing.is_some() || self.board.is_lost() {
            return Err(CommandError::NotRunning);
        }
        let needed = self.with_needs(place);
        if let Some(draining) = needed.iter().find(|place| self.kept[**place].marks.draining) {
            return Err(CommandError::Draining(self.kept[*draining].key().clone()));
        }
        for place in needed {
            self.kept[place].wanted = true;
            self.step(place, Event::Forget);
        }
        self.kept[place].bounce |= goal == Goal::Again && !turn::is_gone(self.kept[place].machine.stand());
        Ok(())
    }

    /// The places of a service and of all that it needs.
    fn with_needs(&self, place: usize) -> BTreeSet<usize> {
        let (mut found, mut next) = (BTreeSet::new(), vec![place]);
        while let Some(place) = next.pop() {
            if found.insert(place) {
                let needs = self.kept[place].member.spec.dependencies.iter();
                next.extend(needs.filter_map(|key| self.place(key)));
            }
        }
        found
    }

    /// Answers those who have what they waited for, or will not get it.
    pub(super) fn answer_waiters(&mut self) {
        let now = self.parts.clock.now();
        let over = self.closing.is_some() || self.board.is_lost();
        for waiter in std::mem::take(&mut self.waiters) {
            let Some(place) = self.place(&waiter.key) else {
                // It has left: it is as far down as can be.
                let error = CommandError::Unknown { key: waiter.key, nearest: None };
                drop(waiter.reply.send(Err(error)));
                continue;
            };
            let kept = &mut self.kept[place];
            let (stand, wanted) = (kept.machine.stand(), kept.is_wanted());
            let done = match waiter.goal {
                Goal::Down => turn::is_gone(stand) || wanted,
                Goal::Up | Goal::Again if kept.bounce => false,
                Goal::Up | Goal::Again => match stand {
                    Stand::Ready | Stand::Failed | Stand::Blocked | Stand::Over | Stand::Waiting => true,
                    Stand::Coming => kept.machine.tried(),
                    Stand::Idle => !wanted,
                    Stand::Stopping { asked } => !asked,
                },
            };
            if done {
                drop(waiter.reply.send(Ok(kept.row(now, None).status)));
            } else if over && waiter.goal != Goal::Down {
                drop(waiter.reply.send(Err(CommandError::NotRunning)));
            } else if !waiter.reply.is_closed() {
                self.waiters.push(waiter);
            }
        }
    }
}

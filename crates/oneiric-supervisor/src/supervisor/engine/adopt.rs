//! Another roster under services that run.

use std::collections::BTreeSet;

use oneiric_core::Key;

use super::Engine;
use crate::service::{Roster, turn};
use crate::supervisor::kept::Kept;

impl Engine {
    /// What left is to stop, what came is to start, and what changed is to do both. Those that need one of these
    /// follow by themselves.
    pub(super) fn adopt(&mut self, roster: Roster, changed: &BTreeSet<Key>) {
        let now = self.parts.clock.now();
        let mut before: Vec<Kept> = std::mem::take(&mut self.kept);
        for (wave, members) in roster.waves().enumerate() {
            for member in members {
                let known = before.iter().position(|kept| *kept.key() == member.key);
                let Some(known) = known else {
                    self.kept.push(Kept::new(member.clone(), wave, now));
                    continue;
                };
                let mut kept = before.remove(known);
                (kept.wave, kept.leaving, kept.next) = (wave, false, None);
                if changed.contains(&member.key) || kept.member != *member {
                    if turn::is_gone(kept.machine.stand()) {
                        kept.become_now(member.clone());
                    } else {
                        kept.bounce = true;
                        kept.next = Some(member.clone());
                    }
                }
                self.kept.push(kept);
            }
        }
        for mut kept in before {
            kept.leaving = true;
            self.kept.push(kept);
        }
    }
}

//! Which runs a boot may take.

use oneiric_core::{BootId, RunId};

use crate::record::run::{RunRecord, RunStatus};

/// A wish to own runs. The selection is pure and is made inside of the write transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who wants them.
    pub boot: BootId,
    /// Boots that are known to be dead: what they own is free.
    pub dead: Vec<BootId>,
    /// Only this run, paused or not; `None` takes any that is not paused.
    pub run: Option<RunId>,
    /// The most runs to take.
    pub limit: usize,
}

impl Claim {
    /// Whether the claimant may take this run. What it owns already is under way and not taken again:
    /// that would raise the fence against itself.
    pub fn selects(&self, run: &RunRecord) -> bool {
        let wanted = match (self.run, run.state.status) {
            (Some(id), status) => id == run.id && !status.is_terminal(),
            (None, RunStatus::Pending | RunStatus::Running) => true,
            (None, _) => false,
        };
        let free = run.state.owner.is_none_or(|owner| self.dead.contains(&owner));
        wanted && free
    }
}

#[cfg(test)]
mod tests {
    use oneiric_core::{Digest, Key, Payload, Timestamp};

    use super::*;

    #[test]
    fn a_run_is_free_when_nobody_or_a_dead_boot_owns_it() {
        let (me, other) = (BootId::from_bytes([1; 16]), BootId::from_bytes([2; 16]));
        let id = RunId::from_bytes([9; 16]);
        let check = |owner, status, dead: &[BootId], only, expected| {
            let mut run = RunRecord::new(
                id,
                Key::new("wf").unwrap(),
                Digest::of(b""),
                Payload::NULL,
                Timestamp::from_micros(0),
            );
            run.state.owner = owner;
            run.state.status = status;
            let claim = Claim { boot: me, dead: dead.to_vec(), run: only, limit: 1 };
            assert_eq!(claim.selects(&run), expected, "{owner:?} {status:?} {dead:?} {only:?}");
        };
        check(None, RunStatus::Pending, &[], None, true);
        check(Some(me), RunStatus::Running, &[], None, false);
        check(Some(other), RunStatus::Running, &[], None, false);
        check(Some(other), RunStatus::Running, &[other], None, true);
        check(Some(other), RunStatus::Running, &[], Some(id), false);
        check(None, RunStatus::Paused, &[], None, false);
        check(None, RunStatus::Paused, &[], Some(id), true);
        check(None, RunStatus::Completed, &[], Some(id), false);
        check(None, RunStatus::Pending, &[], Some(RunId::from_bytes([8; 16])), false);
    }
}

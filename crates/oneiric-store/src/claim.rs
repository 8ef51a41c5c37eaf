//! Which runs and deliveries a boot may take.

use oneiric_core::{BootId, RunId, Timestamp};

use crate::record::boot::Silent;
use crate::record::run::{RunRecord, RunStatus};

/// A wish to own runs. The selection is pure and is made inside of the write transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who wants them.
    pub boot: BootId,
    /// Boots that are known to be dead: what they own is free.
    pub dead: Vec<BootId>,
    /// Boots whose lease ran out: what they own is free where their beat is still the one that was seen.
    pub silent: Vec<Silent>,
    /// Only this run, paused or not; `None` takes any that is not paused.
    pub run: Option<RunId>,
    /// The most runs to take.
    pub limit: usize,
}

impl Claim {
    /// Up to `limit` runs that nobody owns, from no dead boot.
    pub const fn any(boot: BootId, limit: usize) -> Self {
        Self { boot, dead: Vec::new(), silent: Vec::new(), run: None, limit }
    }

    /// Whether the claimant may take this run. What it owns already is under way and not taken again:
    /// that would raise the fence against itself.
    ///
    /// A backend first buries the boots of `dead` and of `silent` whose beat has not changed, so that
    /// what they owned has no owner by now.
    pub fn selects(&self, run: &RunRecord) -> bool {
        let wanted = match (self.run, run.state.status) {
            (Some(id), status) => id == run.id && !status.is_terminal(),
            (None, RunStatus::Pending | RunStatus::Running) => true,
            (None, _) => false,
        };
        wanted && run.state.owner.is_none()
    }
}

/// A wish to see to deliveries: those that are due and that nobody owns, by priority and then by age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryClaim {
    /// Who wants them.
    pub boot: BootId,
    /// For which handlers, and how many of each at most.
    pub wanted: Vec<(String, usize)>,
    /// What is due by then.
    pub now: Timestamp,
}

/// A handler for which events wait in the store that nobody owns.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Waiting {
    /// The handler.
    pub handler: String,
    /// When the first of them is due.
    pub due_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use oneiric_core::{Digest, Key, Payload, Timestamp};

    use super::*;

    #[test]
    fn a_run_is_free_when_nobody_owns_it() {
        let (me, other) = (BootId::from_bytes([1; 16]), BootId::from_bytes([2; 16]));
        let id = RunId::from_bytes([9; 16]);
        let check = |owner, status, only, expected| {
            let mut run = RunRecord::new(
                id,
                Key::new("wf").unwrap(),
                Digest::of(b""),
                Payload::NULL,
                Timestamp::from_micros(0),
            );
            run.state.owner = owner;
            run.state.status = status;
            let claim = Claim { run: only, ..Claim::any(me, 1) };
            assert_eq!(claim.selects(&run), expected, "{owner:?} {status:?} {only:?}");
        };
        check(None, RunStatus::Pending, None, true);
        check(Some(me), RunStatus::Running, None, false);
        check(Some(other), RunStatus::Running, None, false);
        check(Some(other), RunStatus::Running, Some(id), false);
        check(None, RunStatus::Paused, None, false);
        check(None, RunStatus::Paused, Some(id), true);
        check(None, RunStatus::Completed, Some(id), false);
        check(None, RunStatus::Pending, Some(RunId::from_bytes([8; 16])), false);
    }
}

//! The gate of a live orchestrator: what operators said comes before whatever else decides.

use oneiric_core::gate::{Admission, Check as _, Decision, Denial, Gate, No, Step};
use oneiric_supervisor::Activity;
use std::sync::Arc;

/// A gate that asks [`Activity`] first, also where the embedder brought a gate of its own.
#[derive(Debug)]
pub(crate) struct Guarded {
    pub(crate) activity: Activity,
    pub(crate) gate: Arc<dyn Gate>,
}

impl Gate for Guarded {
    fn admit<'a>(&'a self, admission: &'a Admission<'a>) -> Decision<'a> {
        let permit = match self.activity.ask(admission) {
            Ok(permit) => permit,
            Err(No { reason, wait }) => {
                return Decision::Now(Err(Denial { step: Step::Activity, reason, wait }));
            }
        };
        match self.gate.admit(admission) {
            Decision::Now(verdict) => Decision::Now(verdict.map(|further| permit.and(further))),
            // Counted while it is being decided: a drain that looks meanwhile is to know of it.
            Decision::Later(verdict) => {
                Decision::Later(Box::pin(async move { verdict.await.map(|further| permit.and(further)) }))
            }
        }
    }
}

//! The variables that a call adds to the environment of its program.

use crate::foreign::Call;

/// The variables that calls set.
pub(super) const OF_A_CALL: [&str; 7] =
    [RUN, WORKFLOW, NODE, ATTEMPT, IDEMPOTENCY_KEY, "ONEIRIC_ROLE", "ONEIRIC_SETTINGS"];

const RUN: &str = "ONEIRIC_RUN_ID";
const WORKFLOW: &str = "ONEIRIC_WORKFLOW";
const NODE: &str = "ONEIRIC_NODE";
const ATTEMPT: &str = "ONEIRIC_ATTEMPT";

/// By which a further try finds what an earlier one left running.
pub(super) const IDEMPOTENCY_KEY: &str = "ONEIRIC_IDEMPOTENCY_KEY";

/// What tells one call from another; `settings` is JSON.
pub(super) fn of_call(call: &Call<'_>, settings: &str) -> Vec<(&'static str, String)> {
    let [.., role, provider_settings] = OF_A_CALL;
    let mut variables = vec![(role, call.role.name().to_owned()), (provider_settings, settings.to_owned())];
    if let Some(cx) = call.cx {
        variables.extend([
            (RUN, cx.run.to_string()),
            (WORKFLOW, cx.workflow.to_string()),
            (NODE, cx.node.to_string()),
            (ATTEMPT, cx.attempt.to_string()),
            (IDEMPOTENCY_KEY, cx.idempotency_key()),
        ]);
    }
    variables
}

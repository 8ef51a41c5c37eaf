//! What an earlier try of the same call left running when its orchestrator was killed.
//!
//! A process that is killed cannot kill its children. The idempotency key is in their environment, so
//! that the next try of the same node on the same input finds them, whoever started them, and ends
//! them before it begins: two tries of one call never work side by side.

use oneiric_core::Fault;
use oneiric_core::roles::TaskContext;

use super::Program;
use super::variables::IDEMPOTENCY_KEY;
use crate::process::sweep;

/// Ends what earlier tries left running. A first try has none, and costs nothing.
///
/// # Errors
/// Transient where something is still there after having been killed.
pub(super) async fn end(program: &Program, cx: &TaskContext<'_>) -> Result<(), Fault> {
    if cx.attempt == 1 {
        return Ok(());
    }
    let key = cx.idempotency_key();
    let pass = move || sweep::kill_all(IDEMPOTENCY_KEY, |found| found == key);
    match sweep::until_gone(program.clock.as_ref(), pass).await {
        0 => Ok(()),
        found => {
            let message =
                format!("`{}`: {found} process(es) of an earlier try do not end", program.launch.name);
            Err(Fault::transient("leftover", message))
        }
    }
}

//! The counts as Prometheus reads them.

mod events;

use std::fmt::Write as _;

use oneiric_store::{Store as _, liveness};

use super::examine;
use crate::exit::Code;
use crate::failure::Failure;
use crate::peers;
use crate::session::Session;
use crate::wait::wait;

/// Prints a sample for each kind, one for dead processes, and what live processes have counted of events. Exits as
/// the examination would; a process that does not answer is left out.
pub(super) fn metrics(session: &mut Session) -> Result<Code, Failure> {
    let (violations, boots) = match session.store()? {
        None => (Vec::new(), Vec::new()),
        Some(store) => {
            let settled = examine::settled(&store)?;
            wait(store.close())?;
            settled
        }
    };
    let dead = boots.iter().filter(|seen| seen.dead).count();
    let (processes, failures) = peers::events(&session.state_dir()?);
    for failure in failures {
        tracing::warn!(%failure, "the events of a process are not among the metrics");
    }
    let text = text(&violations, dead) + &events::text(&processes);
    session.screen.text(&text)?;
    Ok(if violations.is_empty() && dead == 0 { Code::Ok } else { Code::Execution })
}

fn text(violations: &[liveness::Violation], dead: usize) -> String {
    let mut out = String::from(
        "# HELP oneiric_liveness_violations Rows that nothing will move, by kind.\n\
         # TYPE oneiric_liveness_violations gauge\n",
    );
    for (kind, number) in liveness::counts(violations) {
        let _ = writeln!(out, "oneiric_liveness_violations{{kind=\"{kind}\"}} {number}");
    }
    out.push_str(
        "# HELP oneiric_dead_processes Processes that died and are not buried.\n\
         # TYPE oneiric_dead_processes gauge\n",
    );
    let _ = writeln!(out, "oneiric_dead_processes {dead}");
    out
}

#[cfg(test)]
mod tests {
    use oneiric_core::RunId;
    use oneiric_store::liveness::{Kind, Violation};

    use super::*;

    #[test]
    fn every_kind_has_a_sample() {
        let stuck = Violation::of_run(Kind::Unowned, RunId::from_bytes([1; 16]));
        insta::assert_snapshot!("metrics", text(&[stuck.clone(), stuck], 1));
    }
}

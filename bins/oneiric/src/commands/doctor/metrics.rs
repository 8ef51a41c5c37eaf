//! The counts as Prometheus reads them.

use oneiric_core::metrics::{Family, Kind, MAX_SAMPLES, prometheus, together};
use oneiric_store::{Store as _, liveness};

use super::examine;
use crate::exit::Code;
use crate::failure::Failure;
use crate::peers;
use crate::session::Session;
use crate::wait::wait;

/// Prints a sample for each kind, one for dead processes, and what live processes have counted, each under its number.
/// Exits as the examination would; a process that does not answer is left out.
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
    let (processes, failures) = peers::metrics(&session.state_dir()?);
    for failure in failures {
        tracing::warn!(%failure, "what a process has counted is not among the metrics");
    }
    let mut families = examined(&violations, dead);
    families.extend(together(processes));
    families.iter_mut().for_each(|family| family.within(MAX_SAMPLES));
    session.screen.text(&prometheus(&families))?;
    Ok(if violations.is_empty() && dead == 0 { Code::Ok } else { Code::Execution })
}

#[expect(clippy::cast_precision_loss, reason = "nothing is counted to 2^53")]
fn examined(violations: &[liveness::Violation], dead: usize) -> Vec<Family> {
    let name = "oneiric_liveness_violations";
    let mut stuck = Family::new(name, Kind::Gauge, "Rows that nothing will move, by kind.");
    for (kind, number) in liveness::counts(violations) {
        stuck.push([("kind", &*kind.to_string())], number as f64);
    }
    let help = "Processes that died and are not buried.";
    vec![stuck, Family::new("oneiric_dead_processes", Kind::Gauge, help).of(dead as f64)]
}

#[cfg(test)]
mod tests {
    use oneiric_core::RunId;
    use oneiric_store::liveness::{Kind, Violation};

    use super::*;

    #[test]
    fn every_kind_has_a_sample() {
        let stuck = Violation::of_run(Kind::Unowned, RunId::from_bytes([1; 16]));
        let text = |violations: &[Violation], dead| prometheus(&examined(violations, dead));
        insta::assert_snapshot!("metrics", text(&[stuck.clone(), stuck], 1));
    }
}

//! Components in this process, for as long as one piece of work takes: on memory, without state.

use std::time::Duration;

use oneiric_runtime::Oneiric;

use super::conduct::on_workers;
use crate::exit::Code;
use crate::failure::Failure;
use crate::session::{Session, warn_of_unmet};
use crate::signals::Signals;

/// How long components may take to stop, as long as those of a run.
const DEADLINE: Duration = Duration::from_secs(10);

/// Does `work` with every candidate of the session at hand, and takes everything down after it. The
/// first signal gives the work up, the second one leaves at once.
pub(super) fn here<T>(
    session: &Session,
    work: impl AsyncFnOnce(&Oneiric) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let loaded = session.load()?;
    warn_of_unmet(loaded.catalog().registry());
    on_workers(async move {
        let mut signals = Signals::catch()
            .map_err(|error| Failure::said(Code::Execution, format!("cannot catch signals: {error}")))?;
        let oneiric = loaded.start().await?;
        let done = tokio::select! {
            done = work(&oneiric) => done,
            code = signals.next() => Err(given_up(code)),
        };
        tokio::select! {
            stopped = oneiric.shutdown(DEADLINE) => match stopped {
                Ok(true) => {}
                Ok(false) => tracing::warn!("not every component stopped in time"),
                Err(error) => tracing::warn!(%error, "the components were not stopped cleanly"),
            },
            code = signals.next() => return Err(given_up(code)),
        }
        done
    })
}

fn given_up(code: Code) -> Failure {
    let signal = if code == Code::Terminated { "SIGTERM" } else { "SIGINT" };
    Failure::said(code, format!("given up on {signal}"))
}

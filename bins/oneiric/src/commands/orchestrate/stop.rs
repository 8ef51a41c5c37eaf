//! The end: one deadline for everything, and a line that says what became of it.

use std::time::Duration;

use oneiric_core::Clock as _;
use oneiric_runtime::{Oneiric, SystemClock};

use super::surface::Surface;
use crate::exit::Code;
use crate::signals::Signals;

/// What requests under way have where the runs took all the time.
const REQUESTS: Duration = Duration::from_millis(50);

/// How long taking leave of the store may take beyond the deadline. Where a disk hangs, the death of the process frees
/// its runs as well.
const CLOSING: Duration = Duration::from_millis(300);

/// The first signal has come, or something else ends the process: what runs gets its time, unless a second signal
/// comes. `reason` is told; `code` is how the process ends where nobody hurries it.
pub(super) async fn stop(
    oneiric: &Oneiric,
    surface: Surface,
    grace: Duration,
    signals: &mut Signals,
    reason: &'static str,
    code: Code,
) -> Code {
    tracing::info!(
        reason,
        grace_seconds = grace.as_secs_f64(),
        "orchestrator is stopping; a second signal leaves at once"
    );
    let clock = SystemClock::default();
    let end = clock.monotonic().saturating_add(grace);
    let going_down = async {
        // Whoever asks is told that it goes down, until the last moment.
        let leaving = oneiric.drain(grace).await;
        let left = end.saturating_sub(clock.monotonic());
        let answered = surface.close(&clock, left.max(REQUESTS)).await;
        let closed = tokio::select! {
            biased;
            closed = oneiric.close() => Some(closed),
            () = clock.sleep(CLOSING) => None,
        };
        (leaving, answered, closed)
    };
    let (leaving, answered, closed) = tokio::select! {
        down = going_down => down,
        again = signals.again(&clock) => {
            // The death of this process frees its runs as well as taking leave would.
            tracing::warn!("orchestrator left at once; the next one goes on with its runs");
            return again;
        }
    };
    match closed {
        Some(Ok(())) => {}
        Some(Err(error)) => tracing::error!(%error, "the store was not closed cleanly"),
        None => tracing::error!("the store was not closed in time; it is repaired when it is opened next"),
    }
    if !answered {
        tracing::warn!("requests were cut off: they did not end in time");
    }
    if !leaving.is_clean() {
        tracing::warn!(
            aborted = leaving.aborted,
            unstopped_components = leaving.unstopped,
            "not everything ended in time, and what did not was cut off"
        );
    }
    tracing::info!(
        drained = leaving.drained,
        returned = leaving.returned,
        aborted = leaving.aborted,
        "orchestrator stopped"
    );
    code
}

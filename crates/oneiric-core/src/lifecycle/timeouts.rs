//! How long the steps of a lifecycle may take.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;

use crate::{Clock, Fault};

/// The longest time of each step; zero means no bound. Section `lifecycle` of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Settings, build and start together.
    pub activation: Duration,
    /// One health check.
    pub health: Duration,
    /// Waiting for the users of an old instance, and then again for its stop. Without a bound a swap
    /// takes as long as the last user of what it replaced.
    pub cleanup: Duration,
    /// One hook.
    pub hook: Duration,
}

impl Default for Timeouts {
    /// Upstream's: 30, 5, 10 and 5 seconds.
    fn default() -> Self {
        Self {
            activation: Duration::from_secs(30),
            health: Duration::from_secs(5),
            cleanup: Duration::from_secs(10),
            hook: Duration::from_secs(5),
        }
    }
}

/// Waits for `step`, at most `limit` unless that is zero. A panic is a fault.
pub(super) async fn within<T>(
    clock: &dyn Clock,
    limit: Duration,
    step: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let step = AssertUnwindSafe(step).catch_unwind();
    let answer = if limit.is_zero() {
        step.await
    } else {
        tokio::select! {
            // An answer counts, however late it is noticed.
            biased;
            answer = step => answer,
            () = clock.sleep(limit) => return Err(Fault::timeout(limit)),
        }
    };
    answer.unwrap_or_else(|panic| Err(Fault::panic(panic.as_ref())))
}

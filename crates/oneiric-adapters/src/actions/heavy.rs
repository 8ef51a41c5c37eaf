//! Work that takes longer than a worker of the runtime may be held up.

use oneiric_core::Fault;

/// Runs `work` on a thread that may block. Dropping the future lets the work run to its end and drops
/// the result: every caller bounds what it hands over.
pub(super) async fn heavy<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => Err(Fault::panic(&*error.into_panic())),
        Err(_) => Err(Fault::shutdown("the process ends")),
    }
}

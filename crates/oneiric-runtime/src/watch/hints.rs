//! Something may have changed. Many hints before anybody listens are one.

use std::sync::Arc;

use tokio::sync::Notify;

/// A clone is the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints(Arc<Notify>);

impl Hints {
    /// From any thread.
    pub(super) fn give(&self) {
        self.0.notify_one();
    }

    /// Waits for the next one. Nothing is lost where the future is dropped.
    pub(super) async fn next(&self) {
        self.0.notified().await;
    }
}

//! Something that runs for as long as the process does.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{Domain, Fault, Role};

/// Long-lived work.
#[async_trait]
pub trait Service: Send + Sync {
    /// Works until `stop` is cancelled, then finishes what is under way and returns.
    ///
    /// Returning before that is an end of service: whoever runs it decides whether to start it again.
    /// Dropping the future stops it at once.
    ///
    /// # Errors
    /// Why it cannot go on.
    async fn run(&self, stop: CancellationToken) -> Result<(), Fault>;
}

const _: fn(&dyn Service) = |_| {};

impl Role for dyn Service {
    const NAME: &'static str = "service";
    const DOMAIN: Domain = Domain::SERVICE;
}

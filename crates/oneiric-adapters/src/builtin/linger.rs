//! `builtin:noop` as a service: there until it is asked to go.

use async_trait::async_trait;
use oneiric_core::Fault;
use oneiric_core::roles::{Service, ServiceContext};

use super::plain::Noop;

#[async_trait]
impl Service for Noop {
    async fn run(&self, cx: ServiceContext) -> Result<(), Fault> {
        cx.stop.cancelled().await;
        Ok(())
    }
}

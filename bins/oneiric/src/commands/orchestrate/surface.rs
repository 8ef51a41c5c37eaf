//! The port, where there is one, and the task that answers on it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::Clock;
use oneiric_runtime::{Oneiric, SystemClock};
use oneiric_server::{Options, Server};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::exit::Code;
use crate::failure::Failure;
use crate::google_keys::OverHttps;

/// The port, where there is one, and the task that answers on it.
pub(super) struct Surface {
    stop: CancellationToken,
    serving: Option<AbortOnDropHandle<()>>,
    address: Option<SocketAddr>,
}

impl Surface {
    /// Opens the port, where settings name one.
    pub(super) async fn open(
        oneiric: &Oneiric,
        options: Option<Options>,
        grace: Duration,
    ) -> Result<Self, Failure> {
        let stop = CancellationToken::new();
        let Some(options) = options else { return Ok(Self { stop, serving: None, address: None }) };
        let server = Server::bind(oneiric.clone(), options).await;
        let server = server.map_err(|error| Failure::said(Code::Configuration, error.to_string()))?;
        let server = server.with_keys(Arc::new(OverHttps::default()));
        let address = server.address();
        tracing::info!(%address, "listening");
        let serving = tokio::spawn(server.serve(stop.clone(), grace, Arc::new(SystemClock::default())));
        Ok(Self { stop, serving: Some(AbortOnDropHandle::new(serving)), address: Some(address) })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Answers nobody any more: requests under way have `limit` to end, and are cut off then. Whether none was.
    pub(super) async fn close(self, clock: &dyn Clock, limit: Duration) -> bool {
        self.stop.cancel();
        let Some(serving) = self.serving else { return true };
        tokio::select! {
            biased;
            // It has panicked, or is over; either way nobody is answered.
            _ = serving => true,
            () = clock.sleep(limit) => false,
        }
    }
}

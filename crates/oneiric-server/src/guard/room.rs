//! How much goes on at a time: requests, streams, and bytes of bodies that wait for their handler.

use std::sync::Arc;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::Response;
use oneiric_core::settings::HttpLimits;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::SOON;
use crate::kept::Kept;
use crate::problem::Problem;

/// All bodies that are read at a time may have so many bytes together, or as many as a single one may have. Without
/// it, each of the requests at a time could hold the largest body.
const BODIES: u64 = 16 << 20;

/// The room for what goes on. Whoever finds none is told so at once.
#[derive(Debug)]
pub(crate) struct Room {
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl Room {
    pub(crate) fn new(limits: &HttpLimits) -> Self {
        // `body_bytes` is at most 256 MiB, far below what a semaphore can count.
        let bytes = usize::try_from(BODIES.max(limits.body_bytes)).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            requests: Arc::new(Semaphore::new(limits.concurrent_requests as usize)),
            streams: Arc::new(Semaphore::new(limits.streams as usize)),
            bytes: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))),
        }
    }

    /// For a request, until it is answered.
    pub(super) fn seat(&self) -> Result<OwnedSemaphorePermit, Problem> {
        take(&self.requests, 1, "as many requests are under way as may be")
    }

    /// For a stream, until its client leaves.
    pub(super) fn stream(&self) -> Result<OwnedSemaphorePermit, Problem> {
        take(&self.streams, 1, "as many clients read streams as may")
    }

    /// For a part of a body, until the request is answered.
    pub(super) fn space(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        take(&self.bytes, bytes, "the bodies under way are as large as they may be together")
    }
}

fn take(of: &Arc<Semaphore>, many: u32, message: &str) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(of)
        .try_acquire_many_owned(many)
        .map_err(|_| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no-room", message).retry_after(SOON))
}

/// The answer, which keeps its place for as long as its body is read.
pub(super) fn while_read(response: Response, place: OwnedSemaphorePermit) -> Response {
    response.map(|body| Body::new(Kept { body, _with: place }))
}

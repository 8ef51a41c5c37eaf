//! The surface as clients meet it: a real socket on a free port.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod authority;
mod callback;
mod events;
mod google;
mod health;
mod metrics;
mod openapi;
mod process;
mod runs;
mod services;
mod shapes;
mod signed_callback;
mod sse;
mod stage;
mod streams;

use oneiric_server::{KeySource, PublishedKeys};

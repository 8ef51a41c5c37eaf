//! The surface as clients meet it: a real socket on a free port.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod authority;
mod callback;
mod google;
mod health;
mod openapi;
mod runs;
mod shapes;
mod stage;

use oneiric_server::{KeySource, PublishedKeys};

//! The surface as clients meet it: a real socket on a free port.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod health;
mod metrics;
mod stage;

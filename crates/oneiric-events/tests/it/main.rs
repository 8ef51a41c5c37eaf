//! What the public API promises.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod defects;
mod parity;
mod world;

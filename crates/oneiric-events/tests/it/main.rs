//! What the public API promises.

#![expect(clippy::unwrap_used, unreachable_pub, reason = "a test may panic, and modules share helpers")]

mod adrift;
mod crash;
mod defects;
mod held_up;
mod parity;
mod poison;
mod support;
mod world;

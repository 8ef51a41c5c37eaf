//! What the public API promises.

#![expect(clippy::unwrap_used, unreachable_pub, reason = "a test may panic, and modules share helpers")]

mod adrift;
mod concurrency;
mod crash;
mod defects;
mod emit;
mod filters;
mod held_up;
mod leaving;
mod numbers;
mod parity;
mod poison;
mod promised;
mod pull;
mod siblings;
mod slow;
mod spans;
mod support;
mod world;

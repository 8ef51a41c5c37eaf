//! The public API of the crate, as its users see it.

#![expect(clippy::unwrap_used, unreachable_pub, reason = "a test may panic, and modules share helpers")]

mod adrift;
mod crash;
mod custody;
mod graph;
mod machine;
mod obeying;
mod outcomes;
mod reconcile;
mod restored;
mod schedule;
mod support;

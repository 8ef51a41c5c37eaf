//! The public API of the crate, as its users see it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod crash;
mod graph;
mod machine;
mod outcomes;
mod schedule;
mod support;

//! What the public API promises.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends here")]

mod concurrency;
mod emit;
mod filters;
mod leaving;
mod promised;
mod pull;
mod siblings;
mod slow;
mod support;

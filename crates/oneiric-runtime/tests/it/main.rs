//! The assembled orchestrator, through its public API.
#![expect(clippy::unwrap_used, unreachable_pub, reason = "a test may panic, and modules share helpers")]

mod activity;
mod control;
mod crash;
mod embed;
mod errors;
mod exec;
mod recovery;
mod secrets;
mod settings;
mod support;
mod verbs;

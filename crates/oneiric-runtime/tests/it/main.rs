//! The assembled orchestrator, through its public API.
#![expect(clippy::unwrap_used, unreachable_pub, reason = "a test may panic, and modules share helpers")]

mod activity;
mod breaker;
mod child;
mod control;
mod crash;
mod embed;
mod emitting;
mod errors;
mod event_crash;
mod event_defects;
mod exec;
mod health;
mod poison;
mod recovery;
mod reload;
mod replay;
mod rereading;
mod secrets;
mod services;
mod settings;
mod starving;
mod support;
mod triggers;
mod verbs;
#[cfg(target_os = "linux")]
mod watching;

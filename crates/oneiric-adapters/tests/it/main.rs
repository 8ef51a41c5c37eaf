//! The public API of the crate, as its users see it.
//!
//! Programs are real: `sh`, `cat`, `sleep`. Tests that count children, files or memory need a process of
//! their own, which is what nextest gives them.

#![expect(clippy::unwrap_used, reason = "also outside of test functions, a test that cannot go on panics")]

mod builtin;
mod contract;
mod endpoint;
mod exec_bounds;
mod exec_calls;
mod exec_groups;
mod exec_loading;
mod exec_stops;
mod http_tls;
mod kits;
mod kits_server;
mod kits_shape;
mod module;
mod probe;
mod process;
mod python_calls;
mod python_life;
mod python_loading;
mod secrets;
mod server;
mod service;
mod service_kills;
mod service_notify;
mod service_stops;
mod support;
mod worker_pool;
mod worker_protocol;

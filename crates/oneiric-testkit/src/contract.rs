//! Executable contracts, one for each port.
#![expect(clippy::unwrap_used, reason = "a contract fails by panicking, as an assertion does")]

pub mod runtime;
pub mod store;

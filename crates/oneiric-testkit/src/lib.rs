//! Executable contracts for Oneiric's ports, virtual time, fault injection and fair measuring.
//!
//! Everything here is for tests and benches, ours and those of crates that implement a port.

pub mod bench;
pub mod tasks;
pub mod time;

pub use tasks::FnTask;
pub use time::{ManualClock, virtual_time};

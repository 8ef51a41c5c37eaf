//! Executable contracts for Oneiric's ports, virtual time, fault injection and fair measuring.
//!
//! Everything here is for tests and benches, ours and those of crates that implement a port. A port
//! has one executable contract, and every implementation of it, ours or not, runs the whole of it:
//! [`contract::store`] for [`oneiric_store::Store`], [`contract::runtime`] for
//! [`oneiric_core::ComponentRuntime`].

pub mod bench;
pub mod contract;
mod crash;
pub mod data;
pub mod graphs;
pub mod model;
pub mod sim;
pub mod tasks;
mod through;
pub mod time;

pub use crash::{CrashingStore, Side};
pub use tasks::FnTask;
pub use through::Through;
pub use time::{ManualClock, virtual_time};

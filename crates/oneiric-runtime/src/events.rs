//! Events: who wants which, and how they get there.

mod declare;
mod emit;
mod report;
mod trigger;

pub use report::{Accepted, EventReport, StartedRun, Unstarted};

//! Events: who wants which, and how they get there.

mod accept;
mod declare;
mod emit;
mod report;
mod trigger;

pub use report::{EventReport, StartedRun, Unstarted};

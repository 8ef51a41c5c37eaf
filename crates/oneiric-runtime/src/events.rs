//! Events: who wants which, how they get there, and the runs that they start.

mod declare;
mod emit;
mod report;
mod trigger;
pub(crate) mod windows;

pub use report::{EventReport, StartedRun, Unstarted, WaitingRun};
pub use windows::WindowView;

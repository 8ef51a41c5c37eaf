//! Events: who wants which, how they get there, the runs that they start, and what is done with their log.

mod accept;
mod dead;
mod declare;
mod emit;
mod log;
mod replay;
mod report;
mod retention;
mod trigger;
mod walk;
pub(crate) mod windows;

pub use dead::DROPPED;
pub use log::{EventQuery, Logged, Tail, list_events, logged_handlers};
pub use replay::{MAX_RATE, ReplayReport, ReplayRequest, Replayed};
pub use report::{Accepted, EventReport, StartedRun, Unstarted, WaitingRun};
pub use retention::Tidied;
pub(crate) use retention::tend as keep_log_short;
pub use walk::EventSelection;
pub use windows::WindowView;

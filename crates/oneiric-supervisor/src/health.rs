//! Whether a process is well: one report, which HTTP, the snapshot and the command line all show.
//!
//! [`judge`] makes it from [`Facts`] and decides everything; who collects the facts, asks components and keeps the
//! time is the runtime. A critical service or the store that is down takes the process down; whatever else is not
//! well makes it degraded.

mod facts;
mod judge;
mod report;
mod severity;
mod snapshot;

pub use facts::{About, Component, Facts, Remote, Watchers};
pub use judge::judge;
pub use report::{ComponentHealth, Degraded, Reason, Report, ServiceHealth, StoreHealth};
pub use severity::Severity;
pub use snapshot::{SIGN_OF_LIFE, STALE_AFTER, Snapshot};

//! What programs read of runs, events and activity: one shape for the command line's `--json` and for HTTP.
//!
//! Upstream's names where upstream has the thing; everything else is an addition. Times are RFC 3339 in UTC with
//! microseconds, durations seconds unless the name says otherwise. Each shape knows its schema.

mod activity;
mod emitted;
mod event;
mod explain;
mod fault;
mod journal;
mod run;
mod service;
mod told;

pub use activity::{Activities, ActivityCounts, ActivityState, Busy};
pub use emitted::{AcceptedShape, ReplayShape, ReportShape};
pub use event::{DeadLetter, Delivery, EnvelopeShape, Event, EventLine, EventShown, Waits};
pub use explain::{Explained, ReasonLine};
pub use fault::FaultShape;
pub use journal::JournalLine;
pub use run::{Results, Run, RunLine, is_free};
pub use service::{ServiceLine, Services};
pub use told::{Outcome, Submitted};

/// RFC 3339 in UTC with microseconds: `2026-01-31T09:30:00.123456Z`.
pub use oneiric_events::{from_rfc3339, rfc3339};

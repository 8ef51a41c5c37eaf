//! Services: what is known of each, in which order they start, and who keeps them up.

pub mod figures;
pub mod machine;
pub mod roster;
pub mod spec;
pub mod status;
mod tally;
pub mod turn;

pub use figures::{BUCKETS, Durations, ServiceFigures};
pub use roster::{Member, Roster, RosterError};
pub use spec::{Probe, Restart, RestartPolicy, SECTION, Spec, SpecError};
pub use status::{Health, State, Status};

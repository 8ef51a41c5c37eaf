//! Services: what is known of each, in which order they start, and who keeps them up.

pub mod roster;
pub mod spec;
pub mod status;

pub use roster::{Roster, RosterError};
pub use spec::{Probe, Restart, RestartPolicy, Spec, SpecError};
pub use status::{Health, State, Status};

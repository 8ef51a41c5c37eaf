//! Services in virtual time, through the public surface.
#![expect(clippy::unwrap_used, reason = "a story that cannot be told ends here")]

mod ending;
mod operators;
mod probing;
mod restarting;
mod stage;
mod starting;

//! Who owns a run, and what is left of it when owners die, stop, and come back: the real binary, one file
//! of SQLite, several processes.

mod clocks;
mod doctor;
mod failpoints;
mod idle;
mod kills;
mod serving;
mod signals;
pub(crate) mod stage;
mod stopped;

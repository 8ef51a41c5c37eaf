//! Events through the real binary: who emits them, who takes them to their handlers, and what is left of them
//! when these die.

mod doctor;
mod emit;
mod example;
pub(crate) mod failpoints;
mod inspect;
mod kills;
mod replay;
mod serving;
mod stage;
pub(crate) mod triggers;

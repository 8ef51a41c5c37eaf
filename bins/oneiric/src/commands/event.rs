//! Events from the command line.

mod emit;

pub(super) use emit::emit;

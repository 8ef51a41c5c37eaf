//! Events from the command line.

mod dead;
mod emit;
mod find;
mod list;
mod replay;
mod show;
mod tail;

pub(super) use dead::dead_letters;
pub(super) use emit::emit;
pub(super) use list::list;
pub(super) use replay::replay;
pub(super) use show::show;
pub(super) use tail::tail;

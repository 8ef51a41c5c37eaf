//! `manifest`: manifests as files.

mod pack;
mod schema;
mod show;
mod validate;

pub(super) use pack::pack;
pub(super) use schema::schema;
pub(super) use show::show;
pub(super) use validate::validate;

use std::path::{Path, PathBuf};

use crate::exit::Code;
use crate::failure::Failure;
use crate::session::Session;

/// The one file that a command is about: the one named, else the only one of `--manifest`.
fn only(session: &Session, named: Option<PathBuf>, how: &str) -> Result<PathBuf, Failure> {
    if let Some(path) = named {
        return Ok(path);
    }
    match session.manifests.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(Failure::said(Code::Configuration, "no manifest was named").help(how)),
        _ => Err(Failure::said(Code::Configuration, "more than one manifest was named").help(how)),
    }
}

/// As it is named in messages.
fn name(path: &Path) -> String {
    path.display().to_string()
}

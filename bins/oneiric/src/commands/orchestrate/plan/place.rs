//! Whether the state could be kept where it is to be.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use oneiric_runtime::DATABASE;
use serde::Serialize;

use crate::exit::Code;
use crate::failure::Failure;

/// Where the state would be.
#[derive(Debug, Serialize)]
pub(super) struct Place {
    /// `null` where it would be kept in memory.
    pub(super) path: Option<PathBuf>,
    /// Whether there is state already.
    pub(super) exists: bool,
    pub(super) writable: bool,
}

impl Place {
    /// Asks for permissions (`access(2)`), and tries nothing.
    pub(super) fn of(path: Option<PathBuf>) -> (Self, Option<Failure>) {
        let Some(path) = path else { return (Self { path: None, exists: false, writable: true }, None) };
        let database = path.join(DATABASE);
        let exists = database.exists();
        let wrong = writable(&path, &database).err().map(|(at, why)| {
            let message = format!("state in {}: {} {why}", path.display(), at.display());
            Failure::said(Code::Configuration, message)
                .help("name a folder that can be written with `--state-dir`")
        });
        (Self { path: Some(path), exists, writable: wrong.is_none() }, wrong)
    }
}

/// The folder, or the one that it would be made in, and the database where there is one.
fn writable(folder: &Path, database: &Path) -> Result<(), (PathBuf, String)> {
    let at = |path: &Path, why: String| (path.to_owned(), why);
    let whole = std::path::absolute(folder).map_err(|error| at(folder, error.to_string()))?;
    let there = whole.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
    if !there.is_dir() {
        return Err(at(there, "is not a folder".to_owned()));
    }
    let ask = |path: &Path, flags| {
        access(path, flags).map_err(|error| at(path, format!("cannot be written: {error}")))
    };
    ask(there, AccessFlags::W_OK | AccessFlags::X_OK)?;
    if database.exists() { ask(database, AccessFlags::R_OK | AccessFlags::W_OK) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_as_writable_as_the_one_above() {
        let home = tempfile::tempdir().unwrap();
        let (place, wrong) = Place::of(Some(home.path().join("a/b/c")));
        assert!(wrong.is_none() && place.writable && !place.exists);
        assert!(std::fs::read_dir(home.path()).unwrap().next().is_none(), "nothing was made");
        std::fs::write(home.path().join("file"), "").unwrap();
        let (_, wrong) = Place::of(Some(home.path().join("file/state")));
        assert!(wrong.unwrap().to_string().ends_with("file is not a folder"));
    }
}

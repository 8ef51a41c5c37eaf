//! Where files come from, so that layers are tested without a disk.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Reads files.
pub trait Files: Send + Sync + fmt::Debug {
    /// The first `limit` bytes of a file; `None` where there is none. Creates nothing.
    ///
    /// # Errors
    /// Whatever reading met; a folder is an error.
    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>>;
}

const _: fn(&dyn Files) = |_| {};

/// Files that exist in memory only: for tests, and for programs that bring their settings along.
#[derive(Debug, Clone, Default)]
pub struct MapFiles(BTreeMap<PathBuf, Vec<u8>>);

impl<P: Into<PathBuf>, B: Into<Vec<u8>>> FromIterator<(P, B)> for MapFiles {
    fn from_iter<I: IntoIterator<Item = (P, B)>>(files: I) -> Self {
        Self(files.into_iter().map(|(path, bytes)| (path.into(), bytes.into())).collect())
    }
}

impl Files for MapFiles {
    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.get(path).map(|bytes| bytes[..bytes.len().min(limit)].to_owned()))
    }
}

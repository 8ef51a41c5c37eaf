//! Where manifests and settings come from, again and again.

use std::fmt;
use std::path::PathBuf;

use oneiric_core::settings::Settings;

use super::Reload;
use crate::error::Error;

/// Where manifests and settings of a process come from. Given to [`Builder::sources`](crate::Builder::sources), so
/// that they are read again when their files change or somebody asks for it.
pub trait Sources: Send + Sync + fmt::Debug {
    /// Reads everything anew. May block: it is called where that disturbs nobody.
    ///
    /// # Errors
    /// What is wrong with any of it, with its place; then nothing changes.
    fn read(&self) -> Result<Reload, Error>;

    /// Every file, and every folder of files, that [`Sources::read`] looks at, whether or not it is there. These are
    /// watched.
    fn places(&self) -> Vec<PathBuf>;

    /// These settings count from now on.
    fn adopted(&self, _: &Settings) {}
}

const _: fn(&dyn Sources) = |_| {};

//! Where sockets are, and how a path that is too long for one is named all the same.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The folder of the sockets, below the state folder.
const FOLDER: &str = "control";

/// How sockets end.
const SUFFIX: &str = ".sock";

/// What sockets are called that do not listen yet; not longer than what comes after it.
const YOUNG: &str = "new";

/// The longest path that every system takes for a socket, in bytes (`sockaddr_un`, less its final zero).
const LONGEST: usize = 103;

/// The folder, and how a name in it is written for the system.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    // Held open while names go through it.
    open: Option<File>,
}

impl Place {
    /// The folder, made where it is not there; for its owner alone.
    pub(super) fn create(state_dir: &Path) -> io::Result<Self> {
        let folder = state_dir.join(FOLDER);
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => Self::of(folder),
        }
    }

    /// The folder where it is there.
    pub(super) fn existing(state_dir: &Path) -> Option<Self> {
        let folder = state_dir.join(FOLDER);
        if folder.is_dir() { Self::of(folder).ok() } else { None }
    }

    fn of(folder: PathBuf) -> io::Result<Self> {
        let long = folder.as_os_str().len() + 1 + 32 + SUFFIX.len() > LONGEST;
        let open = if long { Some(File::open(&folder)?) } else { None };
        Ok(Self { folder, open })
    }

    /// The path of a socket as the file system knows it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{SUFFIX}"))
    }

    /// The path of a socket for binding and connecting. Where the real one is too long, it goes
    /// through the open folder, which Linux has under `/proc`.
    pub(super) fn address(&self, name: &str) -> PathBuf {
        match &self.open {
            Some(folder) => PathBuf::from(format!("/proc/self/fd/{}/{name}{SUFFIX}", folder.as_raw_fd())),
            None => self.path(name),
        }
    }

    /// Where a socket is made: it gets its name by [`Place::publish`] once it listens. Until then it would
    /// look like one that a dead process left, which others remove.
    pub(super) fn cradle(&self, name: &str) -> PathBuf {
        self.address(name).with_extension(YOUNG)
    }

    /// Gives a socket that listens its name.
    pub(super) fn publish(&self, name: &str) -> io::Result<()> {
        fs::rename(self.path(name).with_extension(YOUNG), self.path(name))
    }

    /// Whether a socket is there behind which nobody is.
    pub(super) fn is_dead(&self, name: &str) -> bool {
        UnixStream::connect(self.address(name))
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// The names of all sockets, sorted.
    pub(super) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(SUFFIX)?.to_owned()))
            .collect();
        names.sort();
        names
    }
}

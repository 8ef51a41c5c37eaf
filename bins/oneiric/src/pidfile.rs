//! The file that says which process serves: locked for as long as that process lives, so that nothing stale is ever
//! taken for life.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// The longest content that is read: two numbers.
const LONGEST: u64 = 64;

/// How often a file is opened anew that was removed between opening and locking it.
const TRIES: usize = 16;

/// A process, by two numbers of which the first alone is given to another one some day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    /// When it started, in the kernel's ticks since boot; `None` where that cannot be seen.
    started: Option<u64>,
}

impl Holder {
    fn of(pid: u32) -> Self {
        Self { pid, started: started(pid) }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let pid = lines.next()?.trim().parse().ok().filter(|pid| *pid > 0)?;
        Some(Self { pid, started: lines.next().and_then(|line| line.trim().parse().ok()) })
    }

    /// Whether the process with this number is the one that is meant.
    pub(crate) fn is_there(self) -> bool {
        let now = started(self.pid);
        now.is_some() && (self.started.is_none() || self.started == now)
    }
}

/// Field 22 of `/proc/PID/stat`, counted behind the name, in which anything may stand; `None` of a process that is not
/// there, or of which only its entry is left: <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>.
fn started(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

/// The file, held.
#[derive(Debug)]
pub(crate) struct PidFile {
    path: PathBuf,
    _held: Flock<File>,
}

/// Why a file cannot be held.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PidFileError {
    #[error("a process serves already{}: it holds {}", holder.map(|holder| format!(" (pid {})", holder.pid)).unwrap_or_default(), path.display())]
    Held { path: PathBuf, holder: Option<Holder> },
    #[error("cannot write {}: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
}

impl PidFile {
    /// Holds the file for this process, until it is dropped.
    pub(crate) fn hold(path: &Path) -> Result<Self, PidFileError> {
        let io = |error| PidFileError::Io { path: path.to_owned(), error };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        for _ in 0..TRIES {
            let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
            let mut held = match Flock::lock(file.map_err(io)?, FlockArg::LockExclusiveNonblock) {
                Ok(held) => held,
                Err((mut file, Errno::EWOULDBLOCK)) => {
                    return Err(PidFileError::Held { path: path.to_owned(), holder: read(&mut file) });
                }
                Err((_, error)) => return Err(io(error.into())),
            };
            // Who held it before may have removed it meanwhile: then this is no longer the file of that name.
            let same = |there: &std::fs::Metadata| {
                held.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (there.dev(), there.ino()))
            };
            if !std::fs::metadata(path).is_ok_and(|there| same(&there)) {
                continue;
            }
            let own = Holder::of(std::process::id());
            let started = own.started.map(|started| started.to_string()).unwrap_or_default();
            held.set_len(0).map_err(io)?;
            held.write_all(format!("{}\n{started}\n", own.pid).as_bytes()).map_err(io)?;
            return Ok(Self { path: path.to_owned(), _held: held });
        }
        Err(io(io::Error::other("others make and remove it all the time")))
    }

    /// Who holds the file; `None` where nobody does.
    pub(crate) fn holder(path: &Path) -> Result<Option<Holder>, PidFileError> {
        let io = |error| PidFileError::Io { path: path.to_owned(), error };
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Ok(_) => Ok(None),
            // The lock says that somebody is there, the numbers say who.
            Err((mut file, Errno::EWOULDBLOCK)) => Ok(read(&mut file).filter(|holder| holder.is_there())),
            Err((_, error)) => Err(io(error.into())),
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // Before the lock goes, so that nobody else's file is removed.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    Holder::parse(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_held_by_one_process_for_as_long_as_it_lives() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/o.pid");
        assert_eq!(PidFile::holder(&path).unwrap(), None);
        let held = PidFile::hold(&path).unwrap();
        assert_eq!(PidFile::holder(&path).unwrap().map(|holder| holder.pid), Some(std::process::id()));
        let error = PidFile::hold(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        drop(held);
        assert!(!path.exists());
        // What a dead process left says nothing, whoever has its number now.
        std::fs::write(&path, format!("{}\n1\n", std::process::id())).unwrap();
        assert_eq!(PidFile::holder(&path).unwrap(), None);
        drop(PidFile::hold(&path).unwrap());
    }

    #[test]
    fn a_number_that_was_given_to_another_process_is_noticed() {
        let own = Holder::of(std::process::id());
        assert!(own.is_there());
        assert!(!Holder { started: own.started.map(|started| started + 1), ..own }.is_there());
        assert!(!Holder { pid: u32::MAX >> 1, started: None }.is_there());
        assert_eq!(Holder::parse("12\n"), Some(Holder { pid: 12, started: None }));
        for text in ["", "x", "0\n", "-1"] {
            assert_eq!(Holder::parse(text), None, "{text}");
        }
    }
}

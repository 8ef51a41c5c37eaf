//! Proof of life: each boot holds a lock on a file of its own, which the system releases when the
//! process ends, however it ends. No heartbeat has to be waited out.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oneiric_core::BootId;

use crate::error::StoreError;

/// The locks that this store holds, and where those of others lie.
#[derive(Debug)]
pub(super) struct Boots {
    folder: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    locks: HashMap<BootId, File>,
    host: Option<String>,
}

impl Boots {
    /// Those of the database at `path`.
    pub(super) fn beside(path: &Path) -> Self {
        Self { folder: path.with_file_name("boots"), held: Mutex::default() }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, boot: BootId) -> PathBuf {
        self.folder.join(format!("{boot}.lock"))
    }

    /// Takes the lock of a boot of this process. Before its row is written, so that nobody ever sees
    /// the row of a living boot without its lock.
    pub(super) fn lock(&self, boot: BootId, host: &str) -> Result<(), StoreError> {
        let path = self.file(boot);
        let fail = |error: io::Error| StoreError::Open {
            place: path.display().to_string(),
            reason: format!("{error}; check that this user may write the folder of the store"),
        };
        fs::create_dir_all(&self.folder).map_err(fail)?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Shared {
                    place: path.display().to_string(),
                    reason: format!("boot {boot} has entered already; every start needs an id of its own"),
                });
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        let mut held = self.held();
        held.locks.insert(boot, file);
        held.host = Some(host.to_owned());
        Ok(())
    }

    /// Gives the lock up and removes its file. After the row has ended.
    pub(super) fn release(&self, boot: BootId) {
        self.remove(boot);
        self.held().locks.remove(&boot);
    }

    /// Removes the file of a boot that is dead and buried.
    pub(super) fn remove(&self, boot: BootId) {
        // A file that stays behind costs nothing: its boot's row has ended.
        let _ = fs::remove_file(self.file(boot));
    }

    /// The lock files whose boot is dead and not among `open`, those that have not ended: nothing reads them
    /// any more. Young ones are left out, because a boot that is just entering makes its file before it
    /// locks it.
    pub(super) fn stale(&self, open: &[BootId]) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut stale: Vec<_> = entries
            .filter(|entry| {
                let name = entry.file_name();
                let boot = name.to_str().and_then(|name| name.strip_suffix(".lock")?.parse::<BootId>().ok());
                boot.is_some_and(|boot| !open.contains(&boot) && is_old(entry) && self.is_dead(boot))
            })
            .map(|entry| entry.path())
            .collect();
        stale.sort();
        stale
    }

    /// Lets go of every lock without a word, as the end of the process would.
    pub(super) fn abandon(&self) {
        self.held().locks.clear();
    }

    /// The host of this store's boots; `None` before the first entered.
    pub(super) fn host(&self) -> Option<String> {
        self.held().host.clone()
    }

    /// Whether nobody holds the boot's lock. What cannot be asked counts as alive.
    pub(super) fn is_dead(&self, boot: BootId) -> bool {
        if self.held().locks.contains_key(&boot) {
            return false;
        }
        match File::open(self.file(boot)) {
            // Shared, so that two processes that ask at the same time do not take each other for it.
            Ok(file) => file.try_lock_shared().is_ok(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }
}

/// How old a lock file is before it may count as forgotten.
const YOUTH: Duration = Duration::from_secs(60);

/// A file from the future, as a clock that was set back makes them, is not old.
fn is_old(entry: &fs::DirEntry) -> bool {
    let modified = entry.metadata().and_then(|metadata| metadata.modified());
    modified.is_ok_and(|at| at.elapsed().is_ok_and(|age| age >= YOUTH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_is_dead_once_its_lock_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("oneiric.db");
        let (me, other) = (Boots::beside(&place), Boots::beside(&place));
        let boot = BootId::from_bytes([1; 16]);
        assert!(other.is_dead(boot));
        me.lock(boot, "here").unwrap();
        assert!(!me.is_dead(boot) && !other.is_dead(boot));
        assert!(matches!(other.lock(boot, "here"), Err(StoreError::Shared { .. })));
        me.abandon();
        assert!(me.is_dead(boot) && other.is_dead(boot));
        me.lock(boot, "here").unwrap();
        assert!(other.stale(&[]).is_empty(), "it lives");
        me.abandon();
        assert!(other.stale(&[]).is_empty(), "its file is young");
        let file = folder.path().join("boots").join(format!("{boot}.lock"));
        let past = std::fs::metadata(&file).unwrap().modified().unwrap() - YOUTH;
        File::options().write(true).open(&file).unwrap().set_modified(past).unwrap();
        assert!(other.stale(&[boot]).is_empty(), "its row is there, and is buried first");
        assert_eq!(other.stale(&[]), [file]);
        me.lock(boot, "here").unwrap();
        me.release(boot);
        assert!(!folder.path().join("boots").join(format!("{boot}.lock")).exists());
    }
}

//! A consistent copy of the file while work goes on.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::error::store_error;
use super::pool::Pool;
use crate::error::StoreError;

/// Pages per step, and the breath between steps: a megabyte in a few milliseconds, so that a copy
/// of a large file leaves the disk to others now and then.
const STEP_PAGES: i32 = 256;
const BREATH: Duration = Duration::from_millis(1);

/// Copies what a reader of `pool` sees to `to`, and returns the bytes.
pub(super) fn backup(pool: &Pool, to: &Path) -> Result<u64, StoreError> {
    if to.exists() {
        return Err(taken(to));
    }
    let partial = Partial(partial(to));
    let name = partial.0.display().to_string();
    pool.read_apart(|from| {
        let _ = fs::remove_file(&partial.0);
        copy(from, &partial.0).map_err(|error| store_error(&name, &error))
    })?;
    let bytes = settle(&partial.0, to).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => taken(to),
        io::ErrorKind::StorageFull => StoreError::Full(format!("no space is left for {}", to.display())),
        _ => StoreError::Io(format!("{}: {error}", to.display())),
    })?;
    std::mem::forget(partial);
    Ok(bytes)
}

fn copy(from: &Connection, to: &Path) -> rusqlite::Result<()> {
    // A copy whose source is written to by others starts again from the first page. One that reads
    // from a snapshot does not see them: the transaction holds it for the whole copy.
    let snapshot = from.unchecked_transaction()?;
    snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut target = Connection::open(to)?;
    // The file has its name only after it was synced as a whole.
    target.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    let backup = Backup::new(&snapshot, &mut target)?;
    loop {
        match backup.step(STEP_PAGES)? {
            StepResult::Done => break,
            _ => thread::sleep(BREATH),
        }
    }
    drop(backup);
    target.close().map_err(|(_, error)| error)
}

/// Syncs the copy and gives it its name, unless somebody took the name meanwhile.
fn settle(partial: &Path, to: &Path) -> io::Result<u64> {
    let file = File::open(partial)?;
    file.sync_all()?;
    let bytes = file.metadata()?.len();
    // A rename would replace what is there. Holding the name first is as good as a rename that
    // refuses, and works where there are no hard links.
    OpenOptions::new().write(true).create_new(true).open(to)?;
    if let Err(error) = fs::rename(partial, to) {
        let _ = fs::remove_file(to);
        return Err(error);
    }
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(bytes)
}

/// The unfinished copy; removed unless it was renamed.
struct Partial(PathBuf);

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn partial(to: &Path) -> PathBuf {
    let mut name = to.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    to.with_file_name(name)
}

fn taken(to: &Path) -> StoreError {
    StoreError::Open {
        place: to.display().to_string(),
        reason: "it exists already; a backup never replaces a file, name another one".to_owned(),
    }
}

//! A file that is whole whenever somebody reads it.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use oneiric_core::{BootId, Timestamp};
use oneiric_supervisor::health::STALE_AFTER;

/// Replaces a file: another one is written beside it and takes its name. `writer` tells apart who writes, so that
/// two processes do not write into one another's file.
///
/// Nothing is synchronized with the disk. What is in the file is about a live process: after a power failure there is
/// none, and whoever reads an old or an empty file then learns from its age, or from its emptiness, just that.
pub(super) fn replace(path: &Path, writer: BootId, content: &[u8]) -> io::Result<()> {
    let (folder, name) = parts(path)?;
    let young = folder.join(format!(".{name}.{writer}.tmp"));
    let written = write(&young, content).or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            fs::create_dir_all(folder)?;
            write(&young, content)
        }
        _ => Err(error),
    });
    let replaced = written.and_then(|()| fs::rename(&young, path));
    if replaced.is_err() {
        let _ = fs::remove_file(&young);
    }
    replaced
}

/// Removes what processes left that were killed while they wrote.
pub(super) fn sweep(path: &Path, now: Timestamp) {
    let Ok((folder, name)) = parts(path) else { return };
    let prefix = format!(".{name}.");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_young = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(&prefix) && name.ends_with(".tmp"));
        let written = entry.metadata().and_then(|known| known.modified()).ok();
        let age = written
            .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
            .and_then(|at| i64::try_from(at.as_micros()).ok())
            .map(|at| now.since(Timestamp::from_micros(at)));
        if is_young && age.is_some_and(|age| age > STALE_AFTER) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::File::create(path)?.write_all(content)
}

fn parts(path: &Path) -> io::Result<(&Path, &str)> {
    let name = path.file_name().and_then(|name| name.to_str());
    let folder =
        path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    name.zip(folder)
        .map(|(name, folder)| (folder, name))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(byte: u8) -> BootId {
        BootId::from_bytes([byte; 16])
    }

    #[test]
    fn nothing_is_left_beside_the_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("deeper/health.json");
        replace(&path, boot(1), b"{}").unwrap();
        replace(&path, boot(2), b"[]").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"[]");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        // A folder is in its place.
        assert!(replace(home.path(), boot(1), b"{}").is_err());
        assert_eq!(
            fs::read_dir(home.path().parent().unwrap())
                .unwrap()
                .flatten()
                .filter(|entry| { entry.file_name().to_string_lossy().contains(&boot(1).to_string()) })
                .count(),
            0
        );
    }

    #[test]
    fn what_the_killed_left_is_removed_when_it_is_old() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("health.json");
        let young = home.path().join(".health.json.01.tmp");
        fs::write(&young, b"{").unwrap();
        let written = young.metadata().unwrap().modified().unwrap();
        let written = written.duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
        let at = |seconds: i64| Timestamp::from_micros(i64::try_from(written).unwrap() + seconds * 1_000_000);
        sweep(&path, at(10));
        assert!(young.exists(), "somebody may be writing it");
        sweep(&path, at(200));
        assert!(!young.exists());
    }
}

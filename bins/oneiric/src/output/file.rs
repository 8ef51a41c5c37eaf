//! Files that are there completely or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use crate::exit::Code;
use crate::failure::Failure;

/// Writes a file under a name beside its own and renames it. Folders above it are made.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name() else {
        return Err(failed(path, &io::Error::new(io::ErrorKind::IsADirectory, "it names no file")));
    };
    let mut partial = std::ffi::OsString::from(".");
    partial.push(name);
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = folder.join(partial);
    let written = fs::create_dir_all(folder)
        .and_then(|()| replace(&partial, path, bytes))
        .map_err(|error| failed(path, &error));
    if written.is_err() {
        // It may not have come to be; then there is nothing to remove.
        let _ = fs::remove_file(&partial);
    }
    written
}

fn replace(partial: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(partial, path)
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::said(Code::Configuration, format!("cannot write {}: {error}", path.display()))
        .help("name another file with `-o`, or `-o -` for standard output")
}

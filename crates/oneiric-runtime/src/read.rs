//! Manifest files, read with bounds.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use oneiric_core::manifest::MAX_TEXT_BYTES;

use crate::bundle::ManifestFile;
use crate::error::Error;

/// Reads a manifest file as bytes; what it says is not looked at.
///
/// # Errors
/// [`Error::Read`] for what is missing, unreadable, no regular file, or larger than
/// [`MAX_TEXT_BYTES`]; a large file is refused by its size before it is read.
pub fn read_manifest(path: &Path) -> Result<ManifestFile, Error> {
    let refuse = |reason: String, help: &str| Error::Read {
        path: path.display().to_string(),
        reason,
        help: help.to_owned(),
    };
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            refuse("there is no such file".to_owned(), "check the path; it is relative to the working folder")
        }
        _ => refuse(error.to_string(), "check its permissions"),
    })?;
    if metadata.is_dir() {
        return Err(refuse("it is a folder".to_owned(), "name a file in it; `--manifest` may be repeated"));
    }
    if !metadata.is_file() {
        return Err(refuse("it is no regular file".to_owned(), "name a YAML, TOML or JSON file"));
    }
    let most = MAX_TEXT_BYTES as u64;
    let too_large = |length: u64| {
        refuse(
            format!("it is {length} bytes long, at most {most} are allowed"),
            "split it: `--manifest` may be repeated",
        )
    };
    if metadata.len() > most {
        return Err(too_large(metadata.len()));
    }
    let file = File::open(path).map_err(|error| refuse(error.to_string(), "check its permissions"))?;
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    // It may grow while it is read.
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| refuse(error.to_string(), "check the file system"))?;
    if bytes.len() as u64 > most {
        return Err(too_large(bytes.len() as u64));
    }
    Ok(ManifestFile::new(path.display().to_string(), bytes))
}

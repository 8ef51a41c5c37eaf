//! What files hold, as one digest.

use std::fs::{self, File, Metadata};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use oneiric_core::Digest;
use oneiric_core::manifest::MAX_TEXT_BYTES;

/// The most files of one folder that are looked at. A folder of manifests has some dozen.
const MOST_FILES: usize = 1000;

/// Of what lies in these places, by what is in it. What cannot be read is told from what is not there. Each file is
/// read as far as one may be long, and a byte further.
pub(super) fn digest(places: &[PathBuf]) -> Digest {
    over(places, |path, metadata| {
        let mut bytes =
            Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default().min(MAX_TEXT_BYTES));
        let read =
            File::open(path).and_then(|file| file.take(MAX_TEXT_BYTES as u64 + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) => Digest::of(&bytes).to_string(),
            Err(error) => format!("unreadable: {}", error.kind()),
        }
    })
}

/// Of what lies in these places, by size, time and identity.
pub(super) fn signature(places: &[PathBuf]) -> Digest {
    over(places, |_, metadata| {
        let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        format!("{} {changed:?} {}", metadata.len(), identity(metadata))
    })
}

#[cfg(unix)]
fn identity(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn identity(_: &Metadata) -> u64 {
    0
}

fn over(places: &[PathBuf], of: impl Fn(&Path, &Metadata) -> String) -> Digest {
    let mut lines = String::new();
    for place in places {
        for path in files(place) {
            let said = match fs::metadata(&path) {
                // A pipe or a device is nothing to read: it would not end.
                Ok(metadata) if metadata.is_file() => of(&path, &metadata),
                Ok(_) => "no file".to_owned(),
                Err(error) => error.kind().to_string(),
            };
            lines.push_str(&format!("{} {said}\n", path.display()));
        }
    }
    Digest::of(lines.as_bytes())
}

/// The place itself, or the files in it where it is a folder.
fn files(place: &Path) -> Vec<PathBuf> {
    if !place.is_dir() {
        return vec![place.to_owned()];
    }
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files.truncate(MOST_FILES);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_a_file_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.yaml");
        let places = [path.clone(), folder.path().join("gone.yaml")];
        let absent = digest(&places);
        fs::write(&path, "one").unwrap();
        let one = digest(&places);
        assert_ne!(absent, one);
        fs::write(&path, "two").unwrap();
        assert_ne!(one, digest(&places));
        // Another file with the same words is the same.
        fs::write(folder.path().join("new"), "one").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(one, digest(&places));
        fs::remove_file(&path).unwrap();
        assert_eq!(absent, digest(&places));
    }

    #[test]
    fn a_folder_is_what_lies_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let places = [folder.path().to_owned()];
        let empty = (digest(&places), signature(&places));
        fs::write(folder.path().join("a.yaml"), "one").unwrap();
        assert_ne!(empty, (digest(&places), signature(&places)));
        fs::create_dir(folder.path().join("b")).unwrap();
        digest(&places);
    }
}

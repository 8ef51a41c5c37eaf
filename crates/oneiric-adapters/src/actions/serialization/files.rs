//! Files below one folder, and nowhere else.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

use oneiric_core::Fault;

/// The longest file that is read: a result travels through memory more than once.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// The folder.
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    /// The files below `root`.
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Writes a file; the folder that it lies in has to be there.
    ///
    /// # Errors
    /// `serialization-path-refused` where it is not below the root, `serialization-file-failed` where it
    /// cannot be written.
    pub(super) fn write(&self, path: &str, text: &str) -> Result<(), Fault> {
        std::fs::write(self.place(path)?, text).map_err(|error| failed(path, &error))
    }

    /// Reads a file of at most 32 MiB.
    ///
    /// # Errors
    /// As [`Files::write`].
    pub(super) fn read(&self, path: &str) -> Result<String, Fault> {
        let mut text = String::new();
        let file = std::fs::File::open(self.place(path)?).map_err(|error| failed(path, &error))?;
        file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| failed(path, &error))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(failed(path, &format!("it is longer than {MAX_BYTES} bytes")));
        }
        Ok(text)
    }

    /// The path below the root, without links that lead out of it.
    fn place(&self, path: &str) -> Result<PathBuf, Fault> {
        let refused = |why: &str| {
            let why = format!("`path` `{path}` {why}");
            Err(Fault::permanent("serialization-path-refused", why))
        };
        let given = Path::new(path);
        if !given.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return refused("leads out of `path_root`: write it relative to that, without `..`");
        }
        let root = self.root.canonicalize().map_err(|error| failed(path, &error))?;
        let place = root.join(given);
        let Some((folder, name)) = place.parent().zip(place.file_name()) else {
            return refused("names no file");
        };
        let folder = folder.canonicalize().map_err(|error| failed(path, &error))?;
        let place = folder.join(name);
        if !folder.starts_with(&root) || place.is_symlink() {
            return refused("goes through a link that leads elsewhere");
        }
        Ok(place)
    }
}

fn failed(path: &str, why: &dyn std::fmt::Display) -> Fault {
    Fault::permanent("serialization-file-failed", format!("file `{path}`: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("root");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(home.path().join("outside"), "secret").unwrap();
        std::os::unix::fs::symlink(home.path(), root.join("up")).unwrap();
        std::os::unix::fs::symlink(home.path().join("outside"), root.join("link")).unwrap();
        let files = Files::new(root);
        files.write("sub/a.json", "[]").unwrap();
        assert_eq!(files.read("./sub/a.json").unwrap(), "[]");
        for bad in ["../outside", "/etc/passwd", "sub/../../outside", "up/outside", "link", "."] {
            assert_eq!(files.read(bad).unwrap_err().code, "serialization-path-refused", "{bad}");
            assert_eq!(files.write(bad, "x").unwrap_err().code, "serialization-path-refused", "{bad}");
        }
        assert_eq!(files.read("missing").unwrap_err().code, "serialization-file-failed");
        assert_eq!(std::fs::read_to_string(home.path().join("outside")).unwrap(), "secret");
    }
}

//! The manifests that come with the program: what counts where a profile says that only those do.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::exit::Code;
use crate::failure::Failure;

/// The folder, beside the binary or in the working folder.
const FOLDER: &str = "manifests";

/// What a manifest's name ends with.
const ENDINGS: [&str; 4] = ["yaml", "yml", "toml", "json"];

/// What became of the search.
#[derive(Debug)]
pub(crate) enum Packaged {
    /// Manifests are named, or the profile counts others, too.
    NotAsked,
    /// These.
    Found(Vec<PathBuf>),
    /// None is there.
    Missing {
        /// The profile that asks for them.
        profile: String,
        /// Where they were looked for.
        folders: Vec<PathBuf>,
    },
}

impl Packaged {
    /// Says in the log what counts.
    pub(crate) fn tell(&self) {
        let names = |paths: &[PathBuf]| {
            paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
        };
        match self {
            Packaged::NotAsked => {}
            Packaged::Found(found) => {
                tracing::info!(manifests = names(found), "the packaged manifests count")
            }
            Packaged::Missing { profile, folders } => tracing::warn!(
                profile,
                looked_into = names(folders),
                "the profile counts packaged manifests only, and there are none; put them into one of these folders, or \
                 name them with `--manifest PATH`"
            ),
        }
    }
}

/// The manifests in `manifests` beside the binary, or else in the working folder, sorted by name; and where nothing was
/// found, the folders that were looked into.
///
/// # Errors
/// Where a folder cannot be read, or has one manifest in two formats: which one counts is not for us to guess.
pub(crate) fn find() -> Result<Result<Vec<PathBuf>, Vec<PathBuf>>, Failure> {
    let binary = std::env::current_exe().ok();
    let beside = binary.as_deref().and_then(Path::parent).map(|folder| folder.join(FOLDER));
    let folders: Vec<PathBuf> = beside.into_iter().chain([PathBuf::from(FOLDER)]).collect();
    for folder in &folders {
        let found = list(folder)?;
        if !found.is_empty() {
            return Ok(Ok(found));
        }
    }
    Ok(Err(folders))
}

/// The manifests in a folder; none where it is not there.
fn list(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let cannot = |error: io::Error| {
        let message = format!("cannot read the packaged manifests in {}: {error}", folder.display());
        Failure::said(Code::Configuration, message)
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(cannot(error)),
    };
    let mut found: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for entry in entries {
        let path = entry.map_err(cannot)?.path();
        let is_manifest = path.extension().is_some_and(|end| ENDINGS.iter().any(|known| end == *known));
        if !is_manifest || !path.is_file() {
            continue;
        }
        if let Some(other) = found.insert(path.with_extension(""), path.clone()) {
            let (one, other) = if other < path { (other, path) } else { (path, other) };
            let message = format!("{} and {} are one manifest twice", one.display(), other.display());
            return Err(Failure::said(Code::Configuration, message)
                .help("remove one of them, or name the manifests with `--manifest PATH`"));
        }
    }
    Ok(found.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_found_in_order_and_never_guessed() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| std::fs::write(folder.path().join(name), "").unwrap();
        assert!(list(&folder.path().join("none")).unwrap().is_empty());
        ["b.yml", "a.toml", "c.json", "README.md", "schema.txt"].into_iter().for_each(file);
        std::fs::create_dir(folder.path().join("d.yaml")).unwrap();
        let names: Vec<_> = list(folder.path()).unwrap();
        let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.toml", "b.yml", "c.json"]);
        file("c.yaml");
        let told = list(folder.path()).unwrap_err().to_string();
        assert!(told.contains("c.json and ") && told.ends_with("c.yaml are one manifest twice"), "{told}");
    }
}

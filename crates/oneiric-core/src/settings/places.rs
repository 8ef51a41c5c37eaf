//! Where files of settings are looked for.

use std::path::{Path, PathBuf};

use super::MAX_SETTINGS_BYTES;
use super::error::SourceError;
use super::files::Files;
use crate::Environment;

/// The endings under which a file is looked for.
const ENDINGS: [&str; 4] = ["yaml", "yml", "toml", "json"];

/// A file that was found.
#[derive(Debug)]
pub(super) struct FoundFile {
    /// As messages name it.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// The files that are there, lowest first.
pub(super) fn found(
    project: &str,
    base: &Path,
    explicit: Option<&Path>,
    environment: &dyn Environment,
    files: &dyn Files,
    wrong: &mut Vec<SourceError>,
) -> Vec<FoundFile> {
    let mut found = Vec::new();
    let own = base.join("settings");
    let mut stems = vec![own.join(project), own.join("local")];
    if let Some(user) = user_folder(environment) {
        let folder = user.join(project);
        stems.extend([folder.join("config"), folder.join("local")]);
    }
    for stem in stems {
        let mut there = Vec::new();
        for ending in ENDINGS {
            // Not `with_extension`: a project's name may hold a dot.
            let path = PathBuf::from(format!("{}.{ending}", stem.display()));
            match read(&path, files) {
                Ok(Some(file)) => there.push(file),
                Ok(None) => {}
                Err(error) => wrong.push(error),
            }
        }
        if let [first, second, ..] = there.as_slice() {
            let message = format!("`{}` is there, too, and only one of them can count", second.name);
            let help = Some("keep one of them".to_owned());
            wrong.push(SourceError::without_place(&first.name, message, help));
        }
        found.extend(there);
    }
    if let Some(path) = explicit {
        let path = if path.is_absolute() { path.to_owned() } else { base.join(path) };
        match read(&path, files) {
            Ok(Some(file)) => found.push(file),
            Ok(None) => {
                let help = "correct `--config`, or the variable that names it".to_owned();
                let name = path.display().to_string();
                wrong.push(SourceError::without_place(&name, "there is no such file", Some(help)));
            }
            Err(error) => wrong.push(error),
        }
    }
    found
}

/// `$XDG_CONFIG_HOME`, else `~/.config`. The XDG Base Directory Specification says to ignore relative
/// ones.
fn user_folder(environment: &dyn Environment) -> Option<PathBuf> {
    let absolute = |name| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")))
}

fn read(path: &Path, files: &dyn Files) -> Result<Option<FoundFile>, SourceError> {
    let name = path.display().to_string();
    match files.read(path, MAX_SETTINGS_BYTES + 1) {
        Ok(bytes) => Ok(bytes.map(|bytes| FoundFile { name, bytes })),
        Err(error) => {
            let help = Some("name a file that can be read, or move it away".to_owned());
            Err(SourceError::without_place(&name, format!("cannot be read: {error}"), help))
        }
    }
}

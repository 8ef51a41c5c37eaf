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

/// The places of all files that may be there, lowest first, without their endings.
fn stems(project: &str, base: &Path, environment: &dyn Environment) -> Vec<PathBuf> {
    let own = base.join("settings");
    let mut stems = vec![own.join(project), own.join("local")];
    if let Some(user) = user_folder(environment) {
        let folder = user.join(project);
        stems.extend([folder.join("config"), folder.join("local")]);
    }
    stems
}

/// The names under which a file is looked for.
fn endings(stem: &Path) -> impl Iterator<Item = PathBuf> {
    // Not `with_extension`: a project's name may hold a dot.
    ENDINGS.into_iter().map(|ending| PathBuf::from(format!("{}.{ending}", stem.display())))
}

/// A file that was named, from where relative ones count.
fn named(base: &Path, path: &Path) -> PathBuf {
    if path.is_absolute() { path.to_owned() } else { base.join(path) }
}

/// Every path that is read where something is there, lowest first.
pub(super) fn all(
    project: &str,
    base: &Path,
    explicit: Option<&Path>,
    environment: &dyn Environment,
) -> Vec<PathBuf> {
    let stems = stems(project, base, environment);
    let places = stems.iter().flat_map(|stem| endings(stem));
    places.chain(explicit.map(|path| named(base, path))).collect()
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
    for stem in stems(project, base, environment) {
        let mut there = Vec::new();
        for path in endings(&stem) {
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
        let path = named(base, path);
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

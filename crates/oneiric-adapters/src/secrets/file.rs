//! Secrets in a file, or in a folder as Kubernetes and systemd mount them.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::SecretStore;
use oneiric_core::secret::{Secret, SecretId};
use oneiric_core::{Component, Fault, Instance, text};

/// The largest secret, in bytes: certificates with their chain and key fit several times, a database
/// that was named by mistake does not.
pub const MAX_SECRET_BYTES: u64 = 64 * 1024;

/// The largest file of many secrets, in bytes.
pub const MAX_SECRETS_FILE_BYTES: u64 = 1024 * 1024;

/// A file that maps ids to texts (TOML, JSON, YAML; by its ending, else by its look), or a folder with a
/// file per secret, whose name is the id and whose last line feed is not part of the value.
///
/// Read anew at each question, so that a mount that changes is seen; the chain caches. What others on
/// this machine may read is refused.
#[derive(Debug, Clone)]
pub struct FileSecrets(PathBuf);

impl FileSecrets {
    /// A store in a file or folder. Touches nothing yet; a path where nothing is holds no secret.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// As a component that plays [`SecretStore`].
    pub fn instance(self) -> Instance {
        let store = Arc::new(self);
        Instance::new(store.clone()).plays::<dyn SecretStore>(store)
    }

    fn read(&self, id: &SecretId) -> Result<Option<Secret>, Fault> {
        let Some(found) = there(&self.0)? else { return Ok(None) };
        if found.is_dir() {
            // Ids hold no separator and no `..`, so the path stays in the folder.
            let path = self.0.join(id.as_str());
            let Some(text) = content(&path, MAX_SECRET_BYTES)? else { return Ok(None) };
            let value = text.strip_suffix('\n').unwrap_or(&text);
            return Ok(Some(Secret::new(value.strip_suffix('\r').unwrap_or(value))));
        }
        let Some(text) = content(&self.0, MAX_SECRETS_FILE_BYTES)? else { return Ok(None) };
        self.in_text(&text, id)
    }

    fn in_text(&self, text: &str, id: &SecretId) -> Result<Option<Secret>, Fault> {
        let name = self.0.display().to_string();
        // What is wrong may be told by quoting it, so only the place is.
        let parsed = text::parse(&name, text.as_bytes()).map_err(|error| {
            let place =
                error.problems.first().map_or_else(|| name.clone(), |problem| problem.place.to_string());
            Fault::permanent("secrets-file", format!("{place}: the file of secrets is no YAML, TOML or JSON"))
        })?;
        match parsed.get(id.as_str()) {
            None | Some(serde_json::Value::Null) if parsed.is_object() => Ok(None),
            Some(serde_json::Value::String(value)) => Ok(Some(Secret::new(value))),
            Some(_) => {
                let message = format!("secret `{id}` in {name} must be text; put it in quotes");
                Err(Fault::permanent("secrets-file", message))
            }
            None => {
                let message = format!("{name} must map ids to texts: `stripe-key: \"...\"`");
                Err(Fault::permanent("secrets-file", message))
            }
        }
    }
}

impl Component for FileSecrets {}

#[async_trait]
impl SecretStore for FileSecrets {
    /// A small read from a local disk or from memory; not worth a thread.
    async fn get(&self, id: &SecretId) -> Result<Option<Secret>, Fault> {
        self.read(id)
    }

    fn how_to_set(&self, id: &SecretId) -> Option<String> {
        Some(format!("put `{id}` into {}", self.0.display()))
    }
}

fn there(path: &Path) -> Result<Option<Metadata>, Fault> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// The text of a file that nobody else may read; `None` where there is none.
fn content(path: &Path, most: u64) -> Result<Option<String>, Fault> {
    // Opening a pipe would wait for who writes to it.
    if there(path)?.is_some_and(|found| !found.is_file()) {
        return Err(Fault::permanent("secrets-file", format!("{} is no file", path.display())));
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    // Of the file that is open, not of the path, which may be another one by now.
    let found = file.metadata().map_err(|error| unreadable(path, &error))?;
    guarded(path, &found)?;
    let mut text = String::new();
    file.take(most + 1).read_to_string(&mut text).map_err(|error| unreadable(path, &error))?;
    if text.len() as u64 > most {
        let message = format!("{} is longer than {most} bytes", path.display());
        return Err(Fault::permanent("secrets-file", message));
    }
    Ok(Some(text))
}

#[cfg(unix)]
fn guarded(path: &Path, found: &Metadata) -> Result<(), Fault> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o007 == 0 {
        return Ok(());
    }
    let path = path.display();
    let message = format!(
        "{path} may be read by everybody (mode {mode:o}); `chmod 600 {path}`, or `defaultMode: 0440` where \
         Kubernetes mounts it"
    );
    Err(Fault::denied("secrets-file-mode", message))
}

#[cfg(not(unix))]
fn guarded(_: &Path, _: &Metadata) -> Result<(), Fault> {
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault::permanent("secrets-file", format!("cannot read {}: {error}", path.display()))
}

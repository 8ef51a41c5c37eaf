//! Which Python there is.

use std::path::PathBuf;
use std::time::Duration;

use oneiric_core::Fault;

use crate::foreign::Section;
use crate::process::launch;
use crate::worker;

/// The keys of `metadata.python` beside those that say how a process starts and how many there are.
const OWN: [&str; 4] = ["executable", "venv", "path", "factory"];

/// Every key of the section.
pub(super) fn keys() -> Vec<&'static str> {
    let start = launch::KEYS.into_iter().filter(|key| *key != "args");
    OWN.into_iter().chain(start).chain(worker::KEYS).collect()
}

/// The interpreter and how many of it, where neither the entry nor the provider's settings say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PythonSettings {
    /// The interpreter: a name that is looked up in `PATH`, or a path. Default: `python3`.
    pub executable: String,
    /// A virtual environment, whose interpreter is used instead of `executable`. Default: none.
    pub venv: Option<PathBuf>,
    /// Folders in which modules are looked for before all others. Default: none.
    pub path: Vec<PathBuf>,
    /// Interpreters of one component, 1 to 64; started when they are needed. Default: 4.
    pub workers: u32,
    /// Calls at once in one interpreter, 1 to 1,024. Default: 1, so that a call that has to be killed takes
    /// no other with it; a component of coroutines may take more.
    pub concurrency: u32,
    /// How long an interpreter may take to import and build the component. Default: 30 s, upstream's time
    /// for an activation.
    pub ready: Duration,
}

impl Default for PythonSettings {
    fn default() -> Self {
        Self {
            executable: "python3".to_owned(),
            venv: None,
            path: Vec::new(),
            workers: 4,
            concurrency: 1,
            ready: Duration::from_secs(30),
        }
    }
}

impl PythonSettings {
    /// The interpreter that a section asks for.
    ///
    /// # Errors
    /// What [`Section`] finds wrong.
    pub(super) fn interpreter(&self, section: &Section) -> Result<String, Fault> {
        let of_venv = |venv: PathBuf| venv.join("bin/python").to_string_lossy().into_owned();
        Ok(match (section.text("executable")?, section.text("venv")?) {
            (Some(executable), _) => executable,
            (None, Some(venv)) => of_venv(PathBuf::from(venv)),
            (None, None) => self.venv.clone().map_or_else(|| self.executable.clone(), of_venv),
        })
    }

    /// The folders for modules, absolute: those of the section come first.
    ///
    /// # Errors
    /// What [`Section`] finds wrong.
    pub(super) fn search_path(&self, section: &Section) -> Result<Vec<String>, Fault> {
        let said = section.texts("path")?.unwrap_or_default().into_iter().map(PathBuf::from);
        said.chain(self.path.iter().cloned())
            .map(|folder| {
                let folder = std::path::absolute(&folder).map_err(|error| {
                    section.wrong("path", &format!("holds `{}`: {error}", folder.display()))
                })?;
                Ok(folder.to_string_lossy().into_owned())
            })
            .collect()
    }
}

//! How a program is started: which file, with which arguments, where, with which variables.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use oneiric_core::{Environment, Fault};
use tokio::process::Command;

use super::environment::{self, Variables};
use super::program;
use crate::foreign::Section;

/// The keys of a section that say it.
pub(crate) const KEYS: [&str; 4] = ["args", "cwd", "env", "memory_mib"];

/// The bounds of `memory_mib`: below, no interpreter starts; above, there is no such machine.
const MEMORY_MIB: RangeInclusive<u32> = 8..=16 * 1024 * 1024;

/// The shell that lowers the limit, before it becomes the program. Nobody else can in between without
/// `unsafe`: a limit belongs to the process that sets it, and what forks must not run code of ours.
const SHELL: &str = "/bin/sh";

/// Its arguments: the limit in KiB, then the program and its own. 78 is `EX_CONFIG`.
const LIMITED: &str = r#"ulimit -d "$1" || exit 78; shift; exec "$@""#;

/// A program and everything about its start that is known beforehand.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// The program as the factory names it.
    pub(crate) name: String,
    args: Vec<String>,
    /// The folder, with the name of the field that says it.
    cwd: Option<(String, PathBuf)>,
    variables: Variables,
    /// The most private memory of each of its processes.
    memory_mib: Option<u32>,
}

impl Launch {
    /// Reads `args`, `cwd`, `env` and `memory_mib` of a section; names in `reserved` may not be set by it.
    ///
    /// # Errors
    /// What [`Section`] finds wrong.
    pub(crate) fn read(
        name: impl Into<String>,
        section: &Section,
        inherited: &dyn Environment,
        reserved: &[&str],
    ) -> Result<Self, Fault> {
        let said = section.variables("env", reserved)?.unwrap_or_default();
        Ok(Self {
            name: name.into(),
            args: section.texts("args")?.unwrap_or_default(),
            cwd: section.text("cwd")?.map(|cwd| (section.field("cwd"), PathBuf::from(cwd))),
            variables: environment::base(inherited, &said),
            memory_mib: section.count("memory_mib", MEMORY_MIB)?,
        })
    }

    /// A program with its arguments and nothing else said about it.
    #[cfg(feature = "probe")]
    pub(crate) fn plain(
        name: impl Into<String>,
        args: impl Into<Vec<String>>,
        inherited: &dyn Environment,
    ) -> Self {
        Self {
            name: name.into(),
            args: args.into(),
            cwd: None,
            variables: environment::base(inherited, &Variables::new()),
            memory_mib: None,
        }
    }

    /// The same with these arguments.
    #[cfg(feature = "python")]
    pub(crate) fn with_args(mut self, args: Vec<String>) -> Self {
        self.args = args;
        self
    }

    /// The file to run, which was seen to exist a moment ago, as was the folder to run it in.
    ///
    /// # Errors
    /// Permanent: `cwd-missing`, and those of [`program::locate`].
    pub(crate) fn locate(&self) -> Result<PathBuf, Fault> {
        if let Some((field, cwd)) = &self.cwd
            && !cwd.is_dir()
        {
            let message = format!("`{field}`: `{}` is not a folder", cwd.display());
            return Err(Fault::permanent("cwd-missing", message));
        }
        program::locate(&self.name, self.variables.get("PATH").map(String::as_str))
    }

    /// The command, with nothing in its environment but what belongs there.
    ///
    /// # Errors
    /// As [`Launch::locate`].
    pub(crate) fn command(&self) -> Result<Command, Fault> {
        let program = self.locate()?;
        let mut command = match self.memory_mib {
            None => Command::new(program),
            Some(mib) => {
                let mut shell = Command::new(SHELL);
                shell.args(["-c", LIMITED, "sh", &(u64::from(mib) * 1024).to_string()]).arg(program);
                shell
            }
        };
        command.args(&self.args).env_clear().envs(&self.variables);
        if let Some((_, cwd)) = &self.cwd {
            command.current_dir(cwd);
        }
        Ok(command)
    }
}

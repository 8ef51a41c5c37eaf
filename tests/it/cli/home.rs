//! What the stories share: the binary, a temporary home, the fixtures.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The binary under test: `ONEIRIC_TEST_BIN`, else the one that lies beside the tests.
pub(crate) fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("ONEIRIC_TEST_BIN") {
        return path.into();
    }
    // target/debug/deps/it-… → target/debug/oneiric
    let me = std::env::current_exe().unwrap();
    let path = me.parent().and_then(Path::parent).unwrap().join("oneiric");
    assert!(
        path.is_file(),
        "there is no binary at {}: run `cargo build -p oneiric` first, or name one in ONEIRIC_TEST_BIN",
        path.display()
    );
    path
}

/// A working folder of its own for one story.
pub(crate) struct Home {
    folder: TempDir,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file and returns its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The binary in this folder, without anything of the caller's environment that it reads.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(args).current_dir(self.path());
        for name in
            ["ONEIRIC_CACHE_DIR", "ONEIRIC_LOG_LEVEL", "ONEIRIC_FACTORY_ALLOWLIST", "ONEIRIC_STACK_ORDER"]
        {
            command.env_remove(name);
        }
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        let output = self.command(args).output().unwrap();
        Ended::of(&output)
    }

    /// Runs it, expects success and reads its standard output as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let ended = self.run(args);
        assert_eq!(ended.code, 0, "{args:?}: {ended:#?}");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {ended:#?}"))
    }

    /// Whether anything is in the folder but these files.
    pub(crate) fn holds_only(&self, names: &[&str]) -> bool {
        std::fs::read_dir(self.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .all(|name| names.contains(&name.as_str()))
    }
}

impl Ended {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }

    /// The error object that `--json` prints on standard error, its last line.
    pub(crate) fn error(&self) -> Value {
        let last = self.stderr.lines().last().unwrap_or_default();
        let object: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        object["error"].clone()
    }
}

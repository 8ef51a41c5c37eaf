//! A test in a process of its own, which may die of it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Tells a child where its folder is; nobody else sets it.
const FOLDER: &str = "ONEIRIC_TEST_CHILD";

/// The folder that this process was started for; `None` where it is not a child.
pub fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

/// Starts the ignored test `name` of this binary in a process of its own.
pub fn start(name: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture", "--test-threads", "1"])
        .env(FOLDER, folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

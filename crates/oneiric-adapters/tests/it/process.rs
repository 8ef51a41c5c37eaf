//! Scripts as components, and what the system says about processes.

use std::path::Path;

use oneiric_core::{Descriptor, Instance};
use serde_json::Value;

use crate::support::{build, descriptor, eventually};

/// A shell script as a component; `more` is merged into `metadata.exec`.
pub(crate) async fn script(text: &str, more: Value) -> Instance {
    build(&script_descriptor(text, more)).await.expect("the script is a component")
}

pub(crate) fn script_descriptor(text: &str, more: Value) -> Descriptor {
    let mut exec = serde_json::json!({ "args": ["-c", text, "script"] });
    for (key, value) in more.as_object().into_iter().flatten() {
        exec[key] = value.clone();
    }
    descriptor("exec:sh", exec)
}

/// The state letter of a process: `R`, `S`, `Z`, ...; `None` where there is no such process.
pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Whether a process runs; one that only waits to be reaped does not.
pub(crate) fn alive(pid: u32) -> bool {
    !matches!(state(pid), None | Some('Z' | 'X'))
}

/// The children of this process, zombies included, with their states.
pub(crate) fn children() -> Vec<(u32, char)> {
    let ours = format!(" {} ", std::process::id());
    let pids = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let rest = stat.rsplit_once(')')?.1;
        rest.get(2..)?.starts_with(&ours).then(|| state(pid).map(|state| (pid, state)))?
    })
    .collect()
}

/// The number that a script wrote to a file, once it did.
pub(crate) async fn pid_in(file: &Path) -> u32 {
    eventually("the script writes its number", || {
        std::fs::read_to_string(file).ok()?.strip_suffix('\n')?.parse().ok()
    })
    .await
}

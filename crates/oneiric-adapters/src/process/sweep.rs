//! Killing processes by what stands in their environment, whoever started them and whatever session they are in.
//!
//! A process that clears its environment is not found. One of another user cannot be seen, and is not looked for.

use std::fs::{self, File};
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid, getpgrp};
use oneiric_core::Clock;

/// How long a killed process may take to be gone: one in the middle of a system call is gone when that
/// returns.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is looked for.
const GLANCE: Duration = Duration::from_millis(5);

/// How much of an environment is read: Linux allows no larger one with a stack of the usual 8 MiB.
const MAX_ENVIRONMENT_BYTES: u64 = 2 * 1024 * 1024;

/// Kills every process in whose environment `variable` has a value that is `meant`, with its group; returns how many
/// there were. Blocks for as long as it takes to read the environment of every process of this user. Where there is
/// no `/proc` there is nothing to find.
pub(crate) fn kill_all(variable: &str, meant: impl Fn(&str) -> bool) -> usize {
    let (me, ours) = (Pid::this(), getpgrp());
    let mut environment = Vec::new();
    let mut found = 0;
    for pid in processes().map(Pid::from_raw).filter(|pid| *pid != me) {
        if !read(pid, &mut environment) || !value(&environment, variable).is_some_and(&meant) {
            continue;
        }
        found += 1;
        // Gone in the meantime is what was wanted.
        let _ = match getpgid(Some(pid)) {
            Ok(group) if group != ours => killpg(group, Signal::SIGKILL),
            _ => kill(pid, Signal::SIGKILL),
        };
    }
    found
}

/// Repeats a pass that kills until it finds nothing; returns how many it still found when patience ended.
pub(crate) async fn until_gone(clock: &dyn Clock, pass: impl Fn() -> usize + Send + Sync + 'static) -> usize {
    let pass = Arc::new(pass);
    let mut waited = Duration::ZERO;
    loop {
        let work = Arc::clone(&pass);
        // An error means that the runtime goes down: who waits is going down, too.
        let found = tokio::task::spawn_blocking(move || work()).await.unwrap_or(0);
        if found == 0 || waited >= PATIENCE {
            return found;
        }
        clock.sleep(GLANCE).await;
        waited += GLANCE;
    }
}

/// The numbers of all processes; none where there is no `/proc`.
pub(crate) fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Reads the environment of a process; one that has ended, or is not ours, has none.
fn read(pid: Pid, into: &mut Vec<u8>) -> bool {
    into.clear();
    let Ok(file) = File::open(format!("/proc/{pid}/environ")) else { return false };
    file.take(MAX_ENVIRONMENT_BYTES).read_to_end(into).is_ok()
}

/// The value of a variable, where it is text.
fn value<'a>(environment: &'a [u8], variable: &str) -> Option<&'a str> {
    let mut entries = environment.split(|byte| *byte == 0);
    let value = entries.find_map(|entry| entry.strip_prefix(variable.as_bytes())?.strip_prefix(b"="))?;
    std::str::from_utf8(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let check = |text: &[u8], expected| assert_eq!(value(text, "ID"), expected);
        check(b"A=1\0ID=a=b\0Z=2\0", Some("a=b"));
        check(b"IDS=1\0MY_ID=2\0", None);
        check(b"ID=\0", Some(""));
        check(b"ID=\xff\0", None);
        check(b"", None);
    }
}

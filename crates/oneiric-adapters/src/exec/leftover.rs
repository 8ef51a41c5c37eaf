//! What an earlier try of the same call left running when its orchestrator was killed.
//!
//! A process that is killed cannot kill its children. The idempotency key is in their environment, so
//! that the next try of the same node on the same input finds them, whoever started them, and ends
//! them before it begins: two tries of one call never work side by side.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::{Pid, getpgid, getpgrp};
use oneiric_core::Fault;
use oneiric_core::roles::TaskContext;

use super::Program;
use super::variables::IDEMPOTENCY_KEY;

/// How long a killed process may take to be gone: one in the middle of a system call is gone when that
/// returns.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often it is looked for.
const GLANCE: Duration = Duration::from_millis(5);

/// Ends what earlier tries left running. A first try has none, and costs nothing.
///
/// # Errors
/// Transient where something is still there after having been killed.
pub(super) async fn end(program: &Program, cx: &TaskContext<'_>) -> Result<(), Fault> {
    if cx.attempt == 1 {
        return Ok(());
    }
    let entry = format!("{IDEMPOTENCY_KEY}={}", cx.idempotency_key());
    let mut waited = Duration::ZERO;
    loop {
        let entry = entry.clone();
        let found = tokio::task::spawn_blocking(move || kill_all(&entry)).await.unwrap_or(0);
        if found == 0 {
            return Ok(());
        }
        if waited >= PATIENCE {
            let message =
                format!("`{}`: {found} process(es) of an earlier try do not end", program.launch.name);
            return Err(Fault::transient("leftover", message));
        }
        program.clock.sleep(GLANCE).await;
        waited += GLANCE;
    }
}

/// Kills every process that has `entry` in its environment, with its group; returns how many there
/// were. Where there is no `/proc` there is nothing to find.
fn kill_all(entry: &str) -> usize {
    let Ok(processes) = fs::read_dir("/proc") else { return 0 };
    let (me, ours) = (Pid::this(), getpgrp());
    let numbers = processes.filter_map(|process| process.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let mut found = 0;
    for pid in numbers.map(Pid::from_raw).filter(|pid| *pid != me && has(*pid, entry)) {
        found += 1;
        // Gone in the meantime is what was wanted.
        let _ = match getpgid(Some(pid)) {
            Ok(group) if group != ours => killpg(group, Signal::SIGKILL),
            _ => kill(pid, Signal::SIGKILL),
        };
    }
    found
}

/// Whether a process has `entry` in its environment; one that has ended, or is not ours, has none.
fn has(pid: Pid, entry: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ"))
        .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|found| found == entry.as_bytes()))
}

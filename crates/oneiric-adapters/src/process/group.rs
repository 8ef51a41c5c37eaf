//! A child process that leads a process group, which does not outlive this value.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::children;
use super::reaper::Reaper;

/// The process group of one call, one worker or one service. Dropping it kills the group at once and has the child reaped.
///
/// The group is addressed by the child's number, which stays taken as long as the child is not reaped
/// or the group has a member. Only between the end of both and [`Group::kill`] could it name somebody
/// else's group, and that is why a call kills right after it reaped: numbers are handed out in a circle,
/// so that one comes round only after all others were used.
pub(crate) struct Group {
    child: Option<Child>,
    id: Pid,
    killed: bool,
    reaper: Arc<Reaper>,
}

/// The ends of the child's three streams.
pub(crate) struct Pipes {
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

impl Group {
    /// Starts the command with pipes for its streams.
    ///
    /// # Errors
    /// Whatever starting it met.
    pub(crate) fn spawn(command: Command, reaper: Arc<Reaper>) -> io::Result<(Self, Pipes)> {
        let (mut group, (stdout, stderr)) = Self::start(command, Stdio::piped(), reaper)?;
        let stdin = group.child.as_mut().and_then(|child| child.stdin.take()).ok_or_else(missing)?;
        Ok((group, Pipes { stdin, stdout, stderr }))
    }

    /// Starts the command with nothing to read, and pipes for what it writes.
    ///
    /// # Errors
    /// Whatever starting it met.
    #[cfg(any(feature = "service", feature = "probe"))]
    pub(crate) fn spawn_without_input(
        command: Command,
        reaper: Arc<Reaper>,
    ) -> io::Result<(Self, (ChildStdout, ChildStderr))> {
        Self::start(command, Stdio::null(), reaper)
    }

    fn start(
        mut command: Command,
        stdin: Stdio,
        reaper: Arc<Reaper>,
    ) -> io::Result<(Self, (ChildStdout, ChildStderr))> {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Kill-on-drop covers the child alone, and only where the reaper cannot take it.
        command.process_group(0).kill_on_drop(true);
        let mut child = children::spawn(&mut command)?;
        let id = child.id().and_then(|id| i32::try_from(id).ok()).ok_or_else(missing)?;
        let streams = (child.stdout.take(), child.stderr.take());
        let group = Self { child: Some(child), id: Pid::from_raw(id), killed: false, reaper };
        let (Some(stdout), Some(stderr)) = streams else { return Err(missing()) };
        Ok((group, (stdout, stderr)))
    }

    /// The number of its first process, which is that of the group.
    #[cfg(feature = "service")]
    pub(crate) fn id(&self) -> u32 {
        self.id.as_raw().unsigned_abs()
    }

    /// Waits until the child exits and reaps it. Safe to drop and to call again.
    ///
    /// # Errors
    /// Where somebody else reaped the child.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.as_mut().expect("the child is taken only on drop").wait().await?;
        children::reaped(self.id);
        Ok(status)
    }

    /// Asks every process of the group to stop.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Kills what is left of the group. Once is enough: a killed process starts no other.
    pub(crate) fn kill(&mut self) {
        if !std::mem::replace(&mut self.killed, true) {
            self.signal(Signal::SIGKILL);
        }
    }

    /// Whether no process of the group is left.
    #[cfg(feature = "exec")]
    pub(crate) fn is_empty(&self) -> bool {
        killpg(self.id, None).is_err()
    }

    /// Sends a signal to every process of the group.
    pub(crate) fn signal(&self, signal: Signal) {
        // The one error there is: no such group, which is what a signal to it was meant to achieve.
        let _ = killpg(self.id, signal);
    }
}

fn missing() -> io::Error {
    io::Error::other("a new child has no number or no pipes")
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        if let Some(child) = self.child.take()
            && child.id().is_some()
        {
            self.reaper.adopt(child);
        }
    }
}

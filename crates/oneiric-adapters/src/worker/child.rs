//! One worker process: started, spoken to, ended. What it says is understood by [`super::owner`].

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd;
use oneiric_core::{Clock, Fault};
use tokio::net::unix::pipe;

use super::Spec;
use super::message;
use super::outbox::Outbox;
use super::reader::Reader;
use crate::Limits;
use crate::process::group::{Group, Pipes};
use crate::process::lines::Lines;
use crate::process::spawning::refused;
use crate::process::status::End;

/// How much of standard error is read at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// How much of it is read at once where there is most likely nothing.
const GLANCE_BYTES: usize = 1024;

/// How long the rest of the streams is waited for once the process is killed. It is there at once, except
/// where a descendant that left the group holds them open.
const DRAIN: Duration = Duration::from_secs(1);

/// A running worker process.
pub(super) struct Child {
    group: Group,
    pub(super) outbox: Arc<Outbox>,
    stdout: pipe::Receiver,
    pub(super) lines: Reader,
    stderr: Option<pipe::Receiver>,
    errors: Lines,
    reads: bool,
}

/// What happened to a process.
#[derive(Debug)]
pub(super) enum Moved {
    /// It wrote to its standard output, or to its standard error.
    Wrote,
    /// It closed its standard output.
    Closed,
    /// It exited.
    Exited(ExitStatus),
    /// The runtime is being dropped, or the system does not know the process any more.
    Lost(io::Error),
}

impl Child {
    /// Starts it and greets it.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub(super) fn start(spec: &Spec) -> Result<Self, Fault> {
        let fail = |error: io::Error| refused(&spec.name, &error);
        let (group, pipes) = Group::spawn(spec.launch.command()?, spec.reaper.clone()).map_err(fail)?;
        let Pipes { stdin, stdout, stderr } = pipes;
        let outbox = stdin.into_owned_fd().and_then(pipe::Sender::from_owned_fd).map_err(fail)?;
        let stdout = stdout.into_owned_fd().and_then(pipe::Receiver::from_owned_fd).map_err(fail)?;
        let stderr = stderr.into_owned_fd().and_then(pipe::Receiver::from_owned_fd).map_err(fail)?;
        let outbox = Arc::new(Outbox::new(outbox));
        outbox.send(&spec.hello);
        // The budget is that of each call; what belongs to none is not kept.
        let endless = Limits { log_bytes: usize::MAX, ..spec.limits };
        let lines = Reader::new(message::most_bytes(spec.limits));
        Ok(Self {
            group,
            outbox,
            stdout,
            lines,
            stderr: Some(stderr),
            errors: Lines::new(endless),
            reads: true,
        })
    }

    /// Waits until it says something or ends. Lines of standard error go to `log`. Safe to drop.
    pub(super) async fn moved(&mut self, log: &mut impl FnMut(&str)) -> Moved {
        loop {
            tokio::select! {
                biased;
                read = self.lines.fill(&mut self.stdout) => return match read {
                    Ok(0) => Moved::Closed,
                    Ok(_) => Moved::Wrote,
                    Err(error) => Moved::Lost(error),
                },
                ready = readable(self.stderr.as_ref()) => {
                    self.read_errors(ready, log);
                    return Moved::Wrote;
                }
                status = self.group.wait() => {
                    return status.map_or_else(Moved::Lost, Moved::Exited);
                }
                _ = self.outbox.flush(), if self.reads => self.reads = false,
            }
        }
    }

    fn read_errors(&mut self, ready: io::Result<()>, log: &mut impl FnMut(&str)) {
        let Some(stderr) = &self.stderr else { return };
        let mut chunk = [0; CHUNK_BYTES];
        match ready.and_then(|()| stderr.try_read(&mut chunk)) {
            Ok(0) => self.stderr = None,
            Ok(read) => self.errors.push(&chunk[..read], log),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.stderr = None,
        }
    }

    /// Takes what is in standard error at this moment. It was written before whatever was read from
    /// standard output, and tokio may not have heard of it yet: hence the bare system call.
    pub(super) fn catch_up(&mut self, log: &mut impl FnMut(&str)) {
        let Some(stderr) = &self.stderr else { return };
        let mut chunk = [0; GLANCE_BYTES];
        while let Ok(read @ 1..) = unistd::read(stderr, &mut chunk) {
            self.errors.push(&chunk[..read], log);
        }
    }

    /// Takes what is left on standard error as a line, although its end has not been written.
    pub(super) fn end_line(&mut self, log: &mut impl FnMut(&str)) {
        self.errors.finish(log);
    }

    /// Takes what is in standard output at this moment, after the process has exited.
    pub(super) fn take_rest(&mut self) -> bool {
        self.lines.fill_now(&self.stdout)
    }

    /// Waits for its exit; `None` where the system does not know the process any more.
    pub(super) async fn exited(&mut self) -> Option<ExitStatus> {
        self.group.wait().await.ok()
    }

    /// The last line on standard error that was not blank.
    pub(super) fn last_line(&self) -> &str {
        self.errors.last()
    }

    /// Asks it to end, first in words, then with SIGTERM.
    pub(super) async fn stop(&mut self, grace: Duration, clock: &dyn Clock, log: &mut impl FnMut(&str)) {
        self.outbox.send(message::STOP);
        for terminate in [false, true] {
            if terminate {
                self.group.terminate();
            }
            let mut over = clock.sleep(grace / 2);
            loop {
                tokio::select! {
                    biased;
                    moved = self.moved(log) => match moved {
                        // What it says to its end interests nobody.
                        Moved::Wrote => while self.lines.line().is_some() {},
                        Moved::Closed => {
                            tokio::select! {
                                biased;
                                _ = self.group.wait() => return,
                                () = &mut over => break,
                            }
                        }
                        Moved::Exited(_) | Moved::Lost(_) => return,
                    },
                    () = &mut over => break,
                }
            }
        }
    }

    /// Kills whatever is left of its group and waits for its end.
    pub(super) async fn end(&mut self, clock: &dyn Clock, log: &mut impl FnMut(&str)) -> Option<End> {
        self.group.kill();
        let mut over = clock.sleep(DRAIN);
        let status = tokio::select! {
            biased;
            status = self.group.wait() => status.ok(),
            () = &mut over => None,
        };
        while self.stderr.is_some() {
            tokio::select! {
                biased;
                ready = readable(self.stderr.as_ref()) => self.read_errors(ready, log),
                () = &mut over => break,
            }
        }
        self.errors.finish(log);
        status.map(End::from)
    }
}

/// Completes when there is something to read; never where the stream has ended.
async fn readable(pipe: Option<&pipe::Receiver>) -> io::Result<()> {
    match pipe {
        Some(pipe) => pipe.readable().await,
        None => std::future::pending().await,
    }
}

//! `start`, `stop` and `process-status`: a long-lived process in the background, which holds a locked file for as long
//! as it lives.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, setsid};
use oneiric_core::environment::names;
use oneiric_core::{Clock as _, Environment as _, Rng as _};
use oneiric_runtime::{SystemClock, SystemEnvironment, SystemRng};
use serde::Serialize;

use super::orchestrate;
use crate::args::{ProcessStatusArgs, StartArgs, StopArgs};
use crate::exit::Code;
use crate::failure::Failure;
use crate::output::text::clean;
use crate::pidfile::{Holder, PidFile, PidFileError};
use crate::session::Session;

/// In the state folder.
const PID_FILE: &str = "orchestrator.pid";

/// In the state folder.
const LOG_FILE: &str = "orchestrator.log";

/// How often a process is looked at that is on its way up or down.
const LOOK: Duration = Duration::from_millis(20);

/// How long a process that did not come up may take to go down again.
const TAKEN_BACK: Duration = Duration::from_secs(15);

/// How long a process that was killed may take to be gone.
const KILLED: Duration = Duration::from_secs(5);

/// How much of the log is told where a process did not come up, in bytes.
const TAIL: u64 = 2000;

/// Upstream's fields: `{"running":true,"pid":4711,"pid_file":".oneiric_cache/orchestrator.pid","pid_file_exists":true}`.
#[derive(Debug, Serialize)]
struct Standing {
    running: bool,
    pid: Option<u32>,
    pid_file: PathBuf,
    pid_file_exists: bool,
}

impl Standing {
    fn of(path: &Path) -> Result<Self, Failure> {
        let holder = PidFile::holder(path).map_err(said)?;
        Ok(Self {
            running: holder.is_some(),
            pid: holder.map(|holder| holder.pid),
            pid_file: path.to_owned(),
            pid_file_exists: path.exists(),
        })
    }
}

fn said(error: PidFileError) -> Failure {
    let code = match error {
        PidFileError::Held { .. } => Code::Execution,
        PidFileError::Io { .. } => Code::Configuration,
    };
    let failure = Failure::said(code, error.to_string());
    if code == Code::Execution { failure.help("`oneiric stop` stops it") } else { failure }
}

/// Whether this process is the one that `start` started.
pub(crate) fn is_background() -> bool {
    SystemEnvironment.get(names::BACKGROUND).is_some_and(|said| said == "1")
}

fn pid_file(session: &Session, said: Option<&Path>) -> Result<PathBuf, Failure> {
    Ok(match said {
        Some(path) => path.to_owned(),
        None => session.state_dir()?.join(PID_FILE),
    })
}

/// Starts it, and waits until it takes work; or is the process that was started.
pub(super) fn start(session: &mut Session, args: &StartArgs) -> Result<Code, Failure> {
    if is_background() {
        // It leaves the terminal of whoever started it. A leader of a group, which it is not, could not.
        let _ = setsid();
        return orchestrate::orchestrate(session, &args.orchestrate);
    }
    session.say(args.orchestrate.settings());
    if !args.orchestrate.serves() {
        let message = "`start` starts a process that stays; looking and trying are for `orchestrate`";
        return Err(Failure::said(Code::Configuration, message));
    }
    let state_dir = session.state_dir()?;
    let path = pid_file(session, args.orchestrate.pid_file.as_deref())?;
    if let Some(holder) = PidFile::holder(&path).map_err(said)? {
        return Err(said(PidFileError::Held { path, holder: Some(holder) }));
    }
    let log = args.log_file.clone().unwrap_or_else(|| state_dir.join(LOG_FILE));
    let (file, from) = open(&log).map_err(|error| {
        Failure::said(Code::Configuration, format!("cannot write the log {}: {error}", log.display()))
    })?;
    let mut launch = Launch::new(file, &path).map_err(cannot)?;
    match launch.wait(args.wait).map_err(cannot)? {
        Came::Up => {
            let standing = Standing::of(&path)?;
            let pid = launch.child.id();
            session.screen.emit(&standing, |screen| {
                writeln!(
                    screen,
                    "oneiric takes work (pid {pid}); its log is {}",
                    clean(&log.display().to_string())
                )
            })?;
            Ok(Code::Ok)
        }
        Came::Down(code) => Err(Failure::said(code, format!("it ended at once: {}", tail(&log, from)))
            .help(format!("the whole log is {}", log.display()))),
        Came::Late => {
            let seconds = args.wait.as_secs_f64();
            Err(Failure::said(
                Code::Execution,
                format!("it took no work within {seconds} s, and was stopped again"),
            )
            .help(format!("its log is {}; `--wait SECONDS` gives it more time", log.display())))
        }
    }
}

fn cannot(error: io::Error) -> Failure {
    Failure::said(Code::Execution, format!("cannot start a process: {error}"))
}

/// The log, and where what is written from now on begins.
fn open(log: &Path) -> io::Result<(File, u64)> {
    if let Some(folder) = log.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().create(true).append(true).open(log)?;
    let from = file.metadata()?.len();
    Ok((file, from))
}

/// The last that a process said, on one line.
fn tail(log: &Path, from: u64) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(from.max(end.saturating_sub(TAIL))))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { "it said nothing".to_owned() } else { lines.join(" / ") }
}

/// How a process came up.
enum Came {
    Up,
    /// It ended before, with this code.
    Down(Code),
    /// It did neither in time, and was taken back.
    Late,
}

/// A process on its way up.
struct Launch {
    child: Child,
    heard: UnixDatagram,
}

impl Launch {
    fn new(log: File, pid_file: &Path) -> io::Result<Self> {
        // A name that no file has, and that goes with this process: `unix(7)`, abstract.
        let name = format!("oneiric-start-{}-{:016x}", std::process::id(), SystemRng.next_u64());
        let heard = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        heard.set_read_timeout(Some(LOOK))?;
        let errors = log.try_clone()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(std::env::args_os().skip(1));
        if !std::env::args_os().any(|arg| is_pid_file(&arg)) {
            command.arg("--pid-file").arg(pid_file);
        }
        command.env(names::BACKGROUND, "1").env(names::NOTIFY_SOCKET, format!("@{name}"));
        command.env_remove(names::WATCHDOG_USEC);
        let child = command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn()?;
        Ok(Self { child, heard })
    }

    /// Waits until it says that it is ready, or ends, at most for `limit`.
    fn wait(&mut self, limit: Duration) -> io::Result<Came> {
        let clock = SystemClock::default();
        while clock.monotonic() < limit {
            let mut bytes = [0; 512];
            match self.heard.recv(&mut bytes) {
                Ok(count) if bytes[..count].starts_with(b"READY=1") => return Ok(Came::Up),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                Err(error) => return Err(error),
            }
            if let Some(status) = self.child.try_wait()? {
                let code = status.code().and_then(|code| u8::try_from(code).ok());
                return Ok(Came::Down(code.and_then(Code::numbered).unwrap_or(Code::Execution)));
            }
        }
        let pid = self.child.id();
        signal(pid, Signal::SIGTERM);
        let mut gone = false;
        until(TAKEN_BACK, || {
            gone = matches!(self.child.try_wait(), Ok(Some(_)));
            gone
        });
        if !gone {
            self.child.kill()?;
            self.child.wait()?;
        }
        Ok(Came::Late)
    }
}

fn is_pid_file(arg: &OsStr) -> bool {
    arg == "--pid-file" || arg.as_encoded_bytes().starts_with(b"--pid-file=")
}

/// Looks again and again until `seen` says so, at most for `limit`.
fn until(limit: Duration, mut seen: impl FnMut() -> bool) -> bool {
    let clock = SystemClock::default();
    loop {
        if seen() {
            return true;
        }
        if clock.monotonic() >= limit {
            return false;
        }
        std::thread::sleep(LOOK);
    }
}

/// Whether the signal was sent; where there is no such process, nobody was told.
fn signal(pid: u32, signal: Signal) -> bool {
    kill(Pid::from_raw(pid.cast_signed()), signal) != Err(Errno::ESRCH)
}

/// How it was stopped: `{"stopped":true,"pid":4711,"killed":false,"pid_file":"..."}`.
#[derive(Debug, Serialize)]
struct Stopped {
    /// Whether there was one.
    stopped: bool,
    pid: Option<u32>,
    /// Whether it had to be killed.
    killed: bool,
    pid_file: PathBuf,
}

/// Stops it.
pub(super) fn stop(session: &mut Session, args: &StopArgs) -> Result<Code, Failure> {
    let path = pid_file(session, args.pid_file.as_deref())?;
    let holder = PidFile::holder(&path).map_err(said)?;
    let killed = holder.map(|holder| end(holder, args.wait)).transpose()?.unwrap_or(false);
    let pid = holder.map(|holder| holder.pid);
    let stopped = Stopped { stopped: holder.is_some(), pid, killed, pid_file: path };
    session.screen.emit(&stopped, |screen| match (pid, killed) {
        (None, _) => writeln!(screen, "nothing runs"),
        (Some(pid), false) => writeln!(screen, "stopped (pid {pid})"),
        (Some(pid), true) => writeln!(screen, "killed (pid {pid}): it did not stop in time"),
    })?;
    Ok(Code::Ok)
}

/// Ends a process; whether it had to be killed.
fn end(holder: Holder, wait: Duration) -> Result<bool, Failure> {
    let not_ours = |error: Errno| {
        Failure::said(Code::Security, format!("cannot stop the process {}: {error}", holder.pid))
    };
    let send = |signal| match kill(Pid::from_raw(holder.pid.cast_signed()), signal) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(not_ours(error)),
    };
    send(Signal::SIGTERM)?;
    if until(wait, || !holder.is_there()) {
        return Ok(false);
    }
    send(Signal::SIGKILL)?;
    if until(KILLED, || !holder.is_there()) {
        return Ok(true);
    }
    Err(Failure::said(Code::Execution, format!("the process {} was killed, and is still there", holder.pid)))
}

/// Shows whether it is there.
pub(super) fn status(session: &mut Session, args: &ProcessStatusArgs) -> Result<Code, Failure> {
    let path = pid_file(session, args.pid_file.as_deref())?;
    let standing = Standing::of(&path)?;
    session.screen.emit(&standing, |screen| {
        let path = clean(&standing.pid_file.display().to_string());
        match standing.pid {
            Some(pid) => writeln!(screen, "running (pid {pid}), holds {path}"),
            None if standing.pid_file_exists => {
                writeln!(screen, "not running; {path} is what a dead process left")
            }
            None => writeln!(screen, "not running"),
        }
    })?;
    Ok(Code::Ok)
}

//! `metadata.process`: what is its own beside how a program is started.

use std::time::Duration;

use nix::sys::signal::Signal;
use oneiric_core::Fault;

use super::ready::Pattern;
use crate::foreign::Section;
use crate::process::launch;

/// Every key of the section.
pub(super) const KEYS: [&str; 9] = {
    let [args, cwd, env, memory] = launch::KEYS;
    [args, cwd, env, memory, "kill_after", "notify", "ready_line", "stop_signal", "success_codes"]
};

/// The signals that may ask a program to stop, by their names without `SIG`.
const SIGNALS: [(&str, Signal); 7] = [
    ("TERM", Signal::SIGTERM),
    ("INT", Signal::SIGINT),
    ("QUIT", Signal::SIGQUIT),
    ("HUP", Signal::SIGHUP),
    ("USR1", Signal::SIGUSR1),
    ("USR2", Signal::SIGUSR2),
    ("KILL", Signal::SIGKILL),
];

/// The longest time that a service may say anywhere: a day.
const LONGEST: Duration = Duration::from_secs(86_400);

/// What an entry says of the life of its program.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) stop_signal: Signal,
    /// From the signal to the kill; `None` where it is whoever runs the service who loses patience.
    pub(super) kill_after: Option<Duration>,
    /// The exit codes that are an end in order.
    pub(super) success_codes: Vec<i32>,
    /// What a line has that says it is ready.
    pub(super) ready_line: Option<Pattern>,
    /// Whether it says so through a socket.
    pub(super) notify: bool,
}

impl Settings {
    /// Reads them.
    ///
    /// # Errors
    /// Permanent, names the key and what it may hold.
    pub(super) fn read(section: &Section) -> Result<Self, Fault> {
        let codes = section.counts("success_codes", 0..=255)?;
        let pattern = section.text("ready_line")?.map(|text| Pattern::read(&text)).transpose();
        Ok(Self {
            stop_signal: signal(section)?,
            kill_after: section.seconds("kill_after", LONGEST)?,
            success_codes: codes.map_or(vec![0], |codes| codes.into_iter().map(u32::cast_signed).collect()),
            ready_line: pattern.map_err(|why| section.wrong("ready_line", &why))?,
            notify: section.flag("notify")?.unwrap_or(false),
        })
    }

    /// Whether the program is one that says when it is ready.
    pub(super) fn says_ready(&self) -> bool {
        self.notify || self.ready_line.is_some()
    }
}

/// `TERM` and `SIGTERM` alike.
fn signal(section: &Section) -> Result<Signal, Fault> {
    let Some(name) = section.text("stop_signal")? else { return Ok(Signal::SIGTERM) };
    let bare = name.strip_prefix("SIG").unwrap_or(&name);
    SIGNALS.iter().find(|(known, _)| *known == bare).map(|(_, signal)| *signal).ok_or_else(|| {
        let known = SIGNALS.map(|(known, _)| known).join(", ");
        section.wrong("stop_signal", &format!("is `{name}`; allowed are {known}"))
    })
}

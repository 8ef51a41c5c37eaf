//! Keeps the terminal from writing `^C` into the rows: it would wrap behind the last one, and what is
//! drawn next would be a row off.

use std::io::{self, IsTerminal as _};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{getpgrp, tcgetpgrp};

/// The terminal does not show control characters until this is dropped.
#[derive(Debug)]
pub(super) struct Quiet(Termios);

impl Quiet {
    /// `None` where there is no terminal, or another job has it: then the keys are not for us, and
    /// touching it would stop this process.
    pub(super) fn begin() -> Option<Self> {
        let stdin = io::stdin();
        if !stdin.is_terminal() || tcgetpgrp(&stdin).ok()? != getpgrp() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHOCTL);
        tcsetattr(&stdin, SetArg::TCSANOW, &quiet).ok()?;
        Some(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let stdin = io::stdin();
        if tcgetpgrp(&stdin).is_ok_and(|group| group == getpgrp()) {
            // What cannot be put back is a `^C` that is not shown.
            let _ = tcsetattr(&stdin, SetArg::TCSANOW, &self.0);
        }
    }
}

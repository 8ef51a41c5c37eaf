//! What the end of a process means, as one plain function.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use nix::sys::signal::Signal;
use oneiric_core::{Class, Fault};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It exited with this code, 0 to 255.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => End::Code(code),
            (None, signal) => End::Signal(signal.unwrap_or(0)),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Code(code) => write!(f, "exited with {code}"),
            End::Signal(number) => write!(f, "was killed by {}", signal_name(*number)),
        }
    }
}

/// Judges the end of `program` by the table in [`crate::exec`]; `last_line` is the last line it wrote to standard
/// error that is not blank.
///
/// # Errors
/// The fault, with the code `exit-code` or `signal`.
pub(crate) fn judge(program: &str, end: End, last_line: &str) -> Result<(), Fault> {
    let (class, code) = match end {
        End::Code(0) => return Ok(()),
        End::Code(64 | 65 | 78 | 126 | 127) => (Class::Permanent, "exit-code"),
        End::Code(77) => (Class::Denied, "exit-code"),
        End::Code(_) => (Class::Transient, "exit-code"),
        End::Signal(_) => (Class::Transient, "signal"),
    };
    let detail = if last_line.is_empty() { String::new() } else { format!(": {last_line}") };
    Err(Fault::new(class, code, format!("`{program}` {end}{detail}")))
}

fn signal_name(number: i32) -> String {
    match Signal::try_from(number) {
        Ok(signal) => signal.as_str().to_owned(),
        Err(_) => format!("signal {number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_decides_whether_to_try_again() {
        let check = |end, last_line, expected: Option<(Class, &str, &str)>| {
            let found = judge("p", end, last_line).err();
            let found = found.as_ref().map(|f| (f.class, f.code.as_str(), f.message.as_str()));
            assert_eq!(found, expected, "{end:?}");
        };
        check(End::Code(0), "a warning", None);
        check(End::Code(1), "", Some((Class::Transient, "exit-code", "`p` exited with 1")));
        check(End::Code(3), "boom", Some((Class::Transient, "exit-code", "`p` exited with 3: boom")));
        check(End::Code(64), "", Some((Class::Permanent, "exit-code", "`p` exited with 64")));
        check(End::Code(65), "", Some((Class::Permanent, "exit-code", "`p` exited with 65")));
        check(End::Code(69), "", Some((Class::Transient, "exit-code", "`p` exited with 69")));
        check(End::Code(75), "", Some((Class::Transient, "exit-code", "`p` exited with 75")));
        check(End::Code(77), "", Some((Class::Denied, "exit-code", "`p` exited with 77")));
        check(End::Code(78), "", Some((Class::Permanent, "exit-code", "`p` exited with 78")));
        check(End::Code(126), "", Some((Class::Permanent, "exit-code", "`p` exited with 126")));
        check(End::Code(127), "", Some((Class::Permanent, "exit-code", "`p` exited with 127")));
        check(End::Code(137), "", Some((Class::Transient, "exit-code", "`p` exited with 137")));
        check(End::Signal(9), "", Some((Class::Transient, "signal", "`p` was killed by SIGKILL")));
        check(End::Signal(11), "oh", Some((Class::Transient, "signal", "`p` was killed by SIGSEGV: oh")));
        check(End::Signal(40), "", Some((Class::Transient, "signal", "`p` was killed by signal 40")));
    }
}

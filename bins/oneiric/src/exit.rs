//! The one table of exit codes (decision 6).

use std::process::ExitCode;

use oneiric_runtime::Kind;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// Everything that was asked for happened.
    Ok,
    /// Work failed, was cancelled, waits for a person, or was refused.
    Execution,
    /// A flag, a file or a database is not as it must be.
    Configuration,
    /// Something named is not known.
    Resolution,
    /// A peer broke a protocol.
    Protocol,
    /// Something is not allowed.
    Security,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl Code {
    /// The number that the shell sees.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Code::Ok => 0,
            Code::Execution => 1,
            Code::Configuration => 2,
            Code::Resolution => 3,
            Code::Protocol => 4,
            Code::Security => 5,
            Code::Interrupted => 130,
            Code::Terminated => 143,
        }
    }

    /// The code with a number, as another process of this program ended with it.
    pub(crate) fn numbered(number: u8) -> Option<Self> {
        let all = [
            Code::Ok,
            Code::Execution,
            Code::Configuration,
            Code::Resolution,
            Code::Protocol,
            Code::Security,
        ];
        all.into_iter().chain([Code::Interrupted, Code::Terminated]).find(|code| code.number() == number)
    }

    /// The word in error objects.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Code::Ok => "ok",
            Code::Execution => "execution",
            Code::Configuration => "configuration",
            Code::Resolution => "resolution",
            Code::Protocol => "protocol",
            Code::Security => "security",
            Code::Interrupted => "interrupted",
            Code::Terminated => "terminated",
        }
    }

    /// The more specific of two: 5 before 4 before 3 before 2 before 1 before 0, signals before all.
    pub(crate) fn worst(self, other: Code) -> Code {
        if other.number() > self.number() { other } else { self }
    }
}

impl From<Kind> for Code {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Execution => Code::Execution,
            Kind::Configuration => Code::Configuration,
            Kind::Resolution => Code::Resolution,
            Kind::Security => Code::Security,
        }
    }
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        ExitCode::from(code.number())
    }
}

/// The table as `--help` shows it.
pub(crate) const HELP: &str = "\
Exit codes:
  0    everything that was asked for happened
  1    work failed, was cancelled or refused, or waits for a person
  2    a flag, a file or the database is not as it must be
  3    something named is unknown: a component, a task, a run
  4    a peer broke a protocol
  5    something is not allowed, such as a factory outside of the allowlist
  130  interrupted (SIGINT); 143 terminated (SIGTERM): runs can be resumed";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_in_the_help() {
        let all = [
            Code::Ok,
            Code::Execution,
            Code::Configuration,
            Code::Resolution,
            Code::Protocol,
            Code::Security,
            Code::Interrupted,
            Code::Terminated,
        ];
        for code in all {
            assert!(HELP.contains(&code.number().to_string()), "{}", code.name());
        }
    }

    #[test]
    fn the_most_specific_code_wins() {
        let check = |a: Code, b: Code, expected: Code| {
            assert_eq!(a.worst(b), expected);
            assert_eq!(b.worst(a), expected);
        };
        check(Code::Ok, Code::Execution, Code::Execution);
        check(Code::Resolution, Code::Configuration, Code::Resolution);
        check(Code::Security, Code::Execution, Code::Security);
        check(Code::Security, Code::Interrupted, Code::Interrupted);
    }
}

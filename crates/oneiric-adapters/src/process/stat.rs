//! `/proc/PID/stat`: what the kernel says of a process. The line is parsed purely, reading it is one function.

use std::fs;

use super::sweep::processes;

/// What is used of it; see `proc_pid_stat(5)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) pid: i32,
    /// `R`, `S`, `D`, `Z`, ...
    pub(crate) state: char,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    /// User and system time in clock ticks.
    pub(crate) ticks: u64,
    pub(crate) threads: u32,
    /// When it started, in clock ticks since the machine did.
    pub(crate) started: u64,
    /// Resident memory in pages.
    pub(crate) pages: u64,
}

impl Stat {
    /// Reads one line; `None` where it is something else.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        // The name may hold anything, also blanks and parentheses: the last one ends it.
        let (head, rest) = line.rsplit_once(')')?;
        let pid = head.split_once(' ')?.0.parse().ok()?;
        // The first of these is the third of the manual.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |manual: usize| fields.get(manual - 3)?.parse::<u64>().ok();
        Some(Self {
            pid,
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            ticks: number(14)?.saturating_add(number(15)?),
            threads: u32::try_from(number(20)?).ok()?,
            started: number(22)?,
            pages: number(24)?,
        })
    }

    /// That of a process; `None` where there is none, or no `/proc`.
    pub(crate) fn of(pid: i32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Those of all processes, as far as `/proc` shows them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        processes().filter_map(Self::of)
    }

    /// Whether it has ended, and only waits to be reaped.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whatever_the_program_is_called() {
        let line = "4711 (a) R (b c) S 1 4700 4700 0 -1 4194304 1 0 0 0 12 30 7 8 20 0 9 0 990 10000000 250 \
                    18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 3 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
        let expected = Stat {
            pid: 4711,
            state: 'S',
            parent: 1,
            group: 4700,
            ticks: 42,
            threads: 9,
            started: 990,
            pages: 250,
        };
        assert_eq!(Stat::parse(line), Some(expected));
        for wrong in ["", "4711", "x (a) S 1", "1 (a) S 1 2 3", ")"] {
            assert_eq!(Stat::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_kernel_writes_what_is_read_here() {
        let me = i32::try_from(std::process::id()).unwrap();
        let found = Stat::of(me).unwrap();
        assert!(found.pid == me && found.threads >= 1 && found.pages > 0 && !found.has_ended(), "{found:?}");
        assert!(Stat::all().any(|process| process.pid == me));
        assert_eq!(Stat::of(-1), None);
    }
}

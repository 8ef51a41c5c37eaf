//! What a group of processes takes of the machine, from `/proc`.

use std::fs;

use nix::unistd::{SysconfVar, sysconf};
use oneiric_core::roles::Figures;

use crate::process::stat::Stat;

/// Those of the group whose first process has this number; `None` where nothing of it is left. Reads a line for each
/// process of the machine.
pub(super) fn of_group(pid: u32) -> Option<Figures> {
    let group = i32::try_from(pid).ok()?;
    let unit = |variable| sysconf(variable).ok().flatten().and_then(|value| u64::try_from(value).ok());
    let units =
        Units { ticks_per_second: unit(SysconfVar::CLK_TCK)?, page_bytes: unit(SysconfVar::PAGE_SIZE)? };
    let files = fs::read_dir(format!("/proc/{pid}/fd")).ok().map(Iterator::count);
    let open_files = files.and_then(|count| u32::try_from(count).ok());
    sum(pid, Stat::all().filter(|process| process.group == group), units, open_files)
}

struct Units {
    ticks_per_second: u64,
    page_bytes: u64,
}

/// Adds up what lives.
fn sum(
    pid: u32,
    processes: impl Iterator<Item = Stat>,
    units: Units,
    open_files: Option<u32>,
) -> Option<Figures> {
    let (mut count, mut threads, mut pages, mut ticks) = (0, 0, 0, 0);
    for process in processes.filter(|process| !process.has_ended()) {
        count += 1;
        threads += process.threads;
        pages += process.pages;
        ticks += process.ticks;
    }
    #[expect(clippy::cast_precision_loss, reason = "exact for more ticks than a machine lives")]
    let cpu_seconds = ticks as f64 / units.ticks_per_second as f64;
    (count > 0).then_some(Figures {
        pid,
        processes: count,
        threads,
        rss_bytes: pages * units.page_bytes,
        cpu_seconds,
        open_files,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_is_added_up() {
        let one = |state, ticks| Stat {
            pid: 7,
            state,
            parent: 1,
            group: 7,
            ticks,
            threads: 2,
            started: 0,
            pages: 10,
        };
        let units = || Units { ticks_per_second: 100, page_bytes: 4096 };
        let processes = [one('S', 50), one('R', 100), one('Z', 1000)];
        let expected = Figures {
            pid: 7,
            processes: 2,
            threads: 4,
            rss_bytes: 81_920,
            cpu_seconds: 1.5,
            open_files: Some(3),
        };
        assert_eq!(sum(7, processes.into_iter(), units(), Some(3)), Some(expected));
        assert_eq!(sum(7, [one('Z', 1)].into_iter(), units(), None), None);
    }
}

//! How busy the machine is: figures of the kernel, read when somebody asks.

use std::path::Path;

/// Processor time since the machine started, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    busy: u64,
    total: u64,
}

impl Sample {
    /// What the kernel says now; `None` where it has no `/proc`.
    pub(crate) fn take() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/stat").ok()?)
    }

    /// Its first line: `cpu user nice system idle iowait irq softirq steal guest guest_nice`. See proc_stat(5); the
    /// guests stand in `user` and `nice` already.
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line.split_whitespace().take(8).map_while(|tick| tick.parse().ok()).collect();
        let total = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        (ticks.len() >= 4).then_some(Self { busy: total - idle, total })
    }

    /// Percent of the time since `before` in which processors were busy; `None` where no time has passed.
    pub(crate) fn percent_since(self, before: Self) -> Option<f64> {
        let total = self.total.checked_sub(before.total).filter(|total| *total > 0)?;
        Some(percent(self.busy.saturating_sub(before.busy), total))
    }
}

/// Percent of the memory that is taken; `None` where the kernel does not say.
pub(crate) fn memory_percent() -> Option<f64> {
    memory(&std::fs::read_to_string("/proc/meminfo").ok()?)
}

/// `MemTotal:       16316412 kB`, and the same of `MemAvailable`; see proc_meminfo(5).
fn memory(text: &str) -> Option<f64> {
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let (total, available) = (kib("MemTotal")?, kib("MemAvailable")?);
    (total > 0).then(|| percent(total.saturating_sub(available), total))
}

/// Percent of the file system of a folder that is taken; `None` where it cannot be asked.
pub(crate) fn disk_percent(folder: &Path) -> Option<f64> {
    let figures = nix::sys::statvfs::statvfs(folder).ok()?;
    let (blocks, free) = (figures.blocks(), figures.blocks_free());
    (blocks > 0).then(|| percent(blocks.saturating_sub(free), blocks))
}

/// With one digit behind the point.
fn percent(part: u64, whole: u64) -> f64 {
    (part as f64 / whole as f64 * 1000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_the_kernel_become_percent() {
        let before = Sample::parse("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1 2 3\n").unwrap();
        let after = Sample::parse("cpu  150 0 75 900 75 0 0 0 0 0\n").unwrap();
        assert_eq!(after.percent_since(before), Some(37.5));
        assert_eq!(before.percent_since(before), None);
        assert_eq!(Sample::parse("intr 1 2 3"), None);
        assert_eq!(Sample::parse("cpu  1 2"), None);
        assert_eq!(memory("MemTotal:  1000 kB\nMemFree:  10 kB\nMemAvailable:  250 kB\n"), Some(75.0));
        assert_eq!(memory("MemTotal:  1000 kB\n"), None);
        assert!(disk_percent(Path::new("/")).is_some_and(|percent| (0.0..=100.0).contains(&percent)));
        assert_eq!(disk_percent(Path::new("/no/such/folder")), None);
    }
}

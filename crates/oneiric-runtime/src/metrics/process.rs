//! What the process takes of the machine, under Prometheus' conventional names.
//!
//! Read from `/proc`, see proc(5); what is not there is left out.

use std::fs;

use oneiric_core::metrics::{Family, Kind};

use super::number;

/// Clock ticks per second: `sysconf(_SC_CLK_TCK)`, which is 100 on every Linux that this runs on.
const TICKS: f64 = 100.0;

pub(super) fn families() -> Vec<Family> {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (stat, status, boot) = (text("/proc/self/stat"), text("/proc/self/status"), text("/proc/stat"));
    let fds = fs::read_dir("/proc/self/fd").map(|entries| entries.count() as u64).ok();
    let limit = open_limit(&text("/proc/self/limits"));
    of(&stat, &status, &boot)
        .into_iter()
        .chain(fds.map(|fds| ("process_open_fds", Kind::Gauge, "Open file descriptors.", number(fds))))
        .chain(limit.map(|most| ("process_max_fds", Kind::Gauge, "The most file descriptors.", most)))
        .map(|(name, kind, help, value)| Family::new(name, kind, help).of(value))
        .collect()
}

type One = (&'static str, Kind, &'static str, f64);

fn of(stat: &str, status: &str, boot: &str) -> Vec<One> {
    // The name of the program is in brackets and may hold anything; behind it there are numbers only.
    let fields: Vec<_> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().collect();
    // proc(5) counts from 1, and the first here is the third.
    let field = |at: usize| fields.get(at - 3)?.parse::<f64>().ok();
    let cpu = field(14).zip(field(15)).map(|(user, system)| (user + system) / TICKS);
    let booted = boot.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<f64>().ok());
    let started = field(22).zip(booted).map(|(ticks, booted)| booted + ticks / TICKS);
    let resident = status.lines().find_map(|line| {
        let kilobytes = line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim();
        Some(kilobytes.parse::<f64>().ok()? * 1024.0)
    });
    let found = [
        cpu.map(|cpu| {
            ("process_cpu_seconds_total", Kind::Counter, "Processor time, user and system, in seconds.", cpu)
        }),
        started.map(|at| {
            ("process_start_time_seconds", Kind::Gauge, "When the process began, in seconds since 1970.", at)
        }),
        resident
            .map(|bytes| ("process_resident_memory_bytes", Kind::Gauge, "Resident memory, in bytes.", bytes)),
        field(23)
            .map(|bytes| ("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory, in bytes.", bytes)),
        field(20).map(|threads| ("process_threads", Kind::Gauge, "Threads.", threads)),
    ];
    found.into_iter().flatten().collect()
}

fn open_limit(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_is_read_whatever_the_program_is_called() {
        let stat = "4711 (a) b (c) S 1 1 1 0 -1 4194560 1 2 3 4 150 50 7 8 20 0 9 0 1000 40960 77 1 1";
        let found = of(stat, "Name:\ta\nVmRSS:\t    2048 kB\n", "cpu 1\nbtime 1700000000\n");
        let told: Vec<_> = found.iter().map(|(name, _, _, value)| (*name, *value)).collect();
        assert_eq!(
            told,
            [
                ("process_cpu_seconds_total", 2.0),
                ("process_start_time_seconds", 1_700_000_010.0),
                ("process_resident_memory_bytes", 2_097_152.0),
                ("process_virtual_memory_bytes", 40_960.0),
                ("process_threads", 9.0),
            ]
        );
        assert!(of("", "", "").is_empty(), "what is not there is not made up");
        assert_eq!(
            open_limit("Limit  Soft\nMax open files            1024                 4096   files\n"),
            Some(1024.0)
        );
    }
}

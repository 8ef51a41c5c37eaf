//! How many workers there are and how long they may take.

use std::time::Duration;

use oneiric_core::Fault;

use crate::foreign::Section;

/// The keys of a section that say it.
pub(crate) const KEYS: [&str; 7] = [
    "workers",
    "concurrency",
    "waiting",
    "ready_seconds",
    "heartbeat_seconds",
    "grace_seconds",
    "stop_seconds",
];

/// The most processes of one component: a component that needs more is spread over several hosts.
const MAX_WORKERS: u32 = 64;
/// The most calls at once in one process; each holds its input in memory.
const MAX_CONCURRENCY: u32 = 1024;
/// The most calls in line; each holds its input in memory.
const MAX_WAITING: u32 = 100_000;
/// The longest of all times: more is no bound.
const MAX_TIME: Duration = Duration::from_secs(3600);

/// A pool's size and times, where neither the entry nor the provider's settings say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerSettings {
    /// Processes of one component, 1 to 64; started when they are needed. Default: 4.
    pub workers: u32,
    /// Calls at once in one process, 1 to 1,024, as far as the worker announces them. Default: 16.
    pub concurrency: u32,
    /// Calls that may wait for a free place, 0 to 100,000; more are refused as `overloaded`.
    /// Default: 1,000, seconds of work for calls of milliseconds.
    pub waiting: u32,
    /// How long a process may take until it is ready. Default: 10 s.
    pub ready: Duration,
    /// How often an idle process is asked whether it lives, and how long it may take to answer; zero
    /// for never. Default: 30 s.
    pub heartbeat: Duration,
    /// How long a call may go on whose caller has gone (a timeout). Default: 1 s.
    pub grace: Duration,
    /// How long a process may take to end when the component is stopped. Default: 5 s, half of what
    /// most platforms give the whole.
    pub stop: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            workers: 4,
            concurrency: 16,
            waiting: 1000,
            ready: Duration::from_secs(10),
            heartbeat: Duration::from_secs(30),
            grace: Duration::from_secs(1),
            stop: Duration::from_secs(5),
        }
    }
}

impl WorkerSettings {
    /// These, except for what a section says.
    ///
    /// # Errors
    /// What [`Section`] finds wrong.
    pub(crate) fn with(self, section: &Section) -> Result<Self, Fault> {
        Ok(Self {
            workers: section.count("workers", 1..=MAX_WORKERS)?.unwrap_or(self.workers),
            concurrency: section.count("concurrency", 1..=MAX_CONCURRENCY)?.unwrap_or(self.concurrency),
            waiting: section.count("waiting", 0..=MAX_WAITING)?.unwrap_or(self.waiting),
            ready: section.seconds("ready_seconds", MAX_TIME)?.unwrap_or(self.ready),
            heartbeat: section.seconds("heartbeat_seconds", MAX_TIME)?.unwrap_or(self.heartbeat),
            grace: section.seconds("grace_seconds", MAX_TIME)?.unwrap_or(self.grace),
            stop: section.seconds("stop_seconds", MAX_TIME)?.unwrap_or(self.stop),
        })
    }
}

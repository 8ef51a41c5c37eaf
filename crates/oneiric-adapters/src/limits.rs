//! How much of what a component writes is kept.

/// Bounds on the output of one call. The time of a call is bounded by its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of standard output that a result may have; a process that writes more is killed.
    pub stdout_bytes: usize,
    /// Bytes of log lines per stream and call; lines after that are counted and dropped.
    pub log_bytes: usize,
    /// Bytes of one log line; what is longer is cut.
    pub line_bytes: usize,
}

impl Limits {
    /// Results of at most 4 MiB: they travel through the store, where a larger value belongs into a
    /// file or a bucket with its name as the result. Logs of 1 MiB: some ten thousand lines, more than a
    /// person reads. Lines of 8 KiB: one stack frame or one JSON log record.
    pub const STANDARD: Limits =
        Limits { stdout_bytes: 4 * 1024 * 1024, log_bytes: 1024 * 1024, line_bytes: 8 * 1024 };
}

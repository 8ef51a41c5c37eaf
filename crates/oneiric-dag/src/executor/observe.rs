//! Who is told what happens.

use oneiric_core::RunId;
use oneiric_core::roles::{LogSink, Stream, TaskContext};
use oneiric_store::{NodeRecord, RunState};

/// Is told of every change once it is durable, on the task that made it. Must not block.
pub trait Observer: Send + Sync {
    /// A node's row changed.
    fn node(&self, row: &NodeRecord);

    /// The run's row changed.
    fn run(&self, run: RunId, row: &RunState);
}

const _: fn(&dyn Observer) = |_| {};

/// Drops every line that tasks write.
#[derive(Debug)]
pub struct NoLog;

impl LogSink for NoLog {
    fn line(&self, _: &TaskContext<'_>, _: Stream, _: &str) {}
}

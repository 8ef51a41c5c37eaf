//! The roles that exist so far, each beside the data it speaks about.

mod action;
mod task;

pub use action::{Action, Schema};
pub use task::{LogSink, Stream, Task, TaskContext};

//! The roles that exist so far, each beside the data it speaks about.

mod action;
#[cfg(feature = "settings")]
mod secret_store;
mod task;

pub use action::{Action, Schema};
#[cfg(feature = "settings")]
pub use secret_store::SecretStore;
pub use task::{LogSink, Stream, Task, TaskContext};

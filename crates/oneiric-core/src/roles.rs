//! The roles that exist so far, each beside the data it speaks about.

mod action;
mod event;
mod pulse;
mod reconcile;
#[cfg(feature = "settings")]
mod secret_store;
mod service;
mod task;

pub use action::{Action, Schema};
pub use event::{Envelope, EventHandler, MAX_TOPIC_BYTES, Topic, TopicError};
pub use pulse::{MAX_PROGRESS_BYTES, PROGRESS_LINE, Progress, Pulse, Said};
pub use reconcile::Reconciled;
#[cfg(feature = "settings")]
pub use secret_store::SecretStore;
pub use service::Service;
pub use task::{LogSink, Stream, Task, TaskContext};

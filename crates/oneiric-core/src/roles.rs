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
pub use event::{
    DeliveryMode, Envelope, EnvelopeError, EventHandler, EventId, EventIdError, MAX_EVENT_ID_BYTES,
    MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, MAX_ROUTING_KEY_BYTES, MAX_TAG_BYTES, MAX_TAGS, MAX_TOPIC_BYTES,
    Priority, Topic, TopicError,
};
pub use pulse::{MAX_PROGRESS_BYTES, PROGRESS_LINE, Progress, Pulse, Said};
pub use reconcile::Reconciled;
#[cfg(feature = "settings")]
pub use secret_store::SecretStore;
pub use service::{Figures, Service, ServiceContext, ServiceWatcher};
pub use task::{LogSink, Stream, Task, TaskContext};

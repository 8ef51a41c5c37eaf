//! Something that happened, and what reacts to it.

mod delivery;
mod envelope;
mod id;
mod priority;
mod topic;

use std::sync::Arc;

use async_trait::async_trait;

pub use delivery::DeliveryMode;
pub use envelope::{
    Envelope, EnvelopeError, MAX_HEADER_BYTES, MAX_PAYLOAD_BYTES, MAX_ROUTING_KEY_BYTES, MAX_TAG_BYTES,
    MAX_TAGS,
};
pub use id::{EventId, EventIdError, MAX_EVENT_ID_BYTES};
pub use priority::Priority;
pub use topic::{MAX_TOPIC_BYTES, Topic, TopicError};

use crate::{Domain, Fault, Payload, Role};

/// Reacts to events.
#[async_trait]
pub trait EventHandler: Send + Sync {
    /// Handles one event; what it returns goes into the report of the dispatch.
    ///
    /// May be called again with the same envelope: delivery is at least once. Dropping the future
    /// cancels it.
    ///
    /// # Errors
    /// A [`Fault`] whose class says whether delivering again may help.
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault>;
}

const _: fn(&dyn EventHandler) = |_| {};

#[async_trait]
impl<T: ?Sized + EventHandler> EventHandler for Arc<T> {
    async fn handle(&self, envelope: &Envelope) -> Result<Payload, Fault> {
        self.as_ref().handle(envelope).await
    }
}

impl Role for dyn EventHandler {
    const NAME: &'static str = "event handler";
    const DOMAIN: Domain = Domain::EVENT;
}

//! One accepted event.

use oneiric_core::Timestamp;
use oneiric_core::roles::{Envelope, EventId};
use serde::{Deserialize, Serialize};

use super::{DEFAULT_TENANT, SCHEMA};

/// An event that was accepted: what replays start from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EnvelopeRecord {
    /// Its place in the log of events, counted from 1 and never given twice; the store gives it.
    pub n: u64,
    /// Its id, unique over the whole store.
    pub id: EventId,
    /// Whose it is.
    pub tenant: String,
    /// The event.
    pub envelope: Envelope,
    /// Who emitted it, for the record.
    pub actor: Option<String>,
    /// W3C trace context of whoever emitted it.
    pub traceparent: Option<String>,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// The version of this shape.
    pub schema: u16,
}

impl EnvelopeRecord {
    /// An event accepted now; its place is not known yet.
    pub fn new(id: EventId, envelope: Envelope, accepted_at: Timestamp) -> Self {
        Self {
            n: 0,
            id,
            tenant: DEFAULT_TENANT.to_owned(),
            envelope,
            actor: None,
            traceparent: None,
            accepted_at,
            schema: SCHEMA,
        }
    }
}

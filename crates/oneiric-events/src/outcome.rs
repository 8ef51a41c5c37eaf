//! What became of an event.

use std::sync::Arc;
use std::time::Duration;

use oneiric_core::roles::{EventId, Topic};
use oneiric_core::{Fault, Payload};
use oneiric_store::{DeliveryRecord, DeliveryStatus};
use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};

/// The code of the fault of a handler that was not asked, because another one had succeeded.
const SKIPPED: &str = "skipped";

/// What became of an event at one handler.
///
/// Shape in JSON, upstream's: `{"handler":"k:p","success":true,"duration_ms":1.2,"value":null,"error":null,
/// "attempts":1}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The handler: `key:provider`.
    pub handler: Arc<str>,
    /// What it returned, or why it failed.
    pub result: Result<Payload, Fault>,
    /// How many tries there were; 0 where the gate said no.
    pub attempts: u32,
    /// How long all of it took, waits included.
    pub took: Duration,
    /// Whether it is not over: a stored event that reaches the handler later.
    pub pending: bool,
}

impl Outcome {
    /// What there is to say of a stored event that nobody has in hand yet.
    pub(crate) fn waiting(handler: &Arc<str>) -> Self {
        let fault = Fault::transient(
            "pending",
            "the event waits in the store until somebody takes it to the handler",
        );
        Self {
            handler: Arc::clone(handler),
            result: Err(fault),
            attempts: 0,
            took: Duration::ZERO,
            pending: true,
        }
    }

    /// What the store says of a delivery.
    pub fn of(record: &DeliveryRecord) -> Self {
        let state = &record.state;
        let handler: Arc<str> = record.handler.as_str().into();
        let result = match (state.status, &state.fault) {
            (DeliveryStatus::Done, _) => Ok(state.value.clone()),
            (DeliveryStatus::Expired, _) => Err(Fault::permanent("expired", "the event had expired")),
            // A person gave it up.
            (DeliveryStatus::Skipped, Some(fault)) => Err(fault.clone()),
            (DeliveryStatus::Skipped, None) => {
                Err(Fault::permanent(SKIPPED, "another handler had succeeded"))
            }
            (_, Some(fault)) => Err(fault.clone()),
            (_, None) => return Self::waiting(&handler),
        };
        let (attempts, took) = (state.attempts, Duration::from_micros(state.took_us));
        Self { handler, result, attempts, took, pending: !state.status.is_over() }
    }

    /// Whether the handler succeeded.
    pub fn is_success(&self) -> bool {
        self.result.is_ok()
    }

    /// Whether it is over, and not as it should be. A handler that was not asked because another one had
    /// succeeded is as it should be.
    pub fn is_failure(&self) -> bool {
        !self.pending && self.result.as_ref().is_err_and(|fault| fault.code != SKIPPED)
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Outcome", 6 + usize::from(self.pending))?;
        fields.serialize_field("handler", &self.handler)?;
        fields.serialize_field("success", &self.is_success())?;
        fields.serialize_field("duration_ms", &(self.took.as_secs_f64() * 1000.0))?;
        fields.serialize_field("value", &self.result.as_ref().ok().map(Payload::value))?;
        fields.serialize_field("error", &self.result.as_ref().err().map(ToString::to_string))?;
        fields.serialize_field("attempts", &self.attempts)?;
        if self.pending {
            fields.serialize_field("pending", &true)?;
        }
        fields.end()
    }
}

/// What became of an event, handler by handler, the highest priority first.
///
/// Shape in JSON, upstream's: `{"topic":"t","matched_handlers":1,"results":[...]}`, and `event_id`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatched {
    /// What it was about.
    pub topic: Topic,
    /// Its id, where it was emitted; one that was only dispatched may have none.
    pub event_id: Option<EventId>,
    /// One for each handler that got it.
    pub results: Vec<Outcome>,
}

impl Dispatched {
    /// Whether every handler succeeded; also where there is none.
    pub fn is_success(&self) -> bool {
        self.results.iter().all(Outcome::is_success)
    }
}

impl Serialize for Dispatched {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Dispatched", 4)?;
        fields.serialize_field("topic", &self.topic)?;
        fields.serialize_field("event_id", &self.event_id)?;
        fields.serialize_field("matched_handlers", &self.results.len())?;
        fields.serialize_field("results", &self.results)?;
        fields.end()
    }
}

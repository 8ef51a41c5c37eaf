//! The value that flows between nodes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Digest;

/// A JSON value that is shared, not copied, on its way from one node to the next.
///
/// `null`, by far the most frequent output, costs no allocation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "Value", into = "Value")]
pub struct Payload(Option<Arc<Value>>);

static NULL: Value = Value::Null;

impl Payload {
    /// `null`.
    pub const NULL: Payload = Payload(None);

    /// The value.
    pub fn value(&self) -> &Value {
        self.0.as_deref().unwrap_or(&NULL)
    }

    /// Whether it is `null`.
    pub fn is_null(&self) -> bool {
        self.0.is_none()
    }

    /// The fingerprint of the value; see [`Digest::of_json`].
    pub fn digest(&self) -> Digest {
        Digest::of_json(self.value())
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Self {
        if value.is_null() { Self::NULL } else { Self(Some(Arc::new(value))) }
    }
}

impl From<Payload> for Value {
    fn from(payload: Payload) -> Value {
        match payload.0 {
            None => Value::Null,
            Some(shared) => Arc::try_unwrap(shared).unwrap_or_else(|shared| shared.as_ref().clone()),
        }
    }
}

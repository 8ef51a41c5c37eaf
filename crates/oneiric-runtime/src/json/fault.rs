//! Why something failed.

use oneiric_core::Fault;
use schemars::JsonSchema;
use serde::Serialize;

/// The shape of a [`Fault`], which has no schema of its own: its crate has none without settings.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "Fault")]
pub struct FaultShape {
    /// Whether trying again can help: `transient`, `permanent`, `timeout`, ...
    pub class: String,
    /// A kebab-case code that programs may match on.
    pub code: String,
    /// What went wrong, for a person.
    pub message: String,
    /// The earliest time to try again, in milliseconds from the failure, where the other side said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

impl From<&Fault> for FaultShape {
    fn from(fault: &Fault) -> Self {
        Self {
            class: fault.class.to_string(),
            code: fault.code.clone(),
            message: fault.message.clone(),
            retry_after_ms: fault.retry_after_ms,
        }
    }
}

//! Value in, value out.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Domain, Fault, Payload, Role};

/// What an action takes and gives, as two JSON Schemas (draft 2020-12).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// Of the input.
    pub input: Value,
    /// Of the output.
    pub output: Value,
}

/// A small transformation without a life of its own.
#[async_trait]
pub trait Action: Send + Sync {
    /// Applies the action. Safe to call from many tasks at once; dropping the future cancels it.
    ///
    /// # Errors
    /// A [`Fault`] whose class says whether the same input may succeed later.
    async fn apply(&self, input: Payload) -> Result<Payload, Fault>;

    /// What it takes and gives; `None` where nobody wrote it down.
    fn schema(&self) -> Option<Schema> {
        None
    }
}

const _: fn(&dyn Action) = |_| {};

#[async_trait]
impl<T: ?Sized + Action> Action for Arc<T> {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.as_ref().apply(input).await
    }

    fn schema(&self) -> Option<Schema> {
        self.as_ref().schema()
    }
}

impl Role for dyn Action {
    const NAME: &'static str = "action";
    const DOMAIN: Domain = Domain::ACTION;
}

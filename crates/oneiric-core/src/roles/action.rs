//! Value in, value out.

use async_trait::async_trait;

use crate::{Fault, Payload, Role};

/// A small transformation without a life of its own.
#[async_trait]
pub trait Action: Send + Sync {
    /// Applies the action. Safe to call from many tasks at once; dropping the future cancels it.
    ///
    /// # Errors
    /// A [`Fault`] whose class says whether the same input may succeed later.
    async fn apply(&self, input: Payload) -> Result<Payload, Fault>;
}

impl Role for dyn Action {
    const NAME: &'static str = "action";
}

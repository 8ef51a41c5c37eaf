//! A bound on nesting, before anything recurses into a payload.

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Component, Fault, Payload};
use serde_json::Value;

/// Levels of lists and objects in a payload. What is read from text has at most as many: it is the
/// bound of the JSON parser. Payloads that are built in code may be of any depth.
const MAX_DEPTH: usize = 128;

/// An action that is given no payload of a hostile depth.
pub(crate) struct Bounded {
    pub(super) kit: &'static str,
    pub(super) inner: Arc<dyn Action>,
}

impl Component for Bounded {}

#[async_trait]
impl Action for Bounded {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        if is_deeper(input.value(), MAX_DEPTH) {
            let why = format!("the payload of `{}` is nested more than {MAX_DEPTH} levels deep", self.kit);
            return Err(Fault::permanent("payload-too-deep", why));
        }
        self.inner.apply(input).await
    }

    fn schema(&self) -> Option<Schema> {
        self.inner.schema()
    }
}

/// Whether something lies more than `limit` levels deep. Linear in the value; looks no deeper than that.
fn is_deeper(value: &Value, limit: usize) -> bool {
    let mut next = vec![(value, 0)];
    while let Some((value, depth)) = next.pop() {
        let is_container = value.is_array() || value.is_object();
        if is_container && depth == limit {
            return true;
        }
        match value {
            Value::Array(items) => next.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(fields) => next.extend(fields.values().map(|item| (item, depth + 1))),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_in_containers() {
        let nested = |depth: usize| (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        assert!(!is_deeper(&nested(0), 0) && is_deeper(&nested(1), 0));
        assert!(!is_deeper(&nested(MAX_DEPTH), MAX_DEPTH));
        assert!(is_deeper(&nested(MAX_DEPTH + 1), MAX_DEPTH));
        assert!(!is_deeper(&Value::Array(vec![Value::Null; 100_000]), 1));
    }
}

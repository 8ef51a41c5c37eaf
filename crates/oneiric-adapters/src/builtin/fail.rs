//! `builtin:fail`: fails as often as it is told to.

use async_trait::async_trait;
use oneiric_core::roles::{Task, TaskContext};
use oneiric_core::{Component, Fault, Payload};
use serde_json::json;

use super::fields::Fields;

/// Takes `{"times": 2, "message": "no"}` and fails the first two tries with the transient fault
/// `failed-on-purpose`; later tries return `{"attempts": 3}`, the number of this try.
///
/// `times` unsaid is always, `message` unsaid is `failed on purpose`. Tries are counted by the caller,
/// so the count holds across a crash.
pub(super) struct Fail;

impl Component for Fail {}

#[async_trait]
impl Task for Fail {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        let fields = Fields::new("builtin:fail", cx.input.value());
        let times = match fields.get("times") {
            None => u64::MAX,
            Some(times) => {
                times.as_u64().ok_or_else(|| fields.bad("times", "is not a whole number of 0 or more"))?
            }
        };
        let message = match fields.get("message") {
            None => "failed on purpose",
            Some(text) => text.as_str().ok_or_else(|| fields.bad("message", "is not a string"))?,
        };
        if u64::from(cx.attempt) <= times {
            return Err(Fault::transient("failed-on-purpose", message));
        }
        Ok(json!({ "attempts": cx.attempt }).into())
    }
}

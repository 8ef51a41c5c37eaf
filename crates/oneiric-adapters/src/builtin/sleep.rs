//! `builtin:sleep`: waits on the clock.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oneiric_core::roles::{Task, TaskContext};
use oneiric_core::{Clock, Component, Fault, Payload};
use serde_json::{Value, json};

use super::fields::Fields;

/// One day. A longer wait belongs to a schedule, which costs no task.
const LONGEST_SECONDS: f64 = 86_400.0;

/// Takes `{"seconds": 1.5}` (0 to 86400) and returns `{"slept": 1.5}`, the number as it was given.
///
/// Wakes early with the transient fault `cancelled` when the call is cancelled.
pub(super) struct Sleep {
    clock: Arc<dyn Clock>,
}

impl Sleep {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

impl Component for Sleep {}

#[async_trait]
impl Task for Sleep {
    async fn run(&self, cx: TaskContext<'_>) -> Result<Payload, Fault> {
        let (seconds, duration) = read(cx.input.value())?;
        tokio::select! {
            biased;
            () = cx.cancel.cancelled() => Err(Fault::transient("cancelled", "`builtin:sleep` was cancelled")),
            () = self.clock.sleep(duration) => Ok(json!({ "slept": seconds }).into()),
        }
    }
}

fn read(payload: &Value) -> Result<(&Value, Duration), Fault> {
    let fields = Fields::new("builtin:sleep", payload);
    let seconds = fields.require("seconds")?;
    let number = seconds.as_f64().ok_or_else(|| fields.bad("seconds", "is not a number"))?;
    if !(0.0..=LONGEST_SECONDS).contains(&number) {
        return Err(fields.bad("seconds", format!("is {seconds}; allowed are 0 to {LONGEST_SECONDS}")));
    }
    Ok((seconds, Duration::from_secs_f64(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_payload_names_the_field() {
        let check = |payload: Value, expected: &str| {
            let fault = read(&payload).unwrap_err();
            assert_eq!(fault.class, oneiric_core::Class::Permanent);
            assert_eq!(fault.message, format!("`seconds` in the payload of `builtin:sleep` {expected}"));
        };
        check(json!(null), "is missing");
        check(json!([1]), "is missing");
        check(json!({"second": 1}), "is missing; is `second` meant?");
        check(json!({"seconds": "1"}), "is not a number");
        check(json!({"seconds": -0.5}), "is -0.5; allowed are 0 to 86400");
        check(json!({"seconds": 86401}), "is 86401; allowed are 0 to 86400");
        assert_eq!(read(&json!({"seconds": 86400})).unwrap().1, Duration::from_secs(86400));
    }
}

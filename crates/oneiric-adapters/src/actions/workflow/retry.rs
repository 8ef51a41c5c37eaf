//! `workflow.retry`: whether to try again, and when. A plan: nothing here waits.

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Fault, Payload};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::actions::kit::Kit;
use crate::actions::payload::Fields;
use crate::actions::python::number;
use crate::actions::schema;
use crate::actions::settings::{self, must};

pub(in crate::actions) const KIT: Kit = Kit {
    key: "workflow.retry",
    provider: "builtin-workflow-retry",
    python: "oneiric.actions.workflow:WorkflowRetryAction",
    description: "says whether to try again, and after which delay",
    domains: &["workflow", "task", "event"],
    capabilities: &["retry", "backoff", "control"],
    stack_level: 30,
    priority: 415,
    side_effect_free: true,
    check: settings::check::<RetrySettings>,
    make: |settings, _| Ok(Arc::new(Retry::new(settings::read(KIT.key, settings)?))),
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct RetrySettings {
    max_attempts: i64,
    base_delay_seconds: f64,
    multiplier: f64,
    max_delay_seconds: f64,
    jitter: f64,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            max_attempts: 3,
            base_delay_seconds: 1.0,
            multiplier: 2.0,
            max_delay_seconds: 60.0,
            jitter: 0.1,
        }
    }
}

impl settings::Settings for RetrySettings {
    fn check(&self) -> Result<(), (&'static str, String)> {
        must("max_attempts", self.max_attempts >= 1, "1 or more")?;
        must("base_delay_seconds", self.base_delay_seconds >= 0.0, "0 or more")?;
        must("multiplier", self.multiplier >= 1.0, "1 or more")?;
        must("max_delay_seconds", self.max_delay_seconds >= 0.0, "0 or more")?;
        must("jitter", self.jitter >= 0.0, "0 or more")
    }
}

struct Retry {
    settings: RetrySettings,
}

impl Retry {
    fn new(settings: RetrySettings) -> Self {
        Self { settings }
    }

    fn plan(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        let settings = &self.settings;
        let attempt = count(fields, "attempt", 0, 0, "workflow-retry-attempt-invalid")?;
        let max_attempts =
            count(fields, "max_attempts", settings.max_attempts, 1, "workflow-retry-max-attempts-invalid")?;
        let seconds = |name, default, least, code| factor(fields, name, default, least, code);
        let base = seconds(
            "base_delay_seconds",
            settings.base_delay_seconds,
            0.0,
            "workflow-retry-base-delay-invalid",
        )?;
        let multiplier =
            seconds("multiplier", settings.multiplier, 1.0, "workflow-retry-multiplier-invalid")?;
        let longest = seconds(
            "max_delay_seconds",
            settings.max_delay_seconds,
            0.0,
            "workflow-retry-max-delay-invalid",
        )?;
        let jitter = seconds("jitter", settings.jitter, f64::NEG_INFINITY, "workflow-retry-jitter-invalid")?
            .clamp(0.0, 1.0);
        let mut record = json!({
            "attempt": said(fields, "attempt", attempt),
            "max_attempts": said(fields, "max_attempts", max_attempts),
            "status": "exhausted",
        });
        if attempt < max_attempts {
            // The same for the same attempt: upstream's jitter is no chance.
            let share = if attempt % 2 == 0 { 0.25 } else { 0.15 };
            let delay = (base * multiplier.powf(attempt as f64)).min(longest) * (1.0 + share * jitter);
            record["status"] = "scheduled".into();
            record["next_attempt"] = (attempt + 1).into();
            record["delay_seconds"] = delay.into();
        }
        Ok(record)
    }
}

/// What the record says back: a truth value that was given for a number stays one.
fn said(fields: Fields<'_>, name: &str, number: i64) -> Value {
    fields.get(name).filter(|given| given.is_boolean()).cloned().unwrap_or_else(|| number.into())
}

fn count(fields: Fields<'_>, name: &str, default: i64, least: i64, code: &str) -> Result<i64, Fault> {
    let number = match fields.get(name) {
        None => Some(default),
        Some(Value::Bool(truth)) => Some(i64::from(*truth)),
        Some(value) => value.as_i64(),
    };
    number
        .filter(|number| (least..i64::MAX).contains(number))
        .ok_or_else(|| fields.bad(code, name, format!("is not a whole number of {least} or more")))
}

fn factor(fields: Fields<'_>, name: &str, default: f64, least: f64, code: &str) -> Result<f64, Fault> {
    let number = match fields.get(name) {
        None => Some(default),
        Some(value) => number::float(value),
    };
    number.filter(|number| number.is_finite() && *number >= least).ok_or_else(|| {
        let bound = if least.is_finite() { format!(" of {least} or more") } else { String::new() };
        fields.bad(code, name, format!("is not a number{bound}"))
    })
}

#[async_trait]
impl Action for Retry {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.plan(Fields::of(KIT.key, &input, "workflow-retry-payload-invalid")?).map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let attempt = || schema::of_type("integer", "how many tries there were");
        let max_attempts = || schema::of_type("integer", "how many there may be");
        let input = schema::object(
            &[],
            [
                ("attempt", attempt()),
                ("max_attempts", max_attempts()),
                ("base_delay_seconds", schema::of_type("number", "the delay after no try")),
                ("multiplier", schema::of_type("number", "by which it grows with every try")),
                ("max_delay_seconds", schema::of_type("number", "how far it grows, before jitter")),
                (
                    "jitter",
                    schema::of_type(
                        "number",
                        "0 to 1; a quarter of it is added after an even try, 15 % else",
                    ),
                ),
            ],
        );
        let output = schema::object(
            &["status", "attempt", "max_attempts"],
            [
                ("status", schema::one_of(&["scheduled", "exhausted"], "whether to try again")),
                ("attempt", attempt()),
                ("max_attempts", max_attempts()),
                ("next_attempt", schema::of_type("integer", "the number of the next try")),
                ("delay_seconds", schema::of_type("number", "how long to wait for it")),
            ],
        );
        schema::of(input, output)
    }
}

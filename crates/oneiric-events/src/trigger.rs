//! Events that start workflows: `metadata.workflows.triggers` of an event handler.
//!
//! Shape: `["fastblocks.workflows.fulfillment"]`, or with more to say:
//!
//! ```json
//! [{"workflow": "shop.digest",
//!   "when": "payload.total > 100",
//!   "key": "payload.customer",
//!   "input": {"orders": "${{ payload.order }}"},
//!   "batch": {"size": 50, "wait": 10},
//!   "throttle": {"limit": 10, "per": 60},
//!   "singleton": "skip"}]
//! ```
//!
//! `when` and `key` are CEL over [`EVENT_VARIABLES`], `input` is a payload with such expressions in its
//! strings; without one, a run's context is the payload of its event. What follows counts for each value of
//! `key` apart, and for all events together where there is no `key`.

pub mod bucket;
pub mod window;

use std::time::Duration;

use oneiric_core::expr::ExprError;
use oneiric_core::id::IdError;
use oneiric_core::roles::Envelope;
use oneiric_core::{Expr, Key, Payload, Template};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::scope::{EVENT_VARIABLES, EventScope};

/// The longest wait of a trigger, in seconds: a week.
const MAX_WAIT: f64 = 7.0 * 24.0 * 3600.0;

/// The most events of one batch: a run's context holds them all.
pub const MAX_BATCH: u32 = 1000;

/// The most starts that a throttle counts: each is kept for as long as it counts.
pub const MAX_STARTS: u32 = 1000;

/// A workflow that events start.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    /// Which one.
    pub workflow: Key,
    /// Only for events of which this holds.
    pub when: Option<Expr>,
    /// What tells events apart that have nothing to do with each other.
    pub key: Option<Expr>,
    /// The context of the run; the event's payload unless said.
    pub input: Option<Template>,
    /// Whether each event starts a run of its own.
    pub gather: Gather,
    /// How many runs are started in which time.
    pub throttle: Option<Throttle>,
    /// What happens while a run is under way.
    pub singleton: Option<Singleton>,
}

/// Whether each event starts a run of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gather {
    /// Each does.
    #[default]
    Each,
    /// The last event of several starts one, once there has been none for a while.
    Debounce {
        /// For how long.
        quiet: Duration,
        /// How long after the first event at the latest.
        most: Option<Duration>,
    },
    /// Several start one together. Its context is `{"events": [...]}`, with the context that each of them
    /// would have had alone.
    Batch {
        /// How many, at most [`MAX_BATCH`].
        size: u32,
        /// How long after the first event at the latest.
        wait: Duration,
    },
}

/// How many runs are started in which time; events beyond that start none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throttle {
    /// How many: 1 to [`MAX_STARTS`].
    pub limit: u32,
    /// In which time, whenever that begins.
    #[serde(rename = "per_us", with = "micros")]
    pub per: Duration,
}

/// What happens with an event while a run of the trigger is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Singleton {
    /// It starts none.
    Skip,
    /// That run is cancelled, and it starts another one.
    Cancel,
}

/// What is wrong with a trigger.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TriggerError {
    /// It is written in another shape.
    #[error("`metadata.workflows.triggers`: {0}")]
    Shape(String),
    /// The key of the workflow is none.
    #[error("`metadata.workflows.triggers`: {0}")]
    Workflow(#[from] IdError),
    /// An expression is none.
    #[error("`{name}` of the trigger of `{workflow}`: {error}")]
    Expr {
        /// `when`, `key` or `input`.
        name: &'static str,
        /// The workflow.
        workflow: Key,
        /// What is wrong.
        error: ExprError,
    },
    /// A number is outside of its range.
    #[error("`{name}` of the trigger of `{workflow}` is {found}, allowed are {allowed}")]
    Range {
        /// `debounce.quiet`, say.
        name: &'static str,
        /// The workflow.
        workflow: Key,
        /// What is written.
        found: f64,
        /// What may be.
        allowed: &'static str,
    },
    /// Two that exclude each other.
    #[error("the trigger of `{0}` has both `debounce` and `batch`; one of them decides when a run starts")]
    Both(Key),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    workflow: String,
    when: Option<String>,
    key: Option<String>,
    input: Option<Value>,
    debounce: Option<StatedDebounce>,
    batch: Option<StatedBatch>,
    throttle: Option<StatedThrottle>,
    singleton: Option<Singleton>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatedDebounce {
    quiet: f64,
    most: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatedBatch {
    size: u32,
    wait: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatedThrottle {
    limit: u32,
    per: f64,
}

impl Trigger {
    /// A workflow that every event starts.
    pub fn new(workflow: Key) -> Self {
        Self {
            workflow,
            when: None,
            key: None,
            input: None,
            gather: Gather::Each,
            throttle: None,
            singleton: None,
        }
    }

    /// The triggers that metadata states; none where it says nothing.
    ///
    /// # Errors
    /// [`TriggerError`] for the first that is wrong.
    pub fn all_of(metadata: &Map<String, Value>) -> Result<Vec<Self>, TriggerError> {
        let stated = metadata.get("workflows").and_then(|workflows| workflows.get("triggers"));
        match stated {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(all)) => all.iter().map(Self::of).collect(),
            Some(_) => Err(TriggerError::Shape("is not a list".to_owned())),
        }
    }

    fn of(written: &Value) -> Result<Self, TriggerError> {
        if let Value::String(workflow) = written {
            return Ok(Self::new(workflow.parse()?));
        }
        let stated = Stated::deserialize(written).map_err(|error| TriggerError::Shape(error.to_string()))?;
        let workflow: Key = stated.workflow.parse()?;
        let wrong = |name| {
            let workflow = workflow.clone();
            move |error| TriggerError::Expr { name, workflow, error }
        };
        let compile = |name, text: Option<&String>| {
            text.map(|text| Expr::compile_with(text, EVENT_VARIABLES)).transpose().map_err(wrong(name))
        };
        let input = stated.input.as_ref().map(literal_or_template).transpose();
        Ok(Self {
            when: compile("when", stated.when.as_ref())?,
            key: compile("key", stated.key.as_ref())?,
            input: input.map_err(wrong("input"))?,
            gather: gather(&stated, &workflow)?,
            throttle: stated.throttle.as_ref().map(|throttle| throttled(throttle, &workflow)).transpose()?,
            singleton: stated.singleton,
            workflow,
        })
    }

    /// Whether an event starts it.
    ///
    /// # Errors
    /// [`ExprError`] where that cannot be decided for this event.
    pub fn accepts(&self, envelope: &Envelope) -> Result<bool, ExprError> {
        let scope = EventScope::new(envelope);
        self.when.as_ref().map_or(Ok(true), |when| when.evaluate_bool(&scope))
    }

    /// What tells the event apart, as text: `""` where there is no key.
    ///
    /// # Errors
    /// [`ExprError`] where it has none.
    pub fn key_of(&self, envelope: &Envelope) -> Result<String, ExprError> {
        let scope = EventScope::new(envelope);
        let value = self.key.as_ref().map(|key| key.evaluate(&scope)).transpose()?;
        Ok(match value {
            None => String::new(),
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
        })
    }

    /// The context of a run of this event.
    ///
    /// # Errors
    /// [`ExprError`] where an expression in it has no value for this event.
    pub fn input_of(&self, envelope: &Envelope) -> Result<Payload, ExprError> {
        let scope = EventScope::new(envelope);
        match &self.input {
            None => Ok(envelope.payload.clone()),
            Some(template) => template.render(&scope).map(Payload::from),
        }
    }
}

/// An input without expressions is the same for every event.
fn literal_or_template(input: &Value) -> Result<Template, ExprError> {
    match Template::compile_with(input, EVENT_VARIABLES)? {
        Some(template) => Ok(template),
        None => Ok(Template::literal(input.clone())),
    }
}

fn gather(stated: &Stated, workflow: &Key) -> Result<Gather, TriggerError> {
    match (&stated.debounce, &stated.batch) {
        (Some(_), Some(_)) => Err(TriggerError::Both(workflow.clone())),
        (None, None) => Ok(Gather::Each),
        (Some(debounce), None) => Ok(Gather::Debounce {
            quiet: seconds("debounce.quiet", debounce.quiet, workflow)?,
            most: debounce.most.map(|most| seconds("debounce.most", most, workflow)).transpose()?,
        }),
        (None, Some(batch)) if (1..=MAX_BATCH).contains(&batch.size) => {
            Ok(Gather::Batch { size: batch.size, wait: seconds("batch.wait", batch.wait, workflow)? })
        }
        (None, Some(batch)) => Err(TriggerError::Range {
            name: "batch.size",
            workflow: workflow.clone(),
            found: batch.size.into(),
            allowed: "1 to 1000",
        }),
    }
}

fn throttled(stated: &StatedThrottle, workflow: &Key) -> Result<Throttle, TriggerError> {
    if !(1..=MAX_STARTS).contains(&stated.limit) {
        let (name, allowed) = ("throttle.limit", "1 to 1000; more of them are fewer in a shorter time");
        let found = stated.limit.into();
        return Err(TriggerError::Range { name, workflow: workflow.clone(), found, allowed });
    }
    Ok(Throttle { limit: stated.limit, per: seconds("throttle.per", stated.per, workflow)? })
}

fn seconds(name: &'static str, stated: f64, workflow: &Key) -> Result<Duration, TriggerError> {
    if stated > 0.0 && stated <= MAX_WAIT {
        return Ok(Duration::from_secs_f64(stated));
    }
    let allowed = "more than 0 and at most 604800 seconds";
    Err(TriggerError::Range { name, workflow: workflow.clone(), found: stated, allowed })
}

/// A duration in a record: whole microseconds.
mod micros {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wrong_with_a_trigger_is_said() {
        let check = |written: Value, expected: Result<(), &str>| {
            let metadata = Map::from_iter([("workflows".to_owned(), json!({ "triggers": written }))]);
            let found = Trigger::all_of(&metadata).map(|_| ()).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{written}");
        };
        check(json!(["shop.fulfil"]), Ok(()));
        check(json!([{"workflow": "w", "throttle": {"limit": 1000, "per": 60}}]), Ok(()));
        check(json!("w"), Err("`metadata.workflows.triggers`: is not a list"));
        check(
            json!([{"workflow": "w", "throttle": {"limit": 1001, "per": 60}}]),
            Err("`throttle.limit` of the trigger of `w` is 1001, allowed are 1 to 1000; \
                 more of them are fewer in a shorter time"),
        );
        check(
            json!([{"workflow": "w", "batch": {"size": 2, "wait": 0}}]),
            Err(
                "`batch.wait` of the trigger of `w` is 0, allowed are more than 0 and at most 604800 seconds",
            ),
        );
        check(
            json!([{"workflow": "w", "batch": {"size": 2, "wait": 1}, "debounce": {"quiet": 1}}]),
            Err("the trigger of `w` has both `debounce` and `batch`; one of them decides when a run starts"),
        );
        check(
            json!([{"workflow": "w", "singleton": "queue"}]),
            Err("`metadata.workflows.triggers`: unknown variant `queue`, expected `skip` or `cancel`"),
        );
    }
}

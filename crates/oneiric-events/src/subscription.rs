//! Who wants which events, and how they are handled.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oneiric_core::expr::ExprError;
use oneiric_core::manifest::{FanoutPolicy, Overflow};
use oneiric_core::retry::RetryPolicy;
use oneiric_core::roles::{DeliveryMode, Priority};
use oneiric_core::{Descriptor, Expr, Key};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::filter::{Filter, FilterError};
use crate::interest::Interest;
use crate::pattern::{Pattern, PatternError};
use crate::scope::EVENT_VARIABLES;
use crate::trigger::{Trigger, TriggerError};

/// What is true of subscriptions that do not say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Defaults {
    /// How long one call of a handler may take.
    pub timeout: Duration,
    /// How many events may wait in memory.
    pub buffer: usize,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), buffer: 1000 }
    }
}

/// Who wants which events, and how they are handled. Plain data: what handles them stands beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    /// Upstream's name of the handler: `key:provider`. Unique in a table.
    pub name: Arc<str>,
    /// The key that is paused, drained and asked for at the gate.
    pub key: Key,
    /// What is known of the component; a closure has none.
    pub descriptor: Option<Arc<Descriptor>>,
    /// Which events.
    pub interest: Interest,
    /// Whether others get them, too.
    pub fanout: FanoutPolicy,
    /// Higher ones go first, and come first in results.
    pub priority: i32,
    /// How many events are handled at a time, at least 1.
    pub max_concurrency: u32,
    /// How long one call may take.
    pub timeout: Duration,
    /// When to try again.
    pub retry: Option<RetryPolicy>,
    /// Whether handling an event twice is as good as once.
    pub idempotent: Option<bool>,
    /// What is promised of events that say nothing themselves.
    pub delivery: DeliveryMode,
    /// How many events may wait in memory, at least 1.
    pub buffer: usize,
    /// What becomes of those for which there is no room.
    pub overflow: Overflow,
    /// The workflows that it starts.
    pub triggers: Vec<Trigger>,
}

/// What is wrong with what a component says about its events.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SubscriptionError {
    /// A value is not what it should be.
    #[error("`{name}`: {reason}")]
    Value {
        /// Upstream's name of the value in metadata.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A topic, source or routing key is no pattern.
    #[error("`{name}`: {error}")]
    Pattern {
        /// Which list.
        name: &'static str,
        /// What is wrong.
        error: PatternError,
    },
    /// A filter is none.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The condition is no CEL.
    #[error("`event_when`: {0}")]
    When(#[from] ExprError),
    /// A trigger is none.
    #[error(transparent)]
    Trigger(#[from] TriggerError),
}

impl Subscription {
    /// Somebody who wants every event, fire and forget, one at a time.
    pub fn new(name: impl Into<Arc<str>>, key: Key, defaults: &Defaults) -> Self {
        Self {
            name: name.into(),
            key,
            descriptor: None,
            interest: Interest::default(),
            fanout: FanoutPolicy::Broadcast,
            priority: 0,
            max_concurrency: 1,
            timeout: defaults.timeout,
            retry: None,
            idempotent: None,
            delivery: DeliveryMode::FireAndForget,
            buffer: defaults.buffer.max(1),
            overflow: Overflow::Block,
            triggers: Vec::new(),
        }
    }

    /// What a component of domain `event` says in its metadata, under the names that entries of manifests
    /// are propagated to: `topics`, `filters`, `event_priority`, `fanout_policy`, `max_concurrency`,
    /// `event_when`, ..., and `workflows.triggers`.
    ///
    /// # Errors
    /// [`SubscriptionError`] names the first value that is wrong.
    pub fn of(descriptor: &Arc<Descriptor>, defaults: &Defaults) -> Result<Self, SubscriptionError> {
        let said = &descriptor.metadata;
        let when = optional::<String>(said, "event_when")?;
        let interest = Interest {
            topics: patterns(said, "topics")?,
            filters: list(said, "filters")?.iter().map(Filter::new).collect::<Result<_, _>>()?,
            when: when.map(|text| Expr::compile_with(&text, EVENT_VARIABLES)).transpose()?,
            tags: optional(said, "event_tags")?.unwrap_or_default(),
            sources: patterns(said, "event_sources")?,
            routing_keys: patterns(said, "event_routing_keys")?,
            min_priority: optional::<Priority>(said, "event_min_priority")?,
            predicate: None,
        };
        let at_least_one = |name, number: u32| match number {
            0 => Err(SubscriptionError::Value { name, reason: "must be at least 1".to_owned() }),
            number => Ok(number),
        };
        let plain = Self::new(name(descriptor), descriptor.key.clone(), defaults);
        Ok(Self {
            descriptor: Some(Arc::clone(descriptor)),
            interest,
            fanout: optional(said, "fanout_policy")?.unwrap_or_default(),
            priority: optional(said, "event_priority")?.unwrap_or(descriptor.priority),
            max_concurrency: at_least_one(
                "max_concurrency",
                optional(said, "max_concurrency")?.unwrap_or(plain.max_concurrency),
            )?,
            timeout: descriptor
                .timeout_seconds
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .unwrap_or(plain.timeout),
            retry: descriptor.retry,
            idempotent: descriptor.idempotent,
            delivery: optional(said, "event_delivery")?.unwrap_or(plain.delivery),
            buffer: match optional::<u32>(said, "event_buffer")? {
                Some(events) => at_least_one("event_buffer", events)? as usize,
                None => plain.buffer,
            },
            overflow: optional(said, "event_overflow")?.unwrap_or_default(),
            triggers: Trigger::all_of(said)?,
            ..plain
        })
    }

    /// Whether a shadowed candidate of its key asks for events all the same.
    pub fn even_shadowed(descriptor: &Descriptor) -> bool {
        descriptor.metadata.get("event_shadowed").and_then(Value::as_bool).unwrap_or(false)
    }
}

/// Upstream's name of a handler.
pub fn name(descriptor: &Descriptor) -> String {
    format!("{}:{}", descriptor.key, descriptor.provider)
}

fn optional<T: DeserializeOwned>(
    said: &Map<String, Value>,
    name: &'static str,
) -> Result<Option<T>, SubscriptionError> {
    let Some(value) = said.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let wrong = |error: serde_json::Error| SubscriptionError::Value { name, reason: error.to_string() };
    T::deserialize(value).map(Some).map_err(wrong)
}

/// A list, or a single value in place of one.
fn list<'v>(said: &'v Map<String, Value>, name: &'static str) -> Result<&'v [Value], SubscriptionError> {
    match said.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(SubscriptionError::Value { name, reason: "is not a list".to_owned() }),
    }
}

fn patterns(said: &Map<String, Value>, name: &'static str) -> Result<Vec<Pattern>, SubscriptionError> {
    let pattern = |item: &Value| match item.as_str() {
        Some(text) => Pattern::new(text).map_err(|error| SubscriptionError::Pattern { name, error }),
        None => Err(SubscriptionError::Value { name, reason: format!("{item} is not text") }),
    };
    list(said, name)?.iter().map(pattern).collect()
}

impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

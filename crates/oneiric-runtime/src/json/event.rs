//! An event, alone, with its deliveries, and in lists.

use std::collections::BTreeMap;

use oneiric_core::Timestamp;
use oneiric_core::roles::{Envelope, Priority};
use oneiric_events::delivery::explain::{Facts, Reason, explain};
use oneiric_store::{ActivityRecord, BootSeen, DeliveryRecord, DeliveryStatus, EnvelopeRecord};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::fault::FaultShape;
use super::rfc3339;
use crate::events::Logged;

/// An event: `{"n":7,"event_id":"...","accepted_at":"...","actor":null,"traceparent":null,"topic":"order.paid",
/// "payload":{...},"headers":{...}}`, and what else its envelope says.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Event<'a> {
    /// Its place in the log.
    n: u64,
    event_id: &'a str,
    accepted_at: String,
    actor: Option<&'a str>,
    traceparent: Option<&'a str>,
    #[serde(flatten)]
    #[schemars(with = "EnvelopeShape")]
    envelope: &'a Envelope,
}

/// The shape of an [`Envelope`], which has no schema of its own: its crate has none without settings.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Envelope")]
pub struct EnvelopeShape {
    /// What it is about: `order.paid`.
    pub topic: String,
    /// What happened.
    #[serde(default)]
    pub payload: Value,
    /// What is known about it: `event_id`, `source`, `version`, `timestamp`, ...
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// `low`, `normal`, `high` or `critical`.
    #[serde(default)]
    pub priority: Option<String>,
    /// Who it is for.
    #[serde(default)]
    pub routing_key: Option<String>,
    /// Words that subscriptions may require.
    #[serde(default)]
    pub tags: Vec<String>,
    /// After this it is of no use, in microseconds since 1970.
    #[serde(default)]
    pub expires_at: Option<i64>,
    /// What is promised about it: `at_least_once`, or what each handler says for itself.
    #[serde(default)]
    pub delivery: Option<String>,
}

impl<'a> Event<'a> {
    /// An event of the log.
    pub fn of(event: &'a EnvelopeRecord) -> Self {
        Self {
            n: event.n,
            event_id: event.id.as_str(),
            accepted_at: rfc3339(event.accepted_at),
            actor: event.actor.as_deref(),
            traceparent: event.traceparent.as_deref(),
            envelope: &event.envelope,
        }
    }
}

/// An event with its deliveries.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EventShown<'a> {
    #[serde(flatten)]
    event: Event<'a>,
    /// By handler.
    pub deliveries: Vec<Delivery<'a>>,
}

/// One delivery. `pid` is the process that has it in hand; `behind` are the handlers that it holds up.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Delivery<'a> {
    handler: &'a str,
    #[schemars(with = "String")]
    status: DeliveryStatus,
    attempts: u32,
    deaths: u32,
    due_at: String,
    at: String,
    duration_ms: f64,
    value: &'a Value,
    fault: Option<FaultShape>,
    pid: Option<u32>,
    behind: &'a [String],
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
}

/// What a delivery waits for: `{"reason":"paused","text":"...","until":null,"command":"oneiric resume ..."}`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Waits {
    /// Its word.
    pub reason: &'static str,
    /// For a person.
    pub text: String,
    /// When it ends by itself.
    pub until: Option<String>,
    /// What to type.
    pub command: Option<String>,
    /// The same as `until`, for people.
    #[serde(skip)]
    pub at: Option<Timestamp>,
}

impl Waits {
    fn of(reason: &Reason, command: impl Fn(&str) -> String) -> Self {
        Self {
            reason: reason.name(),
            text: reason.text(),
            until: reason.until().map(rfc3339),
            command: reason.advice().map(|advice| command(&advice)),
            at: reason.until(),
        }
    }
}

impl<'a> EventShown<'a> {
    /// An event by all that the store says of it; `command` completes what is to be typed.
    pub fn new(
        event: &'a EnvelopeRecord,
        deliveries: &'a [DeliveryRecord],
        boots: &[BootSeen],
        activities: &[ActivityRecord],
        now: Timestamp,
        command: impl Fn(&str) -> String,
    ) -> Self {
        let line = |delivery: &'a DeliveryRecord| {
            let state = &delivery.state;
            let reason = explain(&Facts { delivery, siblings: deliveries, boots, activities, now });
            let owner = state.owner.and_then(|owner| boots.iter().find(|seen| seen.boot.id == owner));
            Delivery {
                handler: &delivery.handler,
                status: state.status,
                attempts: state.attempts,
                deaths: state.deaths,
                due_at: rfc3339(state.due_at),
                at: rfc3339(state.at),
                duration_ms: state.took_us as f64 / 1000.0,
                value: state.value.value(),
                fault: state.fault.as_ref().map(FaultShape::from),
                pid: owner.map(|seen| seen.boot.pid),
                behind: &delivery.behind,
                waits: reason.map(|reason| Waits::of(&reason, &command)),
            }
        };
        Self { event: Event::of(event), deliveries: deliveries.iter().map(line).collect() }
    }
}

/// An event in a list: `{"n":7,"event_id":"...","topic":"order.paid","priority":"normal","accepted_at":"...",
/// "deliveries":{"done":2,"dead":1}}`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EventLine {
    /// Its place in the log.
    pub n: u64,
    /// Its id.
    pub event_id: String,
    /// What it is about.
    pub topic: String,
    /// How urgent it is.
    #[schemars(with = "String")]
    pub priority: Priority,
    /// When it was accepted.
    pub accepted_at: String,
    /// How many deliveries stand where.
    #[schemars(with = "BTreeMap<String, usize>")]
    pub deliveries: BTreeMap<&'static str, usize>,
}

impl EventLine {
    /// An event and its deliveries.
    pub fn of(Logged { event, deliveries }: &Logged) -> Self {
        let mut counts = BTreeMap::new();
        for delivery in deliveries {
            *counts.entry(delivery.state.status.name()).or_default() += 1;
        }
        Self {
            n: event.n,
            event_id: event.id.to_string(),
            topic: event.envelope.topic.to_string(),
            priority: event.envelope.priority,
            accepted_at: rfc3339(event.accepted_at),
            deliveries: counts,
        }
    }
}

/// A dead letter: `{"n":7,"event_id":"...","topic":"order.paid","handler":"k:p","attempts":3,"deaths":0,
/// "at":"...","fault":{...}}`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DeadLetter {
    /// The place of its event in the log.
    pub n: u64,
    /// The event.
    pub event_id: String,
    /// What the event is about.
    pub topic: String,
    /// Who did not take it.
    pub handler: String,
    /// How often it was tried.
    pub attempts: u32,
    /// How many processes died over it.
    pub deaths: u32,
    /// When it failed for good.
    pub at: String,
    /// Why.
    pub fault: Option<FaultShape>,
    /// The same as `at`, for people.
    #[serde(skip)]
    pub since: Timestamp,
}

impl DeadLetter {
    /// The dead letters of an event; only those to `handler` where one is meant.
    pub fn of(logged: &Logged, handler: Option<&str>) -> Vec<Self> {
        let meant = logged.deliveries.iter().filter(|delivery| {
            delivery.state.status == DeliveryStatus::Dead
                && handler.is_none_or(|handler| *handler == delivery.handler)
        });
        let letters = meant.map(|delivery| Self {
            n: logged.event.n,
            event_id: logged.event.id.to_string(),
            topic: logged.event.envelope.topic.to_string(),
            handler: delivery.handler.clone(),
            attempts: delivery.state.attempts,
            deaths: delivery.state.deaths,
            at: rfc3339(delivery.state.at),
            fault: delivery.state.fault.as_ref().map(FaultShape::from),
            since: delivery.state.at,
        });
        letters.collect()
    }
}

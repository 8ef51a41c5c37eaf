//! `event.dispatch`: an event to web hooks, or a rehearsal of that.

mod hook;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Clock, Fault, Payload, Rng};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::kit::Kit;
use super::payload::Fields;
use super::python::json as python_json;
use super::python::{time::isoformat_utc, truthy};
use super::settings::{self, must};
use super::{chance, schema};
use crate::Parts;
use crate::http::{Client, Limits, Policy, Tls};
use hook::{Hook, Report};

pub(super) const KIT: Kit = Kit {
    key: "event.dispatch",
    provider: "builtin-event-dispatch",
    python: "oneiric.actions.event:EventDispatchAction",
    description: "sends an event to web hooks, some at a time",
    domains: &["event", "task", "workflow"],
    capabilities: &["dispatch", "emit", "hook"],
    stack_level: 40,
    priority: 370,
    side_effect_free: false,
    check: settings::check::<DispatchSettings>,
    make: |settings, parts| Ok(Arc::new(Dispatch::open(settings::read(KIT.key, settings)?, parts)?)),
};

const HOOK_INVALID: &str = "event-dispatch-hook-invalid";

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct DispatchSettings {
    default_topic: String,
    default_source: String,
    max_hooks: usize,
    timeout_seconds: f64,
    concurrency: usize,
    dry_run: bool,
    // Ours.
    allow_hosts: Vec<String>,
    allow_private: bool,
    ca_file: Option<PathBuf>,
}

impl Default for DispatchSettings {
    fn default() -> Self {
        Self {
            default_topic: "events.default".to_owned(),
            default_source: "oneiric.runtime".to_owned(),
            max_hooks: 10,
            timeout_seconds: 5.0,
            concurrency: 5,
            dry_run: true,
            allow_hosts: Vec::new(),
            allow_private: false,
            ca_file: None,
        }
    }
}

impl settings::Settings for DispatchSettings {
    fn check(&self) -> Result<(), (&'static str, String)> {
        let timeout = self.timeout_seconds > 0.0 && self.timeout_seconds <= hook::MAX_TIMEOUT;
        must("timeout_seconds", timeout, &format!("more than 0 and at most {}", hook::MAX_TIMEOUT))?;
        // A socket each: a hundred at a time is what a process can spare.
        must("concurrency", (1..=100).contains(&self.concurrency), "1 to 100")?;
        must("max_hooks", self.max_hooks <= 10_000, "at most 10000")
    }
}

struct Dispatch {
    settings: DispatchSettings,
    client: Client,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Dispatch {
    fn open(settings: DispatchSettings, parts: &Parts) -> Result<Self, Fault> {
        let policy =
            Policy { allow_hosts: settings.allow_hosts.clone(), allow_private: settings.allow_private };
        let tls = Tls { ca_file: settings.ca_file.clone(), verify: true };
        let client = Client::open(policy, Limits::STANDARD, &tls, parts.clock.clone())?;
        Ok(Self { settings, client, clock: parts.clock.clone(), rng: parts.rng.clone() })
    }

    async fn dispatch(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        let settings = &self.settings;
        let topic = fields.text("topic", &settings.default_topic, "event-dispatch-topic-invalid")?.trim();
        if topic.is_empty() {
            return Err(fields.missing("event-dispatch-topic-required", "topic"));
        }
        let payload = object(fields, &["payload", "data"], "event-dispatch-payload-invalid")?;
        let metadata = object(fields, &["metadata"], "event-dispatch-metadata-invalid")?;
        let hooks = self.hooks(fields)?;
        // Only a plain no sends anything: what is unsaid is what the settings say.
        let dry_run = fields.said("dry_run").map_or(settings.dry_run, truthy);
        let text = |name, default: &dyn Fn() -> String| {
            fields.first([name]).cloned().unwrap_or_else(|| default().into())
        };
        let event = json!({
            "event_id": text("event_id", &|| chance::uuid(&*self.rng)),
            "topic": topic,
            "source": text("source", &|| settings.default_source.clone()),
            "timestamp": isoformat_utc(self.clock.now()),
            "payload": payload,
            "metadata": metadata,
        });
        let total = hooks.len();
        let (enabled, disabled): (Vec<Hook>, Vec<Hook>) = hooks.into_iter().partition(Hook::is_enabled);
        let mut reports: Vec<Report> = disabled.iter().map(|hook| hook.skipped("disabled")).collect();
        if dry_run {
            reports.extend(enabled.iter().map(|hook| hook.skipped("dry-run")));
        } else {
            let body = python_json::dumps(&event, python_json::Style::PLAIN).into_bytes();
            reports.extend(self.send(enabled, body).await?);
        }
        let count = |status| reports.iter().filter(|report| report.status == status).count();
        let (delivered, skipped, failed) = (count("delivered"), count("skipped"), count("failed"));
        let status = match () {
            () if delivered > 0 => "dispatched",
            () if total > 0 && skipped == total => "skipped",
            () => "queued",
        };
        Ok(json!({
            "status": status,
            "event": event,
            "hooks": reports,
            "delivered": delivered,
            "skipped": skipped,
            "failed": failed,
        }))
    }

    fn hooks(&self, fields: Fields<'_>) -> Result<Vec<Hook>, Fault> {
        let list = match fields.first(["hooks", "subscriptions"]) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(Value::String(_) | Value::Object(_)) => {
                return Err(fields.bad(HOOK_INVALID, "hooks", "is not a list of hooks"));
            }
            Some(_) => return Err(fields.bad("event-dispatch-hooks-invalid", "hooks", "is not a list")),
        };
        let read = |(at, hook): (usize, &Value)| {
            Hook::read(hook).map_err(|why| fields.bad(HOOK_INVALID, &format!("hooks[{at}]"), why))
        };
        let hooks = list.iter().enumerate().map(read).collect::<Result<Vec<_>, _>>()?;
        if hooks.len() > self.settings.max_hooks {
            let why = format!("has {} hooks, at most {} are called", hooks.len(), self.settings.max_hooks);
            return Err(fields.bad("event-dispatch-hook-limit-exceeded", "hooks", why));
        }
        Ok(hooks)
    }

    /// Calls the hooks, some at a time; reports in the order of the hooks. Dropping the future ends the
    /// calls.
    async fn send(&self, hooks: Vec<Hook>, body: Vec<u8>) -> Result<Vec<Report>, Fault> {
        let slots = Arc::new(Semaphore::new(self.settings.concurrency));
        let body: Arc<[u8]> = body.into();
        let mut calls = JoinSet::new();
        for (at, hook) in hooks.into_iter().enumerate() {
            let (slots, client, clock) = (slots.clone(), self.client.clone(), self.clock.clone());
            let (body, timeout) = (body.clone(), self.settings.timeout_seconds);
            calls.spawn(async move {
                let _slot = slots.acquire().await;
                (at, hook.call(&client, &*clock, &body, timeout).await)
            });
        }
        let mut reports = Vec::with_capacity(calls.len());
        while let Some(done) = calls.join_next().await {
            match done {
                Ok(report) => reports.push(report),
                Err(error) if error.is_panic() => return Err(Fault::panic(&*error.into_panic())),
                Err(_) => return Err(Fault::shutdown("the process ends")),
            }
        }
        reports.sort_by_key(|(at, _)| *at);
        Ok(reports.into_iter().map(|(_, report)| report).collect())
    }
}

/// The first of the fields that is not empty, as an object; an empty one where there is none.
fn object(fields: Fields<'_>, names: &[&str], code: &str) -> Result<Map<String, Value>, Fault> {
    match names.iter().find_map(|&name| Some((name, fields.first([name])?))) {
        None => Ok(Map::new()),
        Some((_, Value::Object(map))) => Ok(map.clone()),
        Some((name, _)) => Err(fields.bad(code, name, "is not an object")),
    }
}

#[async_trait]
impl Action for Dispatch {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.dispatch(Fields::of(KIT.key, &input, "event-dispatch-payload-invalid")?).await.map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let input = schema::object(
            &[],
            [
                ("topic", schema::text("what the event is about")),
                ("payload", schema::of_type("object", "what happened")),
                ("data", schema::of_type("object", "the same as `payload`, looked at second")),
                ("metadata", schema::of_type("object", "what is known about it")),
                ("hooks", schema::derived::<Vec<Hook>>()),
                ("subscriptions", schema::of_type("array", "the same as `hooks`, looked at second")),
                (
                    "dry_run",
                    schema::flag("whether nothing is sent; the settings say so unless told otherwise"),
                ),
                ("event_id", schema::text("a new one where it is unsaid")),
                ("source", schema::text("who says so")),
            ],
        );
        let count = |what| schema::of_type("integer", what);
        let output = schema::object(
            &["status", "event", "hooks", "delivered", "skipped", "failed"],
            [
                (
                    "status",
                    schema::one_of(&["dispatched", "skipped", "queued"], "whether a hook was reached"),
                ),
                ("event", schema::of_type("object", "what was sent")),
                ("hooks", schema::derived::<Vec<Report>>()),
                ("delivered", count("hooks that answered below 400")),
                ("skipped", count("hooks that were not called")),
                ("failed", count("hooks that answered otherwise or not at all")),
            ],
        );
        schema::of(input, output)
    }
}

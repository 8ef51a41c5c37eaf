//! `automation.trigger`: which rules hold for a context. Nothing here runs what they name.

mod condition;

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Fault, Payload};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::kit::Kit;
use super::python::lax;
use super::settings::{self, must};
use super::{payload, schema};
use condition::Condition;

pub(super) const KIT: Kit = Kit {
    key: "automation.trigger",
    provider: "builtin-automation-trigger",
    python: "oneiric.actions.automation:AutomationTriggerAction",
    description: "says which rules hold for a context, and what they ask for",
    domains: &["workflow", "task"],
    capabilities: &["trigger", "rules", "selection"],
    stack_level: 38,
    priority: 365,
    side_effect_free: true,
    check: settings::check::<TriggerSettings>,
    make: |settings, _| Ok(Arc::new(Trigger::new(settings::read(KIT.key, settings)?))),
};

const INVALID: &str = "automation-trigger-payload-invalid";

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TriggerSettings {
    max_rules: usize,
}

impl Default for TriggerSettings {
    fn default() -> Self {
        Self { max_rules: 20 }
    }
}

impl settings::Settings for TriggerSettings {
    fn check(&self) -> Result<(), (&'static str, String)> {
        must("max_rules", (1..=200).contains(&self.max_rules), "1 to 200")
    }
}

/// Rules, and what they are about.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Request {
    /// What the conditions look at.
    #[serde(default)]
    context: Map<String, Value>,
    /// In the order in which they are looked at; at least one.
    rules: Vec<Rule>,
    /// Whether the first rule that holds is the last that is looked at.
    #[serde(default, deserialize_with = "lax::some_bool")]
    stop_on_first_match: Option<bool>,
}

/// What is asked for, and when.
#[derive(Debug, Deserialize, JsonSchema)]
struct Rule {
    /// For people.
    name: String,
    /// The key of the action that it asks for.
    action: String,
    /// What that action is to be given.
    #[serde(default)]
    payload: Map<String, Value>,
    /// Whether no rule after this one is looked at, where it holds.
    #[serde(default, deserialize_with = "lax::bool")]
    stop_on_match: bool,
    /// All of them have to hold; none is a rule that always does.
    #[serde(default)]
    conditions: Vec<Condition>,
}

struct Trigger {
    settings: TriggerSettings,
}

impl Trigger {
    fn new(settings: TriggerSettings) -> Self {
        Self { settings }
    }

    fn trigger(&self, request: Request) -> Result<Value, Fault> {
        let most = self.settings.max_rules;
        if request.rules.is_empty() {
            return Err(Fault::permanent(
                INVALID,
                format!("`rules` in the payload of `{}` is empty", KIT.key),
            ));
        }
        if request.rules.len() > most {
            let why = format!("there are {} rules, at most {most} are looked at", request.rules.len());
            return Err(Fault::permanent("automation-trigger-rule-limit", why));
        }
        let context = Value::Object(request.context);
        let stop = request.stop_on_first_match == Some(true);
        let (mut matched, mut evaluated) = (Vec::new(), 0);
        for rule in request.rules {
            evaluated += 1;
            if rule.conditions.iter().all(|condition| condition.holds(&context)) {
                matched.push(json!({
                    "name": rule.name,
                    "action": rule.action,
                    "payload": rule.payload,
                    "condition_count": rule.conditions.len(),
                }));
                if stop || rule.stop_on_match {
                    break;
                }
            }
        }
        Ok(json!({
            "status": if matched.is_empty() { "noop" } else { "triggered" },
            "matched_rules": matched,
            "evaluated_rules": evaluated,
            "context": context,
        }))
    }
}

#[async_trait]
impl Action for Trigger {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.trigger(payload::typed(KIT.key, &input, INVALID)?).map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let matched = schema::object(
            &["name", "action", "payload", "condition_count"],
            [
                ("name", schema::text("of the rule")),
                ("action", schema::text("what it asks for")),
                ("payload", schema::of_type("object", "what that is to be given")),
                ("condition_count", schema::of_type("integer", "how many conditions held")),
            ],
        );
        let output = schema::object(
            &["status", "matched_rules", "evaluated_rules", "context"],
            [
                ("status", schema::one_of(&["triggered", "noop"], "whether a rule holds")),
                ("matched_rules", json!({ "type": "array", "items": matched })),
                ("evaluated_rules", schema::of_type("integer", "how many were looked at")),
                ("context", schema::of_type("object", "as given")),
            ],
        );
        schema::of(schema::derived::<Request>(), output)
    }
}

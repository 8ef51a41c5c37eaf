//! `workflow.audit`: a record of what happened, without its secrets.

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Clock, Fault, Payload};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::redact::redact;
use crate::actions::kit::Kit;
use crate::actions::payload::{Fields, strings};
use crate::actions::python::time::isoformat_utc;
use crate::actions::{schema, settings};

pub(in crate::actions) const KIT: Kit = Kit {
    key: "workflow.audit",
    provider: "builtin-workflow-audit",
    python: "oneiric.actions.workflow:WorkflowAuditAction",
    description: "writes an audit record into the log, without its secrets",
    domains: &["workflow", "task", "event"],
    capabilities: &["audit-log", "notify", "redact"],
    stack_level: 30,
    priority: 425,
    side_effect_free: true,
    check: settings::check::<AuditSettings>,
    make: |settings, parts| Ok(Arc::new(Audit::new(settings::read(KIT.key, settings)?, parts.clock.clone()))),
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct AuditSettings {
    channel: String,
    include_timestamp: bool,
    default_event: String,
    redact_fields: Vec<String>,
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            channel: "workflow".to_owned(),
            include_timestamp: true,
            default_event: "workflow.audit".to_owned(),
            redact_fields: ["secret", "token", "password", "key"].map(str::to_owned).into(),
        }
    }
}

impl settings::Settings for AuditSettings {}

struct Audit {
    settings: AuditSettings,
    clock: Arc<dyn Clock>,
}

impl Audit {
    fn new(settings: AuditSettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock }
    }

    fn record(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        let settings = &self.settings;
        let event = fields.text("event", &settings.default_event, "workflow-audit-event-required")?;
        if event.is_empty() {
            return Err(fields.missing("workflow-audit-event-required", "event"));
        }
        let details = match fields.get("details") {
            None => Map::new(),
            Some(Value::Object(details)) => details.clone(),
            Some(_) => {
                return Err(fields.bad("workflow-audit-details-invalid", "details", "is not an object"));
            }
        };
        let mut names = settings.redact_fields.clone();
        names.extend(fields.said("redact_fields").and_then(strings).into_iter().flatten());
        let channel = fields.first(["channel"]).cloned().unwrap_or_else(|| settings.channel.clone().into());
        let details = redact(Value::Object(details), &names);
        tracing::info!(audit_event = event, %channel, %details, "workflow-action-audit");
        let mut record =
            json!({ "status": "recorded", "event": event, "channel": channel, "details": details });
        if fields.flag("include_timestamp", settings.include_timestamp) {
            record["timestamp"] = isoformat_utc(self.clock.now()).into();
        }
        Ok(record)
    }
}

#[async_trait]
impl Action for Audit {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.record(Fields::of(KIT.key, &input, "workflow-audit-payload-invalid")?).map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let input = schema::object(
            &[],
            [
                ("event", schema::text("what happened")),
                ("details", schema::of_type("object", "what belongs to it")),
                ("channel", schema::text("where it is filed")),
                ("redact_fields", schema::texts("names that are masked, beside those of the settings")),
                ("include_timestamp", schema::flag("whether the record has the time")),
            ],
        );
        let output = schema::object(
            &["status", "event", "channel", "details"],
            [
                ("status", schema::one_of(&["recorded"], "always this")),
                ("event", schema::text("what happened")),
                ("channel", schema::any("where it is filed")),
                ("details", schema::of_type("object", "as given, masked")),
                ("timestamp", schema::text("ISO 8601 in UTC")),
            ],
        );
        schema::of(input, output)
    }
}

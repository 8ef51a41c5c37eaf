//! `workflow.notify`: a notification as a record. Who gets it, and how, is not decided here.

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Fault, Payload};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{LEVELS, level_of};
use crate::actions::kit::Kit;
use crate::actions::payload::Fields;
use crate::actions::{schema, settings};

pub(in crate::actions) const KIT: Kit = Kit {
    key: "workflow.notify",
    provider: "builtin-workflow-notify",
    python: "oneiric.actions.workflow:WorkflowNotifyAction",
    description: "a notification as a record, and into the log",
    domains: &["workflow", "task", "event"],
    capabilities: &["notify", "broadcast", "context"],
    stack_level: 30,
    priority: 420,
    side_effect_free: true,
    check: settings::check::<NotifySettings>,
    make: |settings, _| Ok(Arc::new(Notify::new(settings::read(KIT.key, settings)?))),
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct NotifySettings {
    default_channel: String,
    default_level: String,
    default_recipients: Vec<String>,
    require_message: bool,
}

impl Default for NotifySettings {
    fn default() -> Self {
        Self {
            default_channel: "workflow".to_owned(),
            default_level: "info".to_owned(),
            default_recipients: Vec::new(),
            require_message: true,
        }
    }
}

impl settings::Settings for NotifySettings {}

struct Notify {
    settings: NotifySettings,
}

impl Notify {
    fn new(settings: NotifySettings) -> Self {
        Self { settings }
    }

    fn notify(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        let settings = &self.settings;
        let message = match fields.said("message") {
            None => "",
            Some(value) => value
                .as_str()
                .ok_or_else(|| fields.bad("workflow-notify-message-invalid", "message", "is not a text"))?,
        };
        if settings.require_message && message.is_empty() {
            return Err(fields.missing("workflow-notify-message-required", "message"));
        }
        let channel = fields.text("channel", &settings.default_channel, "workflow-notify-channel-invalid")?;
        if channel.is_empty() {
            return Err(fields.missing("workflow-notify-channel-invalid", "channel"));
        }
        let level =
            level_of(fields.text("level", &settings.default_level, "workflow-notify-level-invalid")?);
        let recipients = fields
            .texts("recipients", "workflow-notify-recipients-invalid")?
            .unwrap_or_else(|| settings.default_recipients.clone());
        let context = fields.object("context", "workflow-notify-context-invalid")?;
        tracing::info!(channel, severity = level, ?recipients, text = message, "workflow-action-notify");
        let mut record = json!({
            "status": if recipients.is_empty() { "logged" } else { "queued" },
            "message": message,
            "channel": channel,
            "level": level,
            "recipients": recipients,
        });
        if let Some(context) = context.filter(|context| !context.is_empty()) {
            record["context"] = Value::Object(context.clone());
        }
        Ok(record)
    }
}

#[async_trait]
impl Action for Notify {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.notify(Fields::of(KIT.key, &input, "workflow-notify-payload-invalid")?).map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let message = || schema::text("what is to be said; required unless the settings say otherwise");
        let channel = || schema::text("where it is said");
        let recipients = || schema::texts("who is to hear it");
        let context = || schema::of_type("object", "what belongs to it");
        let input = schema::object(
            &[],
            [
                ("message", message()),
                ("channel", channel()),
                ("level", schema::one_of(&LEVELS, "how severe; `info` where it is none of these")),
                ("recipients", recipients()),
                ("context", context()),
            ],
        );
        let output = schema::object(
            &["status", "message", "channel", "level", "recipients"],
            [
                ("status", schema::one_of(&["queued", "logged"], "`queued` where there are recipients")),
                ("message", message()),
                ("channel", channel()),
                ("level", schema::one_of(&LEVELS, "how severe")),
                ("recipients", recipients()),
                ("context", context()),
            ],
        );
        schema::of(input, output)
    }
}

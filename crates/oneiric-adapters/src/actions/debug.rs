//! `debug.console`: a record into the log, without its secrets.

use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Clock, Fault, Payload};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::kit::Kit;
use super::payload::{Fields, strings};
use super::python::time::isoformat_utc;
use super::schema;
use super::settings::{self, one_of};
use super::workflow::{LEVELS, level_of, redact::redact};

pub(super) const KIT: Kit = Kit {
    key: "debug.console",
    provider: "builtin-debug-console",
    python: "oneiric.actions.debug:DebugConsoleAction",
    description: "writes a record into the log, without its secrets",
    domains: &["workflow", "task", "event"],
    capabilities: &["console", "debug", "observe"],
    stack_level: 20,
    priority: 390,
    side_effect_free: false,
    check: settings::check::<ConsoleSettings>,
    make: |settings, parts| {
        Ok(Arc::new(Console::new(settings::read(KIT.key, settings)?, parts.clock.clone())))
    },
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ConsoleSettings {
    default_level: String,
    include_timestamp: bool,
    prefix: String,
    // Read and without effect: standard output belongs to the result of a command.
    echo: bool,
    scrub_fields: Vec<String>,
}

impl Default for ConsoleSettings {
    fn default() -> Self {
        Self {
            default_level: "info".to_owned(),
            include_timestamp: true,
            prefix: "[debug]".to_owned(),
            echo: true,
            scrub_fields: ["secret", "token", "password", "key"].map(str::to_owned).into(),
        }
    }
}

impl settings::Settings for ConsoleSettings {
    fn check(&self) -> Result<(), (&'static str, String)> {
        one_of("default_level", &self.default_level, &LEVELS)
    }
}

struct Console {
    settings: ConsoleSettings,
    clock: Arc<dyn Clock>,
}

impl Console {
    fn new(settings: ConsoleSettings, clock: Arc<dyn Clock>) -> Self {
        Self { settings, clock }
    }

    fn emit(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        let settings = &self.settings;
        let message = match fields.get("message") {
            None => "",
            Some(value) => value
                .as_str()
                .ok_or_else(|| fields.bad("debug-console-message-invalid", "message", "is not a text"))?,
        };
        let details = fields.object("details", "debug-console-details-invalid")?.cloned().unwrap_or_default();
        let level = level_of(fields.text("level", &settings.default_level, "debug-console-level-invalid")?);
        let prefix = fields.said("prefix").cloned().unwrap_or_else(|| settings.prefix.clone().into());
        let mut scrub = settings.scrub_fields.clone();
        match fields.said("scrub_fields") {
            None => {}
            Some(Value::String(one)) => scrub.push(one.clone()),
            Some(value) => {
                let why = "is not a list of names";
                scrub.extend(
                    strings(value)
                        .ok_or_else(|| fields.bad("debug-console-scrub-invalid", "scrub_fields", why))?,
                );
            }
        }
        let details = redact(Value::Object(details), &scrub);
        log(level, &prefix, message, &details);
        let mut record = json!({
            "status": "emitted",
            "message": message,
            "level": level,
            "prefix": prefix,
            "details": details,
        });
        if fields.flag("include_timestamp", settings.include_timestamp) {
            record["timestamp"] = isoformat_utc(self.clock.now()).into();
        }
        Ok(record)
    }
}

fn log(level: &str, prefix: &Value, message: &str, details: &Value) {
    match level {
        "debug" => tracing::debug!(%prefix, text = message, %details, "debug-console"),
        "warning" => tracing::warn!(%prefix, text = message, %details, "debug-console"),
        "error" | "critical" => tracing::error!(level, %prefix, text = message, %details, "debug-console"),
        _ => tracing::info!(%prefix, text = message, %details, "debug-console"),
    }
}

#[async_trait]
impl Action for Console {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.emit(Fields::of(KIT.key, &input, "debug-console-payload-invalid")?).map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let input = schema::object(
            &[],
            [
                ("message", schema::text("what is to be said")),
                ("details", schema::of_type("object", "what belongs to it")),
                ("level", schema::one_of(&LEVELS, "how loud; `info` where it is none of these")),
                ("prefix", schema::text("what is put in front")),
                ("include_timestamp", schema::flag("whether the record has the time")),
                (
                    "scrub_fields",
                    schema::texts("names in `details` that are masked, beside those of the settings"),
                ),
                ("echo", schema::flag("accepted and without effect")),
            ],
        );
        let output = schema::object(
            &["status", "message", "level", "prefix", "details"],
            [
                ("status", schema::one_of(&["emitted"], "always this")),
                ("message", schema::text("as given")),
                ("level", schema::one_of(&LEVELS, "how loud")),
                ("prefix", schema::any("as given, or of the settings")),
                ("details", schema::of_type("object", "as given, masked")),
                ("timestamp", schema::text("ISO 8601 in UTC")),
            ],
        );
        schema::of(input, output)
    }
}

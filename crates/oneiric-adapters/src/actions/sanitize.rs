//! `data.sanitize`: keeps, drops and masks the fields of a record.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Fault, Payload};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::kit::Kit;
use super::payload::Fields;
use super::schema;
use super::settings;

pub(super) const KIT: Kit = Kit {
    key: "data.sanitize",
    provider: "builtin-data-sanitize",
    python: "oneiric.actions.data:DataSanitizeAction",
    description: "keeps, drops and masks the fields of a record",
    domains: &["task", "service", "workflow"],
    capabilities: &["sanitize", "redact", "filter"],
    stack_level: 35,
    priority: 390,
    side_effect_free: true,
    check: settings::check::<SanitizeSettings>,
    make: |settings, _| Ok(Arc::new(Sanitize::new(settings::read(KIT.key, settings)?))),
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct SanitizeSettings {
    allow_fields: Option<Vec<String>>,
    drop_fields: Vec<String>,
    mask_fields: Vec<String>,
    mask_value: Value,
    case_sensitive: bool,
}

impl Default for SanitizeSettings {
    fn default() -> Self {
        Self {
            allow_fields: None,
            drop_fields: Vec::new(),
            mask_fields: Vec::new(),
            mask_value: "***".into(),
            case_sensitive: false,
        }
    }
}

impl settings::Settings for SanitizeSettings {}

struct Sanitize {
    settings: SanitizeSettings,
}

impl Sanitize {
    fn new(settings: SanitizeSettings) -> Self {
        Self { settings }
    }

    fn sanitize(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        const LIST: &str = "data-sanitize-list-invalid";
        let settings = &self.settings;
        let record = fields
            .first(["data", "record"])
            .and_then(Value::as_object)
            .ok_or_else(|| fields.missing("data-sanitize-record-required", "data"))?;
        let case_sensitive = fields.flag("case_sensitive", settings.case_sensitive);
        let allow = match fields.texts("allow_fields", LIST)? {
            Some(list) => Some(list),
            None => settings.allow_fields.clone().filter(|list| !list.is_empty()),
        };
        let drop = fields.texts("drop_fields", LIST)?.unwrap_or_else(|| settings.drop_fields.clone());
        let mask = fields.texts("mask_fields", LIST)?.unwrap_or_else(|| settings.mask_fields.clone());
        // `null` is a mask too.
        let mask_value = fields.get("mask_value").unwrap_or(&settings.mask_value);

        let fold = |name: &str| if case_sensitive { name.to_owned() } else { name.to_lowercase() };
        let set = |names: &[String]| names.iter().map(|name| fold(name)).collect::<HashSet<_>>();
        let allowed = allow.as_deref().filter(|names| !names.is_empty()).map(set);
        let (dropped, hidden) = (set(&drop), set(&mask));

        let (mut result, mut removed, mut masked) = (Map::new(), 0, 0);
        for (name, value) in record {
            let folded = fold(name);
            if allowed.as_ref().is_some_and(|allowed| !allowed.contains(&folded)) {
                continue;
            }
            if dropped.contains(&folded) {
                removed += 1;
            } else if hidden.contains(&folded) {
                result.insert(name.clone(), mask_value.clone());
                masked += 1;
            } else {
                result.insert(name.clone(), value.clone());
            }
        }
        Ok(json!({
            "status": "sanitized",
            "data": result,
            "applied": { "removed": removed, "masked": masked, "allow_fields": allow },
        }))
    }
}

#[async_trait]
impl Action for Sanitize {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.sanitize(Fields::of(KIT.key, &input, "data-sanitize-payload-invalid")?).map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let input = schema::object(
            &[],
            [
                ("data", schema::of_type("object", "the record")),
                ("record", schema::of_type("object", "the same as `data`, looked at second")),
                ("allow_fields", schema::texts("the fields that stay; empty is all")),
                ("drop_fields", schema::texts("fields that go")),
                ("mask_fields", schema::texts("fields whose value is replaced")),
                ("mask_value", schema::any("what it is replaced with")),
                ("case_sensitive", schema::flag("whether `Token` and `token` are two fields")),
            ],
        );
        let applied = schema::object(
            &["removed", "masked", "allow_fields"],
            [
                ("removed", schema::of_type("integer", "how many were dropped")),
                ("masked", schema::of_type("integer", "how many were masked")),
                ("allow_fields", schema::nullable("array", "as asked for")),
            ],
        );
        let output = schema::object(
            &["status", "data", "applied"],
            [
                ("status", schema::one_of(&["sanitized"], "always this")),
                ("data", schema::of_type("object", "what is left of the record")),
                ("applied", applied),
            ],
        );
        schema::of(input, output)
    }
}

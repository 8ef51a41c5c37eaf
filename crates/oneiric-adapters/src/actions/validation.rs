//! `validation.schema`: whether the fields of a record are there, and of their type.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use oneiric_core::roles::{Action, Schema};
use oneiric_core::{Fault, Payload};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::kit::Kit;
use super::payload::Fields;
use super::python::{lax, truthy};
use super::schema;
use super::settings;

pub(super) const KIT: Kit = Kit {
    key: "validation.schema",
    provider: "builtin-validation-schema",
    python: "oneiric.actions.data:ValidationSchemaAction",
    description: "says whether the fields of a record are there, and of their type",
    domains: &["task", "service", "workflow"],
    capabilities: &["validate", "guard", "schema"],
    stack_level: 35,
    priority: 385,
    side_effect_free: true,
    check: settings::check::<ValidationSettings>,
    make: |settings, _| Ok(Arc::new(Validation::new(settings::read(KIT.key, settings)?))),
};

/// What a field may hold, in Python's words.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Str,
    /// A truth value is one, in Python.
    Int,
    Float,
    Bool,
    Dict,
    List,
    Any,
}

impl Kind {
    fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Kind::Any, _)
            | (Kind::Str, Value::String(_))
            | (Kind::Int | Kind::Float | Kind::Bool, Value::Bool(_))
            | (Kind::Float, Value::Number(_))
            | (Kind::Dict, Value::Object(_))
            | (Kind::List, Value::Array(_)) => true,
            (Kind::Int, Value::Number(number)) => !number.is_f64(),
            _ => false,
        }
    }
}

/// What is asked of one field.
#[derive(Debug, Serialize, Deserialize, schemars::JsonSchema)]
struct Rule {
    /// The name of the field.
    name: String,
    /// What it holds.
    #[serde(default, rename = "type")]
    kind: Kind,
    /// Whether it has to be there.
    #[serde(default = "yes", deserialize_with = "lax::bool")]
    required: bool,
    /// Whether `null` will do.
    #[serde(default, deserialize_with = "lax::bool")]
    allow_null: bool,
}

const fn yes() -> bool {
    true
}

impl Rule {
    fn judge(&self, value: &Value) -> Result<(), String> {
        match value {
            Value::Null if self.required && !self.allow_null => Err(format!("{} missing", self.name)),
            Value::Null => Ok(()),
            value if self.kind.holds(value) => Ok(()),
            _ => Err(format!("{} invalid-type", self.name)),
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct ValidationSettings {
    fields: Vec<Rule>,
    allow_extra: bool,
    fail_fast: bool,
}

impl Default for ValidationSettings {
    fn default() -> Self {
        Self { fields: Vec::new(), allow_extra: true, fail_fast: false }
    }
}

impl settings::Settings for ValidationSettings {}

struct Validation {
    settings: ValidationSettings,
}

impl Validation {
    fn new(settings: ValidationSettings) -> Self {
        Self { settings }
    }

    fn validate(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        let record = fields
            .first(["data", "record"])
            .and_then(Value::as_object)
            .ok_or_else(|| fields.missing("validation-schema-record-required", "data"))?;
        let given = given_rules(fields)?;
        let rules = given.as_ref().unwrap_or(&self.settings.fields);
        let fail_fast = fields.flag("fail_fast", self.settings.fail_fast);

        let (mut errors, mut validated) = (Vec::new(), Map::new());
        for rule in rules {
            let value = record.get(&rule.name).unwrap_or(&Value::Null);
            let judgement = rule.judge(value);
            if judgement.is_ok() || (value.is_null() && !fail_fast) {
                validated.insert(rule.name.clone(), value.clone());
            }
            if let Err(error) = judgement {
                errors.push(error);
                if fail_fast {
                    break;
                }
            }
        }
        if !fields.flag("allow_extra", self.settings.allow_extra) {
            let known: HashSet<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
            let extra: Vec<&str> =
                record.keys().map(String::as_str).filter(|name| !known.contains(name)).collect();
            if !extra.is_empty() {
                errors.push(format!("unexpected-fields: {}", extra.join(",")));
            }
        }
        let status = if errors.is_empty() { "valid" } else { "invalid" };
        Ok(json!({ "status": status, "data": record, "validated": validated, "errors": errors }))
    }
}

fn given_rules(fields: Fields<'_>) -> Result<Option<Vec<Rule>>, Fault> {
    let bad = |why: String| fields.bad("validation-schema-fields-invalid", "fields", why);
    match fields.said("fields") {
        None => Ok(None),
        Some(list @ Value::Array(_)) => serde_path_to_error::deserialize(list)
            .map(Some)
            .map_err(|error| bad(format!("is wrong at `{}`: {}", error.path(), error.inner()))),
        // Python walks through an empty text or mapping without noticing what it is.
        Some(empty @ (Value::String(_) | Value::Object(_))) if !truthy(empty) => Ok(Some(Vec::new())),
        Some(_) => Err(bad("is not a list of rules".to_owned())),
    }
}

#[async_trait]
impl Action for Validation {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.validate(Fields::of(KIT.key, &input, "validation-schema-payload-invalid")?).map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let input = schema::object(
            &[],
            [
                ("data", schema::of_type("object", "the record")),
                ("record", schema::of_type("object", "the same as `data`, looked at second")),
                ("fields", schema::derived::<Vec<Rule>>()),
                ("allow_extra", schema::flag("whether there may be fields without a rule")),
                ("fail_fast", schema::flag("whether the first error is the last")),
            ],
        );
        let output = schema::object(
            &["status", "data", "validated", "errors"],
            [
                ("status", schema::one_of(&["valid", "invalid"], "the verdict")),
                ("data", schema::of_type("object", "the record as given")),
                ("validated", schema::of_type("object", "the fields that have a rule and passed")),
                ("errors", schema::texts("`NAME missing`, `NAME invalid-type`, `unexpected-fields: A,B`")),
            ],
        );
        schema::of(input, output)
    }
}

//! `data.transform`: selects and renames the fields of a record, fills in defaults.

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
    key: "data.transform",
    provider: "builtin-data-transform",
    python: "oneiric.actions.data:DataTransformAction",
    description: "selects and renames the fields of a record, fills in defaults",
    domains: &["task", "service", "workflow"],
    capabilities: &["transform", "enrich", "validate"],
    stack_level: 35,
    priority: 395,
    side_effect_free: true,
    check: settings::check::<TransformSettings>,
    make: |settings, _| Ok(Arc::new(Transform::new(settings::read(KIT.key, settings)?))),
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct TransformSettings {
    include_fields: Option<Vec<String>>,
    exclude_fields: Vec<String>,
    rename_fields: Map<String, Value>,
    defaults: Map<String, Value>,
}

impl settings::Settings for TransformSettings {
    fn check(&self) -> Result<(), (&'static str, String)> {
        settings::must("rename_fields", self.rename_fields.values().all(Value::is_string), "a table of names")
    }
}

struct Transform {
    settings: TransformSettings,
}

impl Transform {
    fn new(settings: TransformSettings) -> Self {
        Self { settings }
    }

    fn transform(&self, fields: Fields<'_>) -> Result<Value, Fault> {
        const LIST: &str = "data-transform-list-invalid";
        const MAPPING: &str = "data-transform-mapping-invalid";
        let settings = &self.settings;
        let record = fields
            .first(["data", "record"])
            .and_then(Value::as_object)
            .ok_or_else(|| fields.missing("data-transform-record-required", "data"))?;
        let include = match fields.texts("include_fields", LIST)? {
            Some(list) => Some(list),
            None => settings.include_fields.clone().filter(|list| !list.is_empty()),
        };
        let exclude =
            fields.texts("exclude_fields", LIST)?.unwrap_or_else(|| settings.exclude_fields.clone());
        let rename = fields.object("rename_fields", MAPPING)?.unwrap_or(&settings.rename_fields);
        let defaults = fields.object("defaults", MAPPING)?.unwrap_or(&settings.defaults);

        let mut result = match include.as_deref() {
            None | Some([]) => record.clone(),
            Some(names) => {
                let pick = |name: &String| Some((name.clone(), record.get(name)?.clone()));
                names.iter().filter_map(pick).collect()
            }
        };
        for name in &exclude {
            result.remove(name);
        }
        let mut renamed = 0;
        for (from, to) in rename {
            let to =
                to.as_str().ok_or_else(|| fields.bad(MAPPING, "rename_fields", "holds what is no name"))?;
            if let Some(value) = result.remove(from) {
                result.insert(to.to_owned(), value);
                renamed += 1;
            }
        }
        let mut defaulted = 0;
        for (name, value) in defaults {
            if !result.contains_key(name) {
                result.insert(name.clone(), value.clone());
                defaulted += 1;
            }
        }
        Ok(json!({
            "status": "transformed",
            "data": result,
            "applied": {
                "include_fields": include,
                "exclude_fields": exclude,
                "rename_applied": renamed,
                "defaults_applied": defaulted,
            },
        }))
    }
}

#[async_trait]
impl Action for Transform {
    async fn apply(&self, input: Payload) -> Result<Payload, Fault> {
        self.transform(Fields::of(KIT.key, &input, "data-transform-payload-invalid")?).map(Payload::from)
    }

    fn schema(&self) -> Option<Schema> {
        let input = schema::object(
            &[],
            [
                ("data", schema::of_type("object", "the record")),
                ("record", schema::of_type("object", "the same as `data`, looked at second")),
                ("include_fields", schema::texts("the fields that stay; empty is all")),
                ("exclude_fields", schema::texts("fields that go")),
                ("rename_fields", schema::of_type("object", "old names and new ones, applied after that")),
                ("defaults", schema::of_type("object", "values of fields that are not there then")),
            ],
        );
        let applied = schema::object(
            &["include_fields", "exclude_fields", "rename_applied", "defaults_applied"],
            [
                ("include_fields", schema::nullable("array", "as asked for")),
                ("exclude_fields", schema::texts("as asked for")),
                ("rename_applied", schema::of_type("integer", "how many were renamed")),
                ("defaults_applied", schema::of_type("integer", "how many were filled in")),
            ],
        );
        let output = schema::object(
            &["status", "data", "applied"],
            [
                ("status", schema::one_of(&["transformed"], "always this")),
                ("data", schema::of_type("object", "the new record")),
                ("applied", applied),
            ],
        );
        schema::of(input, output)
    }
}

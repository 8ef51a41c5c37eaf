//! The document about everything that is answered, made from the table and the shapes: it cannot say what is not so.
//!
//! OpenAPI 3.1, whose schemas are those of JSON Schema 2020-12: <https://spec.openapis.org/oas/v3.1.0>.

use std::sync::OnceLock;

use oneiric_core::settings::HttpScope;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::access::Access;
use crate::describe::{Operation, Parameter};
use crate::route::Route;
use crate::routes::table;

/// The document as text; made once.
pub(crate) fn text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| document().to_string())
}

/// The document.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in table() {
        let mut operation = Operation::default();
        (route.describe)(&mut operation, &mut schemas);
        let path = paths.entry(route.info.path).or_insert_with(|| json!({}));
        path[route.info.method.as_str().to_ascii_lowercase()] = described(&route, operation);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Oneiric",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Runs, events and health of one process. Errors have the shape `Problem`; what may be asked \
                            again says so with `Retry-After`.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `oneiric token create`. Scopes: `read`, `operate`, `admin`; each \
                                    includes those before it.",
                },
                "google": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A token that Google signed for this service: Cloud Tasks, Pub/Sub, Scheduler.",
                },
            },
        },
    })
}

fn described(route: &Route, operation: Operation) -> Value {
    let info = &route.info;
    let Operation { parameters, body, answers } = operation;
    let in_path = names(info.path).map(|name| Parameter {
        place: "path",
        name: name.to_owned(),
        about: String::new(),
        required: true,
        schema: json!({ "type": "string" }),
    });
    let parameters: Vec<Value> = in_path.chain(parameters).map(parameter).collect();
    let mut said = json!({
        "operationId": id(info.method.as_str(), info.path),
        "summary": info.summary,
        "tags": [family(info.path)],
        "security": security(info.access),
        "x-access": info.access.name(),
        "responses": {},
    });
    if !parameters.is_empty() {
        said["parameters"] = parameters.into();
    }
    if let Some((schema, required)) = body {
        said["requestBody"] = json!({
            "required": required,
            "content": { "application/json": { "schema": schema } },
        });
    }
    for answer in answers {
        let one = &mut said["responses"][answer.status];
        if one.is_null() {
            *one = json!({ "description": answer.about });
        }
        if let Some((kind, schema)) = answer.content {
            one["content"][kind] = json!({ "schema": schema });
        }
    }
    said
}

fn parameter(parameter: Parameter) -> Value {
    let mut said = json!({
        "in": parameter.place,
        "name": parameter.name,
        "required": parameter.required,
        "schema": parameter.schema,
    });
    if !parameter.about.is_empty() {
        said["description"] = parameter.about.into();
    }
    said
}

/// The names of what varies in a path.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// `get_v1_runs_run_events`.
fn id(method: &str, path: &str) -> String {
    let word = |part: &str| part.trim_matches(['{', '}']).replace(['-', '.'], "_");
    let parts = path.split('/').filter(|part| !part.is_empty()).map(word);
    std::iter::once(method.to_ascii_lowercase()).chain(parts).collect::<Vec<_>>().join("_")
}

/// The word under which a route is found: `runs`.
fn family(path: &str) -> &str {
    let mut parts = path.split('/').filter(|part| !part.is_empty() && *part != "v1");
    parts.next().unwrap_or("process")
}

fn security(access: Access) -> Value {
    match access {
        Access::Open => json!([]),
        Access::Scope(HttpScope::Read | HttpScope::Operate | HttpScope::Admin) => json!([{ "token": [] }]),
        Access::Callback => json!([{ "google": [] }, { "token": [] }]),
    }
}
